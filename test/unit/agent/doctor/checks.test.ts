import test from 'ava';
import { atLeast, canRun, doctorChecks, remedyLines, type DoctorFacts } from '../../../../agent/doctor/checks.js';
import { doctor } from '../../../../agent/doctor/doctor.js';
import type { DoctorCheck } from '../../../../agent/control.js';

const good: DoctorFacts = {
  host: {
    uid: 0,
    tun: 'ok',
    missingTools: [],
    missingCapabilities: [],
    runWritable: true,
    ownNamespaces: 'ok',
    userNamespaces: 'ok',
    sysctls: {},
  },
  kernel: '6.18.5',
  node: '20.19.0',
  iproute2: 'ip utility, iproute2-6.1.0',
  utilLinux: 'unshare from util-linux 2.38.1',
  unprivilegedPortStart: 1024,
  resolvers: ['192.0.2.53'],
  underlayMtu: 1500,
  portObstacles: [],
  markUsers: [],
  rawObstacle: undefined,
  offload: [
    { driver: 'ipvs', lacks: [], schedulers: ['rr', 'sh'], tools: ['iptables (nft)'] },
    { driver: 'nft', lacks: [], schedulers: ['rr', 'wrr'], tools: ['nft'] },
  ],
};

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

test('an agent can run if either mode can', (t) => {
  const tun = { failed: 'ENOENT', code: 'ENOENT' };
  t.true(canRun(doctorChecks(good)));
  t.true(canRun(doctorChecks({ ...good, host: { ...good.host, uid: 1000 } })));
  t.true(canRun(doctorChecks({ ...good, host: { ...good.host, userNamespaces: { failed: 'x' } } })));
  t.false(canRun(doctorChecks({ ...good, host: { ...good.host, tun } })));
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
    'mode root, mode rootless, user namespaces, iproute2: install the package iproute2 (apt-get install iproute2)',
    'mode root: start it outside the container, or give the container these capabilities (--privileged does)',
    'mode root, mode rootless, /dev/net/tun: modprobe tun; in a container, start it with --device /dev/net/tun',
  ]);
  t.deepEqual(remedyLines(doctorChecks(good)), []);
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
