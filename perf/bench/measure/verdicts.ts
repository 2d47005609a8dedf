/**
 * The goals that the packet path was given, and whether this run reaches them. Pure.
 *
 * A goal is a ratio of our median, the VIP's unless it says otherwise, to that of the best of some peers. For more-is-better the ratio must be at least the
 * goal; for latency at most. A goal that covers both directions is judged by the worse one.
 */
import { bestOf, type Report } from './report.js';

export interface Goal {
  readonly title: string;
  readonly works: readonly string[];
  readonly metric: string;
  readonly peers: readonly string[];
  /** Whose median is judged; the VIP's by default. */
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
  /** The ratio by which it is judged: the worst of those in `ratios`. undefined: not measured in this run. */
  readonly ratio: number | undefined;
  /** By work. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly word: 'aim' | 'reached' | 'missed' | 'not measured';
}

export function judge(report: Report, goal: Goal): Verdict {
  const ratios: Record<string, number> = {};
  for (const work of goal.works) {
    const ours = bestOf(report, work, goal.metric, [goal.ours ?? 'vip'], goal.better);
    const theirs = bestOf(report, work, goal.metric, goal.peers, goal.better);
    if (ours !== undefined && theirs !== undefined && theirs > 0) ratios[work] = ours / theirs;
  }
  const values = Object.values(ratios);
  if (values.length < goal.works.length) return { goal, ratio: undefined, ratios, word: 'not measured' };
  const ratio = goal.better === 'more' ? Math.min(...values) : Math.max(...values);
  const meets = (bound: number): boolean => (goal.better === 'more' ? ratio >= bound : ratio <= bound);
  return { goal, ratio, ratios, word: meets(goal.aim) ? 'aim' : meets(goal.least) ? 'reached' : 'missed' };
}

export function judgeAll(report: Report): Verdict[] {
  return GOALS.map((goal) => judge(report, goal));
}
