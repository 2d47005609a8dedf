/**
 * How a service's new flows are shared among its endpoints and how long its flows live: the defaults, the bounds with their
 * reasons, and which choices exclude one another. The shape of the input is validate.ts's; what the choices do is the data
 * path's.
 */
import type { Issue } from './errors.js';
import { formatDuration } from './duration.js';
import type { BalancingSpec, EndpointMode, FlowTimeouts, PortSpec } from './spec.js';

/** As ip_vs_* means them (net/netfilter/ipvs): round robin, by weight, least connections, by weight, source hashing, Maglev. */
export const SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh'] as const;

export const AFFINITIES = ['none', 'client-ip'] as const;
export const PREFERENCES = ['none', 'local'] as const;
export const OFFLOAD_MODES = ['auto', 'always', 'never'] as const;

export const MAX_WEIGHT = 65_535;
/** Milliseconds: one day. */
export const LONGEST_AFFINITY = 86_400_000;
export const DEFAULT_AFFINITY_TIMEOUT = 10_800_000;
/** Milliseconds: one day, too. */
export const LONGEST_PERIOD = 86_400_000;
/** Milliseconds: what the data path's timing wheel reaches. */
export const LONGEST_TIMEOUT = 8_000_000;

export interface TimeoutRule {
  /** Milliseconds, as `least`. */
  readonly fallback: number;
  readonly least: number;
  /** Why not less. */
  readonly because: string;
}

/**
 * Established and transitory default to what RFC 5382, REQ-5, requires of a NAT that does not know its applications. Whoever
 * sets them for one service does, and may go below.
 */
export const TIMEOUT_RULES: Readonly<Record<keyof FlowTimeouts, TimeoutRule>> = {
  established: { fallback: 7_440_000, least: 10_000, because: 'connections would end while they wait for an answer' },
  transitory: { fallback: 240_000, least: 10_000, because: 'a lost SYN or FIN is sent again after 1, 3 and 7 seconds' },
  closed: { fallback: 10_000, least: 1000, because: 'the last packets of a connection may be sent again within a second' },
  udp: { fallback: 300_000, least: 120_000, because: 'RFC 4787, REQ-5, requires 2 minutes and recommends 5' },
  icmp: { fallback: 60_000, least: 60_000, because: 'RFC 5508, section 3.2, requires 60 seconds' },
};

export const TIMEOUT_NAMES = Object.keys(TIMEOUT_RULES) as (keyof FlowTimeouts)[];

const { established, transitory, closed, udp, icmp } = TIMEOUT_RULES;

export const DEFAULT_BALANCING: BalancingSpec = {
  scheduler: 'rr',
  weight: 1,
  slotWeights: {},
  affinity: 'none',
  affinityTimeout: DEFAULT_AFFINITY_TIMEOUT,
  prefer: 'none',
  slowStart: 0,
  maxConns: 0,
  ejectAfter: 5,
  ejectFor: 30_000,
  timeouts: {
    established: established.fallback,
    transitory: transitory.fallback,
    closed: closed.fallback,
    udp: udp.fallback,
    icmp: icmp.fallback,
  },
};

/** The weight of a replica's endpoints while it takes part. */
export function weightOf(balancing: BalancingSpec, slot: number): number {
  return balancing.slotWeights[slot] ?? balancing.weight;
}

/** What is wrong with milliseconds for a time-out, or undefined. */
export function timeoutProblem(name: keyof FlowTimeouts, milliseconds: number): string | undefined {
  const { least, because } = TIMEOUT_RULES[name];
  if (milliseconds < least) return `${formatDuration(milliseconds)} is less than ${least / 1000}s: ${because}`;
  if (milliseconds > LONGEST_TIMEOUT) return `${formatDuration(milliseconds)} is more than ${LONGEST_TIMEOUT / 1000}s: use ${LONGEST_TIMEOUT / 1000}s or less`;
  return secondsProblem(milliseconds);
}

/** The data path keeps these in seconds. */
export function secondsProblem(milliseconds: number): string | undefined {
  return milliseconds % 1000 === 0 ? undefined : `${formatDuration(milliseconds)} is not a whole number of seconds`;
}

/** A replica that has a weight and that the service does not have: a slip of whoever wrote both at once. */
export function slotProblem(balancing: Pick<BalancingSpec, 'slotWeights'>, replicas: number): string | undefined {
  const beyond = Object.keys(balancing.slotWeights).find((slot) => Number(slot) > replicas);
  if (beyond === undefined) return undefined;
  return `replica ${beyond} is given a weight, and there ${replicas === 1 ? 'is 1 replica' : `are ${replicas} replicas`}: name a replica from 1 to ${replicas}`;
}

/** Choices that exclude one another, or that nothing would look at. Paths are below `balancing`. */
export function conflicts(balancing: BalancingSpec, endpointMode: EndpointMode, ports: readonly Pick<PortSpec, 'target'>[]): Issue[] {
  const issues: Issue[] = [];
  const add = (path: string, message: string): void => void issues.push({ path, message });
  const { scheduler, slowStart, weight, slotWeights } = balancing;
  if (endpointMode === 'dnsrr' && ports.length === 0) {
    for (const path of changed(balancing)) {
      add(path, `nothing is balanced in endpoint mode dnsrr without published ports, where clients connect to the tasks themselves: leave it out, or use endpoint mode vip`);
    }
    return issues;
  }
  if (slowStart > 0 && (scheduler === 'sh' || scheduler === 'mh')) {
    add('slowStart', `slow start cannot be combined with scheduler ${scheduler}, which finds a client's endpoint by its address alone: leave one of them out`);
  }
  if (scheduler === 'rr' || scheduler === 'lc') {
    const other = scheduler === 'rr' ? 'wrr' : 'wlc';
    const weighs = [weight, ...Object.values(slotWeights)].find((value) => value > 1 && value <= MAX_WEIGHT);
    const path = weight > 1 ? 'weight' : 'slotWeights';
    if (weighs !== undefined) {
      const remedy = path === 'weight' ? 'give every replica a weight of 1' : 'give every replica a weight of 1 at once, which takes away those of single ones';
      add(path, `scheduler ${scheduler} does not look at weights, but for 0: use ${other} for a weight of ${weighs}, or ${remedy} (--endpoint-weight 1)`);
    }
  }
  return issues;
}

/** Names of what differs from the defaults. */
function changed(balancing: BalancingSpec): string[] {
  const names = Object.keys(balancing) as (keyof BalancingSpec)[];
  return names.filter((name) => JSON.stringify(balancing[name]) !== JSON.stringify(DEFAULT_BALANCING[name]));
}
