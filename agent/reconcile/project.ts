/**
 * What a node should balance, answer and publish, computed from what exists. Pure: objects in, three desired states out
 * (the data plane's snapshot, the name server's views, the relay's ports). Applying them is node.ts's.
 *
 * One rule decides who takes part. A task is *eligible* when it is up and not unhealthy. Among a service's eligible tasks
 * those that listen are preferred: a task that has just started and does not listen yet would refuse connections, so it is
 * given some time. When none of them listens, all take part at once, since then waiting helps nobody (a service may well never
 * listen), and the time that one was given must not leave the others out until theirs is over.
 */
import { networkMtu } from '../../overlay/vxlan/fabric.js';
import type { EndpointConfig, NetworkConfig, ServiceConfig, Snapshot } from '../../proxy/config/snapshot.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import type { Ipv6 } from '../../proxy/net/addr6.js';
import { parseIpv6 } from '../../proxy/net/addr6.js';
import type { RelayPort } from '../../proxy/relay/relay.js';
import type { DnsNetwork, DnsService, DnsTask, DnsView } from '../../overlay/dns/view.js';
import { weightOf } from '../../overlay/model/balancing.js';
import type { NetworkObject, ResolvedPort, ServiceObject, TaskAddress, TaskObject } from '../../overlay/model/object.js';
import { STACK_SERVICE_LABEL } from '../../overlay/model/spec.js';
import { policyOf, timeoutsOf } from './policy.js';

/** A task as this node sees it right now: its own are ahead of the store, which hears of them afterwards; other nodes' are what the store says. */
export interface LiveTask {
  readonly task: TaskObject;
  /** `draining`: told to stop; takes no new flow, keeps those that it has. */
  readonly phase: 'up' | 'draining';
  /** False while a health check has not succeeded yet, or has failed for good. */
  readonly healthy: boolean;
  /** Something listens in it, or it was given the time to. */
  readonly ready: boolean;
  /** Something was seen to listen in it. */
  readonly listens: boolean;
  /** Runs on another node. */
  readonly remote: boolean;
}

export interface World {
  readonly networks: readonly NetworkObject[];
  readonly services: readonly ServiceObject[];
  readonly live: readonly LiveTask[];
}

/** Live tasks of every service, by service id, in the order of their slots. */
export function byService(world: World): Map<string, LiveTask[]> {
  const map = new Map<string, LiveTask[]>(world.services.map((service) => [service.id, []]));
  for (const live of world.live) if (live.task.serviceId !== undefined) map.get(live.task.serviceId)?.push(live);
  for (const list of map.values()) list.sort((a, b) => a.task.slot - b.task.slot || (a.task.id < b.task.id ? -1 : 1));
  return map;
}

/** The tasks that take new flows and are named by the service's name. */
export function takingPart(tasks: readonly LiveTask[]): LiveTask[] {
  const eligible = tasks.filter((live) => live.phase === 'up' && live.healthy);
  return eligible.some((live) => live.listens) ? eligible.filter((live) => live.ready) : eligible;
}

function addressOn(task: TaskObject, networkId: string): TaskAddress | undefined {
  return task.addresses.find((address) => address.networkId === networkId);
}

/** Endpoints of one service on one network: with its weight one that takes part, with 0 every other live task. */
export function endpointsOf({ spec }: ServiceObject, tasks: readonly LiveTask[], networkId: string): EndpointConfig[] {
  const taking = new Set(takingPart(tasks));
  const endpoints: EndpointConfig[] = [];
  for (const live of tasks) {
    const address = addressOn(live.task, networkId);
    if (address) endpoints.push({ id: live.task.id, address: parseIpv4(address.address), ...word6('address6', address.address6), weight: taking.has(live) ? weightOf(spec.balancing, live.task.slot) : 0, ...(live.remote && { remote: true }) });
  }
  return endpoints;
}

/** An IPv6 address of the model under its name in the snapshot, where there is one. */
function word6<K extends string>(name: K, text: string | undefined): { readonly [key in K]?: Ipv6 } {
  return text === undefined ? {} : ({ [name]: parseIpv6(text) } as { readonly [key in K]?: Ipv6 });
}

/** `mtu`: of this node (NodeRecord.mtu), bytes. */
export function projectSnapshot(world: World, epoch: number, indexOf: (networkId: string) => number | undefined, mtu: number): Snapshot {
  const tasks = byService(world);
  const networks: NetworkConfig[] = [];
  for (const network of world.networks) {
    const index = indexOf(network.id);
    if (index === undefined) continue;
    const services: ServiceConfig[] = [];
    for (const service of world.services) {
      const vip = service.vips.find((candidate) => candidate.networkId === network.id);
      if (!vip) continue;
      const endpoints = endpointsOf(service, tasks.get(service.id) ?? [], network.id);
      const { name, balancing } = service.spec;
      services.push({
        id: service.id,
        name,
        vip: parseIpv4(vip.address),
        ...word6('vip6', vip.address6),
        scheduler: balancing.scheduler,
        policy: policyOf(balancing),
        timeouts: timeoutsOf(balancing),
        endpoints,
      });
    }
    networks.push({ index, id: network.id, name: network.spec.name, balancer: parseIpv4(network.balancer), ...word6('balancer6', network.balancer6), mtu: networkMtu(mtu, network.spec.encrypted === true), services });
  }
  return { epoch, networks };
}

/** Key of a published port: what listens where. */
export function portKey(port: Pick<ResolvedPort, 'protocol' | 'address' | 'published'>): string {
  return `${port.protocol}/${port.address ?? '*'}:${port.published}`;
}

export interface DesiredPort {
  readonly port: ResolvedPort;
  readonly relay: RelayPort;
  /** Some task behind it is known to listen, or has had the time to. */
  readonly ready?: true;
}

/**
 * Published ports of every service, by key: on every node and for tasks on any (`mode=ingress`), or for this node's own tasks, and only
 * as long as there are some (`mode=host`).
 */
export function projectPorts(world: World): Map<string, DesiredPort> {
  const ingress = world.networks.find((network) => network.ingress);
  const desired = new Map<string, DesiredPort>();
  if (!ingress) return desired;
  const tasks = byService(world);
  for (const service of world.services) {
    const all = tasks.get(service.id) ?? [];
    const everywhere = endpointsOf(service, all, ingress.id);
    const here = endpointsOf(service, all.filter(({ remote }) => !remote), ingress.id);
    for (const port of service.ports) {
      const endpoints = port.mode === 'host' ? here : everywhere;
      if (port.mode === 'host' && endpoints.length === 0) continue;
      desired.set(portKey(port), { port, relay: relayPortOf(service, port, endpoints), ...(takingPart(all).some(({ ready }) => ready) && { ready: true }) });
    }
  }
  return desired;
}

/** A port of the relay that sends what comes to these endpoints of a service. */
export function relayPortOf({ spec: { name, balancing } }: ServiceObject, port: ResolvedPort, endpoints: readonly EndpointConfig[]): RelayPort {
  return {
    id: portKey(port),
    protocol: port.protocol,
    service: name,
    scheduler: balancing.scheduler,
    policy: policyOf(balancing),
    timeouts: timeoutsOf(balancing),
    targetPort: port.target,
    ...(port.proxyProtocol && { proxyProtocol: port.proxyProtocol }),
    // `mh` hashes it, and so does the kernel.
    endpoints: endpoints.map((endpoint) => ({ ...endpoint, port: port.target })),
  };
}

/** What the name server knows of each network, by network id. */
export function projectDns(world: World): Map<string, DnsNetwork> {
  const tasks = byService(world);
  const result = new Map<string, DnsNetwork>();
  for (const network of world.networks) {
    const services: DnsService[] = [];
    for (const service of world.services) {
      const attachment = service.spec.networks.find((candidate) => candidate.network === network.id || candidate.network === network.spec.name);
      if (!attachment) continue;
      const vip = service.vips.find((candidate) => candidate.networkId === network.id);
      const inStack = service.spec.labels[STACK_SERVICE_LABEL];
      const aliases = inStack === undefined || inStack === service.spec.name ? attachment.aliases : [...new Set([...attachment.aliases, inStack])];
      services.push({
        name: service.spec.name,
        aliases,
        ...(vip && { vip: vip.address }),
        ...(vip?.address6 !== undefined && { vip6: vip.address6 }),
        tasks: takingPart(tasks.get(service.id) ?? []).flatMap((live) => dnsTask(live.task, network.id)),
      });
    }
    const oneOff = world.live.filter((live) => live.task.serviceId === undefined && live.phase === 'up');
    result.set(network.id, {
      name: network.spec.name,
      subnet: network.subnet,
      ...(network.subnet6 !== undefined && { subnet6: network.subnet6 }),
      internal: network.spec.internal,
      services,
      tasks: oneOff.flatMap((live) => dnsTask(live.task, network.id)),
    });
  }
  return result;
}

function dnsTask(task: TaskObject, networkId: string): DnsTask[] {
  const entry = addressOn(task, networkId);
  if (entry === undefined) return [];
  const { address, address6, aliases = [] } = entry;
  return [{ id: task.id, name: task.name, address, ...(address6 !== undefined && { address6 }), aliases }];
}

/** The networks that one task is on, in the order of its interfaces; never ingress, which carries no names. */
export function viewOf(task: TaskObject, networks: ReadonlyMap<string, DnsNetwork>, ingressId: string | undefined): DnsView {
  return {
    networks: task.addresses
      .filter((address) => address.networkId !== ingressId)
      .flatMap((address) => networks.get(address.networkId) ?? []),
  };
}
