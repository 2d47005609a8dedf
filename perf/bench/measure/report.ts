/**
 * What a run of the bench found, as plain data: written with --json, and all that tables, charts and verdicts are made from.
 */
import { summarize, type Summary } from './statistics.js';

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
  /** By `sampleKey`: one number for each round that succeeded. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
  readonly failures: readonly Failure[];
  readonly seconds: number;
}

export function sampleKey(work: string, metric: string, peer: string): string {
  return `${work}/${metric}/${peer}`;
}

/** undefined when no round succeeded, or the peer does not do this work. */
export function summaryOf(report: Report, work: string, metric: string, peer: string): Summary | undefined {
  const samples = report.samples[sampleKey(work, metric, peer)];
  return samples && samples.length > 0 ? summarize(samples) : undefined;
}

/** The best median among peers, undefined when there is none. */
export function bestOf(report: Report, work: string, metric: string, peers: readonly string[], better: 'more' | 'less'): number | undefined {
  const medians = peers.map((peer) => summaryOf(report, work, metric, peer)?.median).filter((median) => median !== undefined);
  if (medians.length === 0) return undefined;
  return better === 'more' ? Math.max(...medians) : Math.min(...medians);
}
