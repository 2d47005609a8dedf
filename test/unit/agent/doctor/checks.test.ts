import test from 'ava';
import { atLeast } from '../../../../agent/doctor/check.js';
import { canRun, doctorChecks, remedyLines } from '../../../../agent/doctor/checks.js';
import { doctor } from '../../../../agent/doctor/doctor.js';
import type { DoctorFacts } from '../../../../agent/doctor/facts.js';
import type { DoctorCheck } from '../../../../agent/control.js';
import { good } from './machines.js';

function named(facts: Partial<DoctorFacts>, name: string): DoctorCheck {
  const check = doctorChecks({ ...good, ...facts }).find((each) => each.name === name);
  if (check === undefined) throw new Error(`no check ${name}`);
  return check;
}

test('a host with everything', (t) => {
  const checks = doctorChecks(good);
  t.deepEqual(checks.filter(({ status }) => status !== 'ok'), []);
  t.deepEqual(checks.filter(({ remedy }) => remedy !== undefined), []);
  t.is(named({}, 'underlay MTU').detail, '1500, so 1450 on overlay networks');
});

test('what kernel offload lacks, with what helps', (t) => {
  t.like(named({}, 'offload nft'), { status: 'ok', detail: 'nft; schedulers rr wrr' });
  const lacks = [{ reason: 'iptables is not installed', remedy: 'install the package iptables' }, { reason: 'this kernel has no IPVS' }];
  t.like(named({ offload: [{ driver: 'ipvs', lacks, schedulers: [], tools: [] }] }, 'offload ipvs'), {
    status: 'missing',
    detail: 'iptables is not installed; this kernel has no IPVS',
    remedy: 'install the package iptables',
  });
  t.like(named({ rawObstacle: 'the optional package raw-socket is not installed' }, 'offload resets'), { status: 'missing', detail: 'the optional package raw-socket is not installed: they notice with their next packet, and those that send nothing wait for their own time-outs' });
});

test('what keeps published ports from the kernel, and who else uses marks there', (t) => {
  t.like(named({}, 'offload ports'), { status: 'ok', detail: 'nothing on this host is in their way' });
  t.like(named({}, 'offload marks'), { status: 'ok', detail: 'nobody else uses marks in a sandbox' });
  const portObstacles = [{ reason: 'the host does not forward packets', remedy: 'sysctl -w net.ipv4.ip_forward=1' }, { reason: 'chain INPUT of iptables filters' }];
  t.like(named({ portObstacles }, 'offload ports'), { status: 'partial', detail: 'the host does not forward packets; chain INPUT of iptables filters', remedy: 'sysctl -w net.ipv4.ip_forward=1' });
  t.like(named({ portObstacles: undefined }, 'offload ports'), { status: 'partial', remedy: undefined });
  t.like(named({ markUsers: [{ reason: 'vm1a2b-overlay1: chain ip other pre of nftables sets marks' }] }, 'offload marks'), { status: 'partial', detail: 'vm1a2b-overlay1: chain ip other pre of nftables sets marks' });
});

test('uid 65534 with a closed /dev/net/tun', (t) => {
  const host = { ...good.host, uid: 65534, tun: { failed: 'EACCES', code: 'EACCES' } } as const;
  t.like(named({ host }, 'mode root'), { status: 'missing', detail: 'cannot run: uid 65534 is not root', remedy: 'run it with sudo' });
  t.like(named({ host: { ...host, tun: 'ok' } }, 'mode root'), { remedy: 'run it with sudo, or use --mode rootless' });
  t.like(named({ host }, 'mode rootless'), {
    status: 'missing',
    detail: 'cannot run: /dev/net/tun is not readable by uid 65534',
    remedy: 'chmod 0666 /dev/net/tun, or start vipmesh as root',
  });
  t.is(named({ host }, '/dev/net/tun').status, 'missing');
  t.like(named({ host }, 'low ports'), { status: 'partial', detail: 'only ports from 1024 on may be used by uid 65534' });
  t.is(named({ host, unprivilegedPortStart: 80 }, 'low ports').status, 'ok');
});

test('user namespaces that a sysctl forbids', (t) => {
  const host = {
    ...good.host,
    uid: 1000,
    userNamespaces: { failed: 'unshare failed: No space left on device', code: 1 },
    sysctls: { 'user.max_user_namespaces': 0 },
  } as const;
  t.like(named({ host }, 'user namespaces'), {
    status: 'missing',
    detail: 'user.max_user_namespaces=0 forbids user namespaces to uid 1000',
    remedy: 'sysctl -w user.max_user_namespaces=15000',
  });
});

test('what is merely worse is partial', (t) => {
  t.is(named({ kernel: '6.1.0-18-amd64' }, 'kernel').status, 'partial');
  t.is(named({ resolvers: [] }, 'resolvers').status, 'partial');
  t.like(named({ underlayMtu: { failed: 'no route' } }, 'underlay MTU'), { status: 'partial', detail: 'not known: no route' });
  t.is(named({ underlayMtu: 626 }, 'underlay MTU').status, 'ok');
  t.is(named({ underlayMtu: 625 }, 'underlay MTU').status, 'partial');
});

test('what is needed is missing', (t) => {
  t.like(named({ iproute2: undefined }, 'iproute2'), { status: 'missing', remedy: 'install the package iproute2 (apt-get install iproute2)' });
  t.is(named({ node: '20.18.1' }, 'node').status, 'missing');
});

test('an agent can run if one of the modes can, or the one that was asked for', (t) => {
  const tun = { failed: 'ENOENT', code: 'ENOENT' };
  t.true(canRun(doctorChecks(good)));
  t.true(canRun(doctorChecks({ ...good, host: { ...good.host, uid: 1000 } })));
  t.true(canRun(doctorChecks({ ...good, host: { ...good.host, userNamespaces: { failed: 'x' } } })));
  t.true(canRun(doctorChecks({ ...good, host: { ...good.host, tun } })));
  t.false(canRun(doctorChecks({ ...good, host: { ...good.host, tun, missingTools: [{ tool: 'setsid', package: 'util-linux' }] } })));
  const user = doctorChecks({ ...good, host: { ...good.host, uid: 1000 } });
  t.true(canRun(user, 'rootless'));
  t.true(canRun(user, 'sockets'));
  t.false(canRun(user, 'root'));
});

test('what to do is said once, with all that it helps', (t) => {
  const host = {
    ...good.host,
    tun: { failed: 'ENOENT', code: 'ENOENT' },
    missingTools: [{ tool: 'ip', package: 'iproute2' }],
    missingCapabilities: ['CAP_NET_ADMIN'],
    userNamespaces: 'not tried',
    ownNamespaces: 'not tried',
  } as const;
  t.deepEqual(remedyLines(doctorChecks({ ...good, host, iproute2: undefined })), [
    'iproute2, user namespaces, mode root, mode rootless: install the package iproute2 (apt-get install iproute2)',
    '/dev/net/tun, mode root, mode rootless: modprobe tun; in a container, start it with --device /dev/net/tun',
    'mode root: start it outside the container, or give the container these capabilities (--privileged does)',
  ]);
  t.deepEqual(remedyLines(doctorChecks(good)), []);
});

test('iproute2 is old by its number, or by its date', (t) => {
  const status = (version: string): string => named({ iproute2: `ip utility, iproute2-${version}` }, 'iproute2').status;
  t.deepEqual(['6.1.0, libbpf 1.1.0', '5.1.0', '4.17.0', 'ss190107', 'ss180601'].map(status), Array(5).fill('ok'));
  t.deepEqual(['4.9.0', 'ss161212'].map(status), Array(2).fill('missing'));
});

test('network namespaces are counted against what a user may have', (t) => {
  const at = (limit: number): DoctorCheck => named({ host: { ...good.host, sysctls: { 'user.max_net_namespaces': limit } }, namespacesSeen: { user: 1, net: 40 } }, 'network namespaces');
  t.like(at(104), { status: 'ok', detail: '40 seen, of 104 that a user may have' });
  t.like(at(103), { status: 'partial', detail: '40 seen, of 103 that a user may have: little room', remedy: 'sysctl -w user.max_net_namespaces=15000' });
  t.is(at(0).status, 'missing');
});

test('flavours of iptables', (t) => {
  const iptables = { version: 'iptables v1.8.9 (nf_tables)', flavours: ['legacy', 'nft'], ruled: [] } as const;
  const detail = (facts: Partial<DoctorFacts['iptables']>): string => named({ iptables: { ...iptables, ...facts } }, 'iptables').detail;
  t.is(detail({}), 'iptables v1.8.9 (nf_tables), the default of legacy and nft; no rules');
  t.is(detail({ ruled: ['legacy'] }), 'iptables v1.8.9 (nf_tables), the default of legacy and nft; rules in legacy');
  t.is(detail({ ruled: undefined, flavours: ['nft'] }), 'iptables v1.8.9 (nf_tables), the default; whose rules are there, only root sees');
  t.like(named({ iptables: { ...iptables, ruled: ['legacy', 'nft'] } }, 'iptables'), { status: 'partial', detail: 'iptables v1.8.9 (nf_tables), the default of legacy and nft; both have rules, and neither sees the other’s' });
  t.like(named({ iptables: { flavours: [], ruled: [] } }, 'iptables'), { status: 'missing', remedy: 'install the package iptables (apt-get install iptables)' });
  t.like(named({ iptables: { flavours: ['nft'], ruled: [] } }, 'iptables'), { status: 'missing', detail: 'only iptables-nft' });
});

test('why packets do not go through io_uring', (t) => {
  t.like(named({ uringObstacle: 'the sysctl kernel.io_uring_disabled is 2' }, 'io_uring'), { status: 'partial', remedy: 'sysctl -w kernel.io_uring_disabled=0' });
  t.regex(named({ uringObstacle: 'a security policy (seccomp) forbids it' }, 'io_uring').remedy ?? '', /seccomp profile/);
  t.regex(named({ uringObstacle: 'it needs Linux 6.7 or newer' }, 'io_uring').remedy ?? '', /^Linux 6\.7/);
});

test('an uplink needs one of two programs, and nftables', (t) => {
  t.like(named({}, 'uplink'), { status: 'ok', detail: 'pasta 0.0~git20230309.7c7625d-1, slirp4netns version 1.2.0' });
  t.is(named({ uplinks: { pasta: 'unknown version' } }, 'uplink').detail, 'pasta (unknown version)');
  t.like(named({ uplinks: {} }, 'uplink'), { status: 'missing', remedy: 'install the package passt (apt-get install passt)' });
  t.is(named({ nftables: { version: 'nftables v1.0.6', trial: { failed: 'Operation not supported' } } }, 'uplink').status, 'partial');
});

test('a store that was named: each member, and a read', (t) => {
  const answer = { ms: 1.2, ahead: 300 };
  const store = { kind: 'asked', cluster: 'prod', members: [{ member: '192.0.2.1:2379', answer }], read: 2.4 } as const;
  const refused = { member: '192.0.2.2:2379', answer: { failed: 'nobody listens', code: 'ECONNREFUSED' } } as const;
  t.like(named({ store }, 'store'), { status: 'ok', detail: 'etcd, cluster prod: answers in 2 ms' });
  t.like(named({ store: { ...store, read: 250 } }, 'store'), { status: 'partial', detail: 'etcd, cluster prod: answers in 250 ms, which makes every change slow' });
  t.like(named({ store: { ...store, members: [...store.members, refused] } }, 'store'), {
    status: 'partial',
    detail: 'etcd, cluster prod: 192.0.2.1:2379 in 1 ms; 192.0.2.2:2379 does not (nobody listens)',
    remedy: 'start etcd there (systemctl start etcd), with --listen-client-urls=http://192.0.2.2:2379',
  });
  t.like(named({ store: { ...store, members: [refused], read: { failed: 'no member answers' } } }, 'store'), { status: 'missing', detail: 'etcd cannot be reached: 192.0.2.2:2379: nobody listens' });
  t.like(named({ store: { ...store, members: [{ member: 'db:2379', answer: { failed: 'no such name', code: 'ENOTFOUND' } }] } }, 'store'), { status: 'missing', remedy: 'give --store an address, or a name that this host knows: db is none' });
  t.like(named({ store: { ...store, members: [{ member: '192.0.2.3:2379', answer: { failed: 'no answer in time', code: 'ETIMEDOUT' } }] } }, 'store'), { remedy: 'let this host reach TCP port 2379 of 192.0.2.3: see `ip route get 192.0.2.3` and the firewalls between' });
  t.like(named({ store: { ...store, read: { failed: 'etcd refuses clients without a user' } } }, 'store'), { status: 'missing', detail: 'etcd refuses clients without a user' });
});

test('the store of the agent that runs here', (t) => {
  t.like(named({ store: { kind: 'embedded', reachable: true } }, 'store'), { status: 'ok', detail: 'of the agent here: embedded, of this host alone' });
  const store = { kind: 'etcd', members: ['192.0.2.1:2379'], cluster: 'prod', reachable: true, latency: 3.4 } as const;
  t.like(named({ store }, 'store'), { status: 'ok', detail: 'etcd at 192.0.2.1:2379, cluster prod, of the agent here: answers in 3 ms' });
  t.like(named({ store: { ...store, reachable: false, unreachableSince: '2026-11-23T12:00:00Z', problem: 'etcd does not answer' } }, 'store'), { status: 'missing', detail: 'etcd at 192.0.2.1:2379, cluster prod, is out of the agent’s reach since 2026-11-23T12:00:00Z: etcd does not answer' });
});

test('the clock, as exactly as it could be compared', (t) => {
  const at = (ahead: number, uncertainty = 501): DoctorCheck => named({ clock: { member: '192.0.2.1:2379', ahead, uncertainty } }, 'clock');
  t.like(at(-300), { status: 'ok', detail: 'like etcd’s at 192.0.2.1:2379, to 1 s' });
  t.like(at(7400), { status: 'partial', detail: '7 s behind etcd’s at 192.0.2.1:2379', remedy: 'timedatectl set-ntp true' });
  t.like(at(-7400), { detail: '7 s ahead of etcd’s at 192.0.2.1:2379' });
  t.is(at(2500, 3000).status, 'ok');
  t.like(named({ clock: { synchronised: false } }, 'clock'), { status: 'partial', detail: 'nobody synchronises it, says the kernel' });
  t.is(named({ clock: { unknown: 'adjtimex(): EPERM: operation not permitted' } }, 'clock').status, 'partial');
});

test('IPVS by its modules', (t) => {
  t.like(named({}, 'ip_vs'), { status: 'ok', detail: 'loaded; schedulers rr sh' });
  t.is(named({ ipvs: { module: 'not there', schedulers: [] } }, 'ip_vs').status, 'missing');
  t.is(named({ ipvs: { module: 'not known', schedulers: [] } }, 'ip_vs').status, 'partial');
});

test('versions are compared as numbers', (t) => {
  t.true(atLeast('6.18.5', '6.2'));
  t.true(atLeast('6.2', '6.2'));
  t.false(atLeast('6.1.0-18-amd64', '6.2'));
  t.true(atLeast('22.0.0', '20.19'));
  t.false(atLeast('5.15.0', '6.2'));
});

test('this host can be examined without an agent', async (t) => {
  const checks = await doctor();
  t.deepEqual(checks.map(({ name }) => name), doctorChecks(good).map(({ name }) => name));
  t.is(checks.find(({ name }) => name === 'node')?.detail, process.versions.node);
});
