/**
 * What `vipmesh doctor` says of a host: facts in, checks out. The facts are found in agent/doctor/doctor.ts; which mode
 * can run is decided by agent/lifecycle/modes.ts, the same code that decides at start.
 */
import type { DoctorCheck } from '../control.js';
import type { Capability, Lack } from '../../kernel/offload/capability.js';
import { packageRemedy, rootlessObstacles, rootObstacles, tunObstacles, type HostFacts, type Obstacle } from '../lifecycle/modes.js';

export interface DoctorFacts {
  readonly host: HostFacts;
  /** `6.18.5`. */
  readonly kernel: string;
  /** `20.19.4`. */
  readonly node: string;
  /** `ip utility, iproute2-6.1.0`; undefined without the tool. */
  readonly iproute2: string | undefined;
  /** `unshare from util-linux 2.38.1`. */
  readonly utilLinux: string | undefined;
  /** net.ipv4.ip_unprivileged_port_start; undefined on kernels before 4.11. */
  readonly unprivilegedPortStart: number | undefined;
  /** Addresses that names outside are asked of, from /etc/resolv.conf. */
  readonly resolvers: readonly string[];
  /** Of the route to the rest of the world, or why it is not known. */
  readonly underlayMtu: number | { readonly failed: string };
  /** What each driver of kernel offload found when it tried. */
  readonly offload: readonly Capability[];
  /** What on the host keeps published ports from the kernel; undefined: this user's agent does not see the host's network. */
  readonly portObstacles: readonly Lack[] | undefined;
  /** Who else uses marks in the sandboxes of agents. */
  readonly markUsers: readonly Lack[];
  /** Why connections in the kernel cannot be ended by us; undefined: they can. */
  readonly rawObstacle: string | undefined;
}

/** The first Node.js that works, from package.json. */
const NODE = '20.19';
/** TUNSETOFFLOAD takes TUN_F_USO4 since Linux 6.2. */
const USO_KERNEL = '6.2';
/** An overlay packet carries 50 bytes more than the task's: outer IPv4 20, UDP 8, VXLAN 8, inner Ethernet 14 (RFC 7348). */
const OVERLAY_OVERHEAD = 50;
/** RFC 791: every host takes packets of this size. */
const LEAST_MTU = 576;

/** How the names of the checks begin that say whether an agent can run. */
const MODE = 'mode';

const OFFLOAD_NEEDS: Readonly<Record<Capability['driver'], string>> = {
  ipvs: 'balancing in the kernel by iptables marks and IPVS, as root',
  nft: 'balancing in the kernel by nftables, also rootless',
};

type Checked = Omit<DoctorCheck, 'name' | 'need'>;

export function doctorChecks(facts: DoctorFacts): DoctorCheck[] {
  const { host } = facts;
  return [
    check(`${MODE} root`, 'tasks and namespaces in the host’s own namespaces', mode(rootObstacles(host))),
    check(`${MODE} rootless`, 'the same without root, in a user namespace', mode(rootlessObstacles(host))),
    check('user', 'root can choose its mode, others run rootless', { status: 'ok', detail: host.uid === 0 ? 'root' : `uid ${host.uid}` }),
    check('/dev/net/tun', 'capturing packets to virtual IPs', tun(host)),
    check('user namespaces', 'mode rootless', userNamespaces(host)),
    check('iproute2', 'links and routes', tool(facts.iproute2, 'iproute2')),
    check('util-linux', 'namespaces of tasks', tool(facts.utilLinux, 'util-linux')),
    check('kernel', 'UDP segmentation offload on TUN, from 6.2 on', kernel(facts.kernel)),
    check('node', `Node.js ${NODE} or newer`, node(facts.node)),
    check('low ports', 'publishing ports below 1024 in mode rootless', lowPorts(facts)),
    check('resolvers', 'names outside the overlay networks', resolvers(facts.resolvers)),
    check('underlay MTU', 'the size of packets on overlay networks', underlay(facts.underlayMtu)),
    ...facts.offload.map((capability) => check(`offload ${capability.driver}`, OFFLOAD_NEEDS[capability.driver], offload(capability))),
    check('offload ports', 'published ports in the kernel, as root', ports(facts.portObstacles)),
    check('offload marks', 'telling flows of the kernel from those of userspace', lacking(facts.markUsers, 'nobody else uses marks in a sandbox')),
    check('offload resets', 'telling idle clients at once that their endpoint in the kernel is gone', resets(facts.rawObstacle)),
  ];
}

function check(name: string, need: string, checked: Checked): DoctorCheck {
  return { name, need, ...checked };
}

function mode(obstacles: readonly Obstacle[]): Checked {
  return obstacles.length === 0 ? { status: 'ok', detail: 'can run' } : missing(obstacles, 'cannot run: ');
}

function missing(obstacles: readonly Obstacle[], prefix = ''): Checked {
  return {
    status: 'missing',
    detail: prefix + obstacles.map(({ cause }) => cause).join('; '),
    remedy: obstacles.map(({ remedy }) => remedy).join('\n'),
  };
}

function offload({ lacks, schedulers, tools }: Capability): Checked {
  if (lacks.length === 0) return { status: 'ok', detail: `${tools.join(', ')}; schedulers ${schedulers.join(' ')}` };
  const remedies = lacks.flatMap(({ remedy }) => remedy ?? []);
  return { status: 'missing', detail: lacks.map(({ reason }) => reason).join('; '), ...(remedies.length > 0 && { remedy: remedies.join('\n') }) };
}

function ports(obstacles: readonly Lack[] | undefined): Checked {
  if (obstacles === undefined) return { status: 'partial', detail: 'a rootless agent does not see the network of the host: the relay serves published ports' };
  return lacking(obstacles, 'nothing on this host is in their way');
}

/** What goes on in userspace. */
function lacking(lacks: readonly Lack[], otherwise: string): Checked {
  if (lacks.length === 0) return { status: 'ok', detail: otherwise };
  const remedies = lacks.flatMap(({ remedy }) => remedy ?? []);
  return { status: 'partial', detail: lacks.map(({ reason }) => reason).join('; '), ...(remedies.length > 0 && { remedy: remedies.join('\n') }) };
}

function resets(obstacle: string | undefined): Checked {
  if (obstacle === undefined) return { status: 'ok', detail: 'raw-socket is there' };
  return { status: 'missing', detail: `${obstacle}: they notice with their next packet, and those that send nothing wait for their own time-outs`, remedy: 'install g++, make and the headers of Node, then vipmesh again' };
}

/** An agent can start here, in one mode or the other. */
export function canRun(checks: readonly DoctorCheck[]): boolean {
  return checks.some(({ name, status }) => name.startsWith(MODE) && status === 'ok');
}

/** What to do, each thing once, with the names of the checks that it helps: `mode root, iproute2: install …`. */
export function remedyLines(checks: readonly DoctorCheck[]): string[] {
  const helped = new Map<string, Set<string>>();
  for (const { name, remedy } of checks) {
    for (const line of remedy?.split('\n') ?? []) helped.set(line, (helped.get(line) ?? new Set()).add(name));
  }
  return [...helped].map(([remedy, names]) => `${[...names].join(', ')}: ${remedy}`);
}

function tun(host: HostFacts): Checked {
  const obstacles = tunObstacles(host);
  return obstacles.length === 0 ? { status: 'ok', detail: 'can be opened' } : missing(obstacles);
}

function userNamespaces(host: HostFacts): Checked {
  if (host.userNamespaces === 'ok') return { status: 'ok', detail: `uid ${host.uid} can make them` };
  // The rest of what mode rootless lacks; without the tools it cannot even be tried.
  const other = tunObstacles(host).map(({ cause }) => cause);
  return missing(rootlessObstacles(host).filter(({ cause }) => !other.includes(cause)), host.userNamespaces === 'not tried' ? 'cannot be tried: ' : '');
}

function tool(version: string | undefined, name: string): Checked {
  return version === undefined ? { status: 'missing', detail: 'not found', remedy: packageRemedy(name) } : { status: 'ok', detail: version };
}

function kernel(release: string): Checked {
  return atLeast(release, USO_KERNEL)
    ? { status: 'ok', detail: release }
    : { status: 'partial', detail: `${release}: large UDP packets are split before they reach the balancer`, remedy: `Linux ${USO_KERNEL} or newer` };
}

function node(version: string): Checked {
  return atLeast(version, NODE) ? { status: 'ok', detail: version } : { status: 'missing', detail: version, remedy: `install Node.js ${NODE} or newer` };
}

function lowPorts({ host, unprivilegedPortStart: start }: DoctorFacts): Checked {
  if (host.uid === 0) return { status: 'ok', detail: 'root may use every port' };
  if (start !== undefined && start <= 80) return { status: 'ok', detail: `ports from ${start} on may be used` };
  return {
    status: 'partial',
    detail: `only ports from ${start ?? 1024} on may be used by uid ${host.uid}`,
    remedy: 'sysctl -w net.ipv4.ip_unprivileged_port_start=80',
  };
}

function resolvers(addresses: readonly string[]): Checked {
  return addresses.length > 0
    ? { status: 'ok', detail: addresses.join(', ') }
    : { status: 'partial', detail: '/etc/resolv.conf names none that can be asked: tasks resolve services only', remedy: 'add a nameserver line to /etc/resolv.conf' };
}

function underlay(mtu: DoctorFacts['underlayMtu']): Checked {
  if (typeof mtu !== 'number') return { status: 'partial', detail: `not known: ${mtu.failed}`, remedy: 'give the host a route to the other nodes' };
  return mtu - OVERLAY_OVERHEAD >= LEAST_MTU
    ? { status: 'ok', detail: `${mtu}, so ${mtu - OVERLAY_OVERHEAD} on overlay networks` }
    : { status: 'partial', detail: `${mtu} is too small for an overlay network`, remedy: `raise it to ${LEAST_MTU + OVERLAY_OVERHEAD} or more` };
}

/** Compares the first two numbers of dotted versions. */
export function atLeast(version: string, wanted: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
