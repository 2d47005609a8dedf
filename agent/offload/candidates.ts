/**
 * Every service on every network as the kernel would be given it, and what keeps it from that. Pure: from the same world that
 * the data plane's snapshot is computed from, so that both ways of balancing always know the same endpoints.
 */
import type { NetworkObject, ServiceObject } from '../../overlay/model/object.js';
import type { BalancingSpec } from '../../overlay/model/spec.js';
import type { OffloadEndpoint, OffloadService } from '../../kernel/offload/driver.js';
import type { OffloadMode } from '../../kernel/offload/state.js';
import type { EndpointConfig, ServiceConfig } from '../../proxy/config/snapshot.js';
import { DEFAULT_TIMEOUTS } from '../../proxy/config/snapshot.js';
import { formatIpv4 } from '../../proxy/net/addr.js';

/** A service on a network. */
export interface Candidate {
  readonly serviceId: string;
  readonly service: string;
  readonly networkId: string;
  readonly mode: OffloadMode;
  /** What the kernel lacks for it, whatever the driver. */
  readonly obstacle: string | undefined;
  /** IPv4. */
  readonly vip: number;
  /** Ids of the endpoints that take flows, in their order. */
  readonly taking: readonly string[];
  /** The data plane knows that some of its flows may be the kernel's: before that it must not get any. */
  readonly held: boolean;
  readonly wanted: Omit<OffloadService, 'mark' | 'phase'>;
}

/** @param mode of services that do not say themselves */
export function candidateOf(network: NetworkObject, service: ServiceObject, config: ServiceConfig, mode: OffloadMode): Candidate {
  const { balancing } = service.spec;
  const taking = config.endpoints.filter(({ weight }) => weight > 0);
  return {
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
      endpoints: config.endpoints.map(offloadEndpoint),
    },
  };
}

function offloadEndpoint({ address, weight }: EndpointConfig): OffloadEndpoint {
  return { address: formatIpv4(address), port: 0, weight };
}

/** What userspace does and no kernel can. */
function obstacleOf({ slowStart }: BalancingSpec, { timeouts = DEFAULT_TIMEOUTS }: ServiceConfig): string | undefined {
  if (slowStart > 0) return 'the kernel has no slow start';
  const { established, transitory, udp } = DEFAULT_TIMEOUTS;
  const own = timeouts.established !== established || timeouts.transitory !== transitory || timeouts.udp !== udp;
  return own ? 'its flow timeouts are its own, and the kernel has the same for all' : undefined;
}
