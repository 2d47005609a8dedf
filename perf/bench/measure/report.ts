/**
 * What a run of the bench found, as plain data: written with --json, and all that tables, charts and verdicts are made from.
 */
import { medianInterval, summarize, type Interval, type Summary } from './statistics.js';

export interface ReportMetric {
  readonly key: string;
  readonly title: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
}

export interface ReportWork {
  readonly name: string;
  readonly title: string;
  readonly metrics: readonly ReportMetric[];
}

export interface ReportPeer {
  readonly name: string;
  readonly title: string;
  readonly class: 'kernel' | 'userspace';
}

export interface Failure {
  readonly peer: string;
  /** Absent: the peer did not start. */
  readonly work?: string;
  readonly round: number;
  readonly message: string;
}

export interface Machine {
  readonly cpus: number;
  readonly model: string;
  readonly memoryBytes: number;
  /** Processes that wanted to run in the minute before the bench began (the first figure of loadavg). */
  readonly load: number;
  readonly kernel: string;
  readonly node: string;
  /** First lines of what `haproxy -v` and the like print. */
  readonly versions: readonly string[];
}

export interface Report {
  readonly date: string;
  readonly machine: Machine;
  readonly settings: Readonly<Record<'rounds' | 'seconds' | 'rate' | 'held' | 'flows' | 'seed', number>>;
  readonly peers: readonly ReportPeer[];
  readonly works: readonly ReportWork[];
  /** By `sampleKey`: one for each round, null where the peer failed, or was not asked. */
  readonly samples: Readonly<Record<string, readonly (number | null)[]>>;
  readonly failures: readonly Failure[];
  readonly seconds: number;
}

export function sampleKey(work: string, metric: string, peer: string): string {
  return `${work}/${metric}/${peer}`;
}

/** undefined when no round succeeded, or the peer does not do this work. */
export function summaryOf(report: Report, work: string, metric: string, peer: string): Summary | undefined {
  const samples = report.samples[sampleKey(work, metric, peer)]?.filter((sample) => sample !== null) ?? [];
  return samples.length > 0 ? summarize(samples) : undefined;
}

/** The peer with the best median, the first of those that are alike; undefined when none was measured. */
export function bestOf(report: Report, work: string, metric: string, peers: readonly string[], better: 'more' | 'less'): string | undefined {
  let best: { readonly peer: string; readonly median: number } | undefined;
  for (const peer of peers) {
    const median = summaryOf(report, work, metric, peer)?.median;
    if (median === undefined) continue;
    if (best === undefined || (better === 'more' ? median > best.median : median < best.median)) best = { peer, median };
  }
  return best?.peer;
}

/** One peer to another. */
export interface Ratio extends Interval {
  readonly median: number;
  /** In which both were measured. */
  readonly rounds: number;
}

/**
 * Of one peer to another in each round, and of these ratios the median: the machine is faster in one round than in another, and within a round
 * that is the same for both. undefined without a round in which both were measured, and the other is not 0.
 */
export function ratioOf(report: Report, work: string, metric: string, peer: string, other: string): Ratio | undefined {
  const samplesOf = (name: string): readonly (number | null)[] => report.samples[sampleKey(work, metric, name)] ?? [];
  const theirs = samplesOf(other);
  const ratios = samplesOf(peer).flatMap((value, round) => {
    const base = theirs[round] ?? null;
    return value === null || base === null || base <= 0 ? [] : [value / base];
  });
  return ratios.length === 0 ? undefined : { median: summarize(ratios).median, ...medianInterval(ratios), rounds: ratios.length };
}
