/**
 * Checks of what an agent itself runs on: its user, tools, namespaces, devices and ports. Pure.
 */
import type { DoctorCheck } from '../control.js';
import { packageRemedy, rootlessObstacles, tunObstacles, type HostFacts } from '../lifecycle/modes.js';
import { atLeast, check, missing, obstructed, ok, partial, type Checked } from './check.js';
import type { DoctorFacts } from './facts.js';

/** The first Node.js that works, from package.json. */
const NODE = '20.19';
/** TUNSETOFFLOAD takes TUN_F_USO4 since Linux 6.2. */
const USO_KERNEL = '6.2';
/** `ip -json` tells neighbours and rules since then; as a version, and as the date that releases before 5.1 have for one. */
const IPROUTE2 = { version: '4.17', snapshot: 180_601 };
/** Room for this many tasks and networks is not worth a word. */
const ROOM = 64;
/** What the sysctls that limit namespaces are set to, to mend them. */
const LIMIT = 15_000;

export function hostChecks(facts: DoctorFacts): DoctorCheck[] {
  const { host } = facts;
  return [
    check('user', 'root can choose its mode, others run rootless', ok(host.uid === 0 ? 'root' : `uid ${host.uid}`)),
    check('node', `Node.js ${NODE} or newer`, node(facts.node)),
    check('kernel', 'UDP segmentation offload on TUN, from 6.2 on', kernel(facts.kernel)),
    check('util-linux', 'namespaces of tasks', facts.utilLinux === undefined ? missing('not found', packageRemedy('util-linux')) : ok(facts.utilLinux)),
    check('iproute2', `links and routes, ${IPROUTE2.version} or newer`, iproute2(facts.iproute2)),
    check('/dev/net/tun', 'capturing packets to virtual IPs', tun(host)),
    check('user namespaces', 'mode rootless', userNamespaces(facts)),
    check('network namespaces', 'one for each task and each network', networkNamespaces(facts)),
    check('unprivileged_userns_clone', 'mode rootless (a sysctl of Debian’s kernels)', usernsClone(host)),
    check('AppArmor', 'mode rootless (Ubuntu restricts it since 23.10)', appArmor(facts)),
    check('low ports', 'publishing ports below 1024 in mode rootless', lowPorts(facts)),
  ];
}

function node(version: string): Checked {
  return atLeast(version, NODE) ? ok(version) : missing(version, `install Node.js ${NODE} or newer`);
}

function kernel(release: string): Checked {
  return atLeast(release, USO_KERNEL) ? ok(release) : partial(`${release}: large UDP packets are split before they reach the balancer`, `Linux ${USO_KERNEL} or newer`);
}

function iproute2(version: string | undefined): Checked {
  if (version === undefined) return missing('not found', packageRemedy('iproute2'));
  const { number, snapshot } = /iproute2-(?:ss(?<snapshot>\d{6})|(?<number>\d+\.\d+))/.exec(version)?.groups ?? {};
  const old = number === undefined ? snapshot !== undefined && Number(snapshot) < IPROUTE2.snapshot : !atLeast(number, IPROUTE2.version);
  return old ? missing(`${version} is too old`, `install iproute2 ${IPROUTE2.version} or newer`) : ok(version);
}

function tun(host: HostFacts): Checked {
  const obstacles = tunObstacles(host);
  return obstacles.length === 0 ? ok('can be opened') : obstructed(obstacles);
}

function userNamespaces({ host, namespacesSeen }: DoctorFacts): Checked {
  const limit = host.sysctls['user.max_user_namespaces'];
  if (host.userNamespaces === 'ok') return ok(`uid ${host.uid} can make them; ${inUse(namespacesSeen.user, limit)}`);
  // The rest of what mode rootless lacks; without the tools it cannot even be tried.
  const other = tunObstacles(host).map(({ cause }) => cause);
  return obstructed(rootlessObstacles(host).filter(({ cause }) => !other.includes(cause)), host.userNamespaces === 'not tried' ? 'cannot be tried: ' : '');
}

function networkNamespaces({ host, namespacesSeen: { net } }: DoctorFacts): Checked {
  const limit = host.sysctls['user.max_net_namespaces'];
  const text = inUse(net, limit);
  if (limit === undefined || limit - net >= ROOM) return ok(text);
  const remedy = `sysctl -w user.max_net_namespaces=${LIMIT}`;
  return limit === 0 ? missing('user.max_net_namespaces=0 forbids them', remedy) : partial(`${text}: little room`, remedy);
}

/** Whose they are, and so which count against this user's limit, is not to be seen. */
function inUse(seen: number, limit: number | undefined): string {
  return limit === undefined ? `${seen} seen, without a limit` : `${seen} seen, of ${limit} that a user may have`;
}

function usernsClone({ uid, sysctls }: HostFacts): Checked {
  const value = sysctls['kernel.unprivileged_userns_clone'];
  if (value === undefined) return ok('this kernel does not have it');
  if (value !== 0) return ok(`${value}`);
  const remedy = 'sysctl -w kernel.unprivileged_userns_clone=1';
  return uid === 0 ? partial('0: users other than root cannot run rootless', remedy) : missing(`0: forbids user namespaces to uid ${uid}`, remedy);
}

function appArmor({ host, appArmor: atWork }: DoctorFacts): Checked {
  const restricts = (host.sysctls['kernel.apparmor_restrict_unprivileged_userns'] ?? 0) > 0;
  if (!restricts) return ok(atWork ? 'does not restrict user namespaces' : 'not at work');
  const remedy = 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0';
  if (host.uid === 0) return partial('restricts user namespaces of users other than root', remedy);
  return host.userNamespaces === 'ok' ? ok('restricts user namespaces, but not this program’s') : missing(`takes all rights from user namespaces of uid ${host.uid}`, remedy);
}

function lowPorts({ host, unprivilegedPortStart: start }: DoctorFacts): Checked {
  if (host.uid === 0) return ok('root may use every port');
  if (start !== undefined && start <= 80) return ok(`ports from ${start} on may be used`);
  return partial(`only ports from ${start ?? 1024} on may be used by uid ${host.uid}`, 'sysctl -w net.ipv4.ip_unprivileged_port_start=80');
}
