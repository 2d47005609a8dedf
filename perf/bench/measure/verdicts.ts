/**
 * The goals that the packet path was given, and whether this run reaches them. Pure.
 *
 * A goal is a ratio of ours, the VIP unless it says otherwise, to the best of some peers: which one that is, the medians over all rounds
 * say; the ratio is the median of those within each round. For more-is-better it must be at least the goal; for latency at most. A goal that
 * covers both directions is judged by the worse one.
 */
import { bestOf, ratioOf, type Ratio, type Report } from './report.js';
import { CONFIDENCE } from './statistics.js';

export interface Goal {
  readonly title: string;
  readonly works: readonly string[];
  readonly metric: string;
  readonly peers: readonly string[];
  /** Who is judged; the VIP by default. */
  readonly ours?: string;
  readonly better: 'more' | 'less';
  readonly least: number;
  readonly aim: number;
}

const PLAIN_HAPROXY = ['haproxy', 'haproxy-1'];
const SPLICE = ['haproxy-splice', 'haproxy-1-splice'];
const HAPROXY = [...PLAIN_HAPROXY, ...SPLICE];
const ONE = ['bulk-1-up', 'bulk-1-down'];
const EIGHT = ['bulk-8-up', 'bulk-8-down'];
const OFFLOADED = { ours: 'vip-nft', peers: ['nft'], better: 'more', least: 0.95, aim: 1 } as const;

export const GOALS: readonly Goal[] = [
  { title: 'bulk TCP, 1 stream, vs the better of nginx and HAProxy without splice', works: ONE, metric: 'gbit', peers: [...PLAIN_HAPROXY, 'nginx'], better: 'more', least: 1.4, aim: 1.8 },
  { title: 'bulk TCP, 1 stream, vs HAProxy with splice', works: ONE, metric: 'gbit', peers: SPLICE, better: 'more', least: 0.85, aim: 1.1 },
  { title: 'bulk TCP, 8 streams, vs HAProxy with splice', works: EIGHT, metric: 'gbit', peers: SPLICE, better: 'more', least: 0.85, aim: 1.1 },
  { title: 'bulk TCP, 1 stream, vs nftables DNAT', works: ONE, metric: 'gbit', peers: ['nft'], better: 'more', least: 0.7, aim: 0.9 },
  { title: 'keep-alive requests/s vs the better of HAProxy and nginx', works: ['http'], metric: 'rate', peers: [...HAPROXY, 'nginx'], better: 'more', least: 1.2, aim: 1.5 },
  { title: 'p99 latency at equal load vs HAProxy', works: ['latency'], metric: 'p99', peers: HAPROXY, better: 'less', least: 1, aim: 0.7 },
  { title: 'new connections/s vs HAProxy', works: ['connect'], metric: 'rate', peers: HAPROXY, better: 'more', least: 1.2, aim: 2 },
  { title: 'offloaded (nft), bulk TCP, 1 stream, vs nftables DNAT', works: ONE, metric: 'gbit', ...OFFLOADED },
  { title: 'offloaded (nft), bulk TCP, 8 streams, vs nftables DNAT', works: EIGHT, metric: 'gbit', ...OFFLOADED },
  { title: 'offloaded (nft), keep-alive requests/s, vs nftables DNAT', works: ['http'], metric: 'rate', ...OFFLOADED },
  { title: 'offloaded (nft), new connections/s, vs nftables DNAT', works: ['connect'], metric: 'rate', ...OFFLOADED },
];

export interface Verdict {
  readonly goal: Goal;
  /** The median by which it is judged: the worst of those in `ratios`. undefined: not measured in this run. */
  readonly ratio: number | undefined;
  /** By work. */
  readonly ratios: Readonly<Record<string, Ratio & { readonly peer: string }>>;
  readonly word: 'aim' | 'reached' | 'missed' | 'not measured';
  /** What must be reached lies outside the interval of the ratio: more rounds would hardly say otherwise. */
  readonly certain: boolean;
}

export function judge(report: Report, goal: Goal): Verdict {
  const ratios: Record<string, Ratio & { peer: string }> = {};
  for (const work of goal.works) {
    const peer = bestOf(report, work, goal.metric, goal.peers, goal.better);
    const ratio = peer === undefined ? undefined : ratioOf(report, work, goal.metric, goal.ours ?? 'vip', peer);
    if (peer !== undefined && ratio !== undefined) ratios[work] = { peer, ...ratio };
  }
  const values = Object.values(ratios);
  if (values.length < goal.works.length) return { goal, ratio: undefined, ratios, word: 'not measured', certain: false };
  const [worst, meets] =
    goal.better === 'more'
      ? [(all: number[]) => Math.min(...all), (value: number, bound: number) => value >= bound]
      : [(all: number[]) => Math.max(...all), (value: number, bound: number) => value <= bound];
  const ratio = worst(values.map(({ median }) => median));
  // Of each end of the interval the worst: with several works it may be another one's.
  const ends = [worst(values.map(({ low }) => low)), worst(values.map(({ high }) => high))].map((end) => meets(end, goal.least));
  const certain = ends[0] === ends[1] && values.every(({ confidence }) => confidence >= CONFIDENCE);
  return { goal, ratio, ratios, word: meets(ratio, goal.aim) ? 'aim' : meets(ratio, goal.least) ? 'reached' : 'missed', certain };
}

export function judgeAll(report: Report): Verdict[] {
  return GOALS.map((goal) => judge(report, goal));
}
