/** What a service says of its balancing, in the words and units of the data path. Pure. */
import type { BalancingSpec } from '../../overlay/model/spec.js';
import type { BalancingPolicy, Timeouts } from '../../proxy/config/snapshot.js';

export function policyOf(balancing: BalancingSpec): BalancingPolicy {
  const { affinity, affinityTimeout, prefer, slowStart, maxConns, ejectAfter, ejectFor } = balancing;
  return {
    affinity: affinity === 'client-ip' ? affinityTimeout / 1000 : 0,
    preferLocal: prefer === 'local',
    slowStart,
    maxConnections: maxConns,
    ejectAfter: ejectFor === 0 ? 0 : ejectAfter,
    ejectFor,
  };
}

export function timeoutsOf({ timeouts }: BalancingSpec): Timeouts {
  const { established, transitory, closed, udp, icmp } = timeouts;
  return { established: established / 1000, transitory: transitory / 1000, closed: closed / 1000, udp: udp / 1000, icmp: icmp / 1000 };
}
