/**
 * What cannot be had in mode sockets, with the reason and what to do instead. Pure, but for what is asked of the kernel once
 * (`ownPrivilege`).
 */
import { CAP_NET_BIND_SERVICE } from '../../kernel/ffi/constants.js';
import { mayUse, ownPrivileges } from '../../kernel/run/privileges.js';
import type { NetworkObject, ServiceObject } from '../../overlay/model/object.js';
import { isLoopbackSubnet, LOOPBACK_POOL } from '../../overlay/model/subnets.js';
import type { ExposedPort, NetworkSpec, PortSpec, ServiceSpec } from '../../overlay/model/spec.js';
import { formatCidr } from '../../proxy/net/addr.js';
import { unprivilegedPortStart } from '../gateway/listen-error.js';
import type { Limits, Refusal } from '../intent/limits.js';
import type { Mode } from '../lifecycle/modes.js';
import { listensTo } from './plan.js';

const HOST_PROCESSES = 'in mode sockets tasks are processes of the host, with its network';

/** The first port that processes of this user may listen to. */
export interface Privilege {
  readonly firstPort: number;
}

/** @param services what there is */
export function socketsLimits(services: () => Iterable<ServiceObject>, privilege: Privilege): Limits {
  return {
    pool: LOOPBACK_POOL,
    routes: () => Promise.resolve([]),
    network: (spec) => Promise.resolve(networkRefusal(spec)),
    service: (spec) => serviceRefusal(spec, [...services()].filter((other) => other.spec.name !== spec.name).map((other) => other.spec), privilege),
  };
}

export function networkRefusal({ name, ipv6, encrypted, internal, subnet }: NetworkSpec): Refusal | undefined {
  if (encrypted === true) return { message: `network ${name} cannot be encrypted: ${HOST_PROCESSES}, and nothing of it leaves the host`, remedy: 'leave --opt encrypted out' };
  if (ipv6) return { message: `network ${name} cannot have IPv6: VIPs and tasks have addresses of ${formatCidr(LOOPBACK_POOL)}, and IPv6 has only one loopback address`, remedy: 'leave --ipv6 out' };
  if (internal) return { message: `network ${name} cannot be internal: ${HOST_PROCESSES}, which cannot be kept from them`, remedy: 'leave --internal out' };
  if (subnet === undefined || isLoopbackSubnet(subnet)) return undefined;
  return { message: `network ${name} cannot have subnet ${subnet}: in mode sockets VIPs and tasks are sockets on loopback`, remedy: `use a subnet within ${formatCidr(LOOPBACK_POOL)}, such as 127.80.0.0/24, or none` };
}

/** @param others the other services */
export function serviceRefusal(spec: ServiceSpec, others: readonly ServiceSpec[], { firstPort }: Privilege): Refusal | undefined {
  const { name, endpointMode, networks, balancing } = spec;
  const listens = listensTo(spec);
  if (balancing.offload === 'always') return { message: `service ${name} cannot be offloaded: in mode sockets nothing is captured that the kernel could balance`, remedy: 'leave --offload out' };
  if (endpointMode === 'vip' && networks.length > 0 && listens.length === 0) {
    return { message: `service ${name} has a virtual IP, which in mode sockets has only the ports that are named`, remedy: "name each with --port, as --port 8000 (in a compose file, expose: ['8000']), or use --endpoint-mode dnsrr" };
  }
  const low = listens.find(({ port }) => port < firstPort);
  if (low) {
    return {
      message: `service ${name} cannot have port ${textOf(low)}: below ${firstPort} the host gives ports to root only, and tasks are processes of this user`,
      remedy: `use a port from ${firstPort} on, or let everyone have it: sysctl -w net.ipv4.ip_unprivileged_port_start=${low.port}`,
    };
  }
  return clash(spec, spec, others) ?? others.reduce<Refusal | undefined>((found, other) => found ?? clash(other, spec, [spec]), undefined);
}

/** A port that `publisher` publishes on every address of the host, where some task or VIP is to listen to the same one. @param asked whose creation it keeps from succeeding */
function clash(publisher: ServiceSpec, asked: ServiceSpec, others: readonly ServiceSpec[]): Refusal | undefined {
  const listeners = [publisher, ...others].flatMap((spec) => listensTo(spec).map((port) => ({ spec, ...port })));
  for (const port of publisher.ports) {
    const other = wide(port) && listeners.find((each) => each.port === port.published && each.protocol === port.protocol);
    if (!other) continue;
    return {
      message: `service ${asked.name}: port ${textOf(other)} cannot be published by ${publisher.name} on every address of the host while tasks of ${other.spec.name} listen to it on theirs, since all share the host's ports`,
      remedy: `publish another port, as -p 1${other.port % 10_000}:${port.target}, or on one address, as -p 127.0.0.1:${other.port}:${port.target}`,
    };
  }
  return undefined;
}

function wide({ address, published }: PortSpec): boolean {
  return address === undefined && published !== undefined;
}

function textOf({ port, protocol }: ExposedPort): string {
  return protocol === 'tcp' ? `${port}` : `${port}/${protocol}`;
}

export function ownPrivilege(): Privilege {
  return { firstPort: mayUse(ownPrivileges(), CAP_NET_BIND_SERVICE) ? 1 : unprivilegedPortStart() };
}

/** Why what is stored cannot be had in this mode: networks have their addresses for good. @param stateOption as of Paths */
export function storedProblem(networks: readonly NetworkObject[], mode: Mode, stateDirectory: string): string | undefined {
  const foreign = networks.filter(({ subnet }) => isLoopbackSubnet(subnet) !== (mode === 'sockets'));
  if (foreign.length === 0) return undefined;
  const names = foreign.map(({ spec, subnet }) => `${spec.name} ${subnet}`).join(', ');
  const other = mode === 'sockets' ? 'another mode' : 'mode sockets';
  return `what is kept in ${stateDirectory} is of ${other} (${names}), and this agent would run in mode ${mode}: start it in the mode that it was made in (--mode), use another --state-dir, or forget it (rm -r ${stateDirectory})`;
}
