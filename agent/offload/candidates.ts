/**
 * Every service on every network, and every published port, as the kernel would be given it, and what keeps it from that. Pure: from the same world that
 * the data plane's snapshot is computed from, so that both ways of balancing always know the same endpoints.
 */
import type { NetworkObject, ResolvedPort, ServiceObject } from '../../overlay/model/object.js';
import type { BalancingSpec } from '../../overlay/model/spec.js';
import type { OffloadEndpoint, OffloadService } from '../../kernel/offload/driver.js';
import type { OffloadMode } from '../../kernel/offload/state.js';
import type { EndpointConfig, ServiceConfig } from '../../proxy/config/snapshot.js';
import { DEFAULT_TIMEOUTS } from '../../proxy/config/snapshot.js';
import { formatIpv4 } from '../../proxy/net/addr.js';
import type { DesiredPort } from '../reconcile/project.js';

/** A service on a network, or one of its published ports. */
export interface Candidate {
  /** Unique on the network. */
  readonly id: string;
  readonly serviceId: string;
  readonly service: string;
  readonly networkId: string;
  readonly mode: OffloadMode;
  /** What the kernel lacks for it, whatever the driver. */
  readonly obstacle: string | undefined;
  /** IPv4: what userspace knows it by. Of a published port it is `published` instead. */
  readonly vip?: number;
  readonly published?: Published;
  /** Ids of the endpoints that take flows, in their order. */
  readonly taking: readonly string[];
  /** The data plane knows that some of its flows may be the kernel's: before that it must not get any. Of published ports it sees none. */
  readonly held: boolean;
  readonly wanted: Omit<OffloadService, 'mark' | 'phase'>;
}

export interface Published {
  /** Of the relay (portKey). */
  readonly key: string;
  /** `8080/tcp` */
  readonly text: string;
  /** The service itself asks for the kernel, not only the agent: whatever the host filters. */
  readonly agreed: boolean;
}

/** @param mode of services that do not say themselves */
export function candidateOf(network: NetworkObject, service: ServiceObject, config: ServiceConfig, mode: OffloadMode): Candidate {
  const { balancing } = service.spec;
  const endpoints = withoutPreference(config);
  const taking = endpoints.filter(({ weight }) => weight > 0);
  return {
    id: service.id,
    serviceId: service.id,
    service: service.spec.name,
    networkId: network.id,
    mode: balancing.offload ?? mode,
    obstacle: taking.length === 0 ? 'no endpoint takes flows' : obstacleOf(balancing, config),
    vip: config.vip,
    taking: taking.map(({ id }) => id),
    held: config.offloaded === true,
    wanted: {
      address: formatIpv4(config.vip),
      scheduler: config.scheduler,
      affinity: config.policy?.affinity ?? 0,
      maxConnections: config.policy?.maxConnections ?? 0,
      endpoints: endpoints.map(offloadEndpoint),
    },
  };
}

/**
 * The kernel does not know which node an endpoint is on. Where local ones are preferred it is given those alone as long as one of them takes flows: of
 * the others each only finishes what it has.
 */
function withoutPreference(config: Pick<ServiceConfig, 'policy' | 'endpoints'>): readonly EndpointConfig[] {
  if (!prefersSome(config)) return config.endpoints;
  return config.endpoints.map((endpoint) => (endpoint.remote ? { ...endpoint, weight: 0 } : endpoint));
}

function prefersSome({ policy, endpoints }: Pick<ServiceConfig, 'policy' | 'endpoints'>): boolean {
  return policy?.preferLocal === true && endpoints.some(({ weight, remote }) => weight > 0 && !remote);
}

function offloadEndpoint({ address, weight }: EndpointConfig): OffloadEndpoint {
  return { address: formatIpv4(address), port: 0, weight };
}

/** @param others every port that is published here, this one included */
export function portCandidateOf(network: NetworkObject, service: ServiceObject, [key, { port, relay }]: readonly [string, DesiredPort], others: readonly ResolvedPort[], mode: OffloadMode): Candidate {
  const { balancing } = service.spec;
  const { protocol, published, target, address } = port;
  const endpoints = withoutPreference(relay);
  const taking = endpoints.filter(({ weight }) => weight > 0);
  const twins = others.filter((other) => other.protocol === protocol && other.published === published);
  return {
    id: `${service.id} ${markPortOf(port)}`,
    serviceId: service.id,
    service: service.spec.name,
    networkId: network.id,
    mode: balancing.offload ?? mode,
    obstacle: addressObstacle(address) ?? proxyObstacle(port) ?? (twins.length > 1 ? 'the same port is published on another address, too' : taking.length === 0 ? 'no endpoint takes flows' : obstacleOf(balancing, relay)),
    published: { key, text: `${published}/${protocol}`, agreed: balancing.offload === 'always' },
    taking: taking.map(({ id }) => id),
    held: true,
    wanted: {
      address: network.balancer,
      port: { protocol, number: published, ...(address !== undefined && { hostAddress: address }) },
      scheduler: relay.scheduler,
      affinity: relay.policy?.affinity ?? 0,
      maxConnections: relay.policy?.maxConnections ?? 0,
      endpoints: endpoints.map(({ address: endpoint, weight }) => ({ address: formatIpv4(endpoint), port: target, weight })),
    },
  };
}

/** By what a published port is told from the service's others, and keeps its mark. */
function markPortOf({ protocol, published, address }: ResolvedPort): string {
  return `${address ?? '*'}:${published}/${protocol}`;
}

function addressObstacle(address: string | undefined): string | undefined {
  if (address?.includes(':')) return 'only IPv4 is handed to the kernel';
  return address?.startsWith('127.') ? 'packets to a loopback address cannot leave the host: the relay serves them' : undefined;
}

/** The header is part of the stream, which no kernel adds to. */
function proxyObstacle({ proxyProtocol }: ResolvedPort): string | undefined {
  return proxyProtocol === undefined ? undefined : 'the header of the PROXY protocol is written by the relay';
}

/** What userspace does and no kernel can. */
function obstacleOf({ slowStart, maxConns }: BalancingSpec, config: Pick<ServiceConfig, 'timeouts' | 'policy' | 'endpoints'>): string | undefined {
  const { timeouts = DEFAULT_TIMEOUTS, endpoints } = config;
  if (slowStart > 0) return 'the kernel has no slow start';
  if (maxConns > 0 && prefersSome(config) && endpoints.some(({ weight, remote }) => weight > 0 && remote)) {
    return "the kernel would not go to another node's endpoints when the local ones are full";
  }
  const { established, transitory, udp } = DEFAULT_TIMEOUTS;
  const own = timeouts.established !== established || timeouts.transitory !== transitory || timeouts.udp !== udp;
  return own ? 'its flow timeouts are its own, and the kernel has the same for all' : undefined;
}
