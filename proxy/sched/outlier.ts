/**
 * Outlier ejection, after Envoy's: an endpoint whose connects fail several times in a row takes no new flow for a while.
 *
 * The first ejection lasts `ejectFor`, the n-th n times as long. For every `ejectFor` that has passed since the last one
 * ended, n is one less. At most a tenth of a service's endpoints, but at least one, are ejected at a time, and never the
 * last one that could take flows. When an ejection ends the endpoint has a clean sheet.
 *
 * What is known of an endpoint is in its row of EndpointStats, so all workers know the same.
 */
import { ANSWERED_AT, EJECTED_UNTIL, EJECTIONS, FAILURES, type EndpointStats } from './stats.js';

/** Part of a service's endpoints that may be ejected at a time. */
const MOST = 0.1;

export interface EjectionRule {
  /** Connect failures in a row, at least 1. */
  readonly after: number;
  /** Deciseconds of the first ejection, at least 1. */
  readonly length: number;
}

export function isEjected(stats: EndpointStats, row: number, now: number): boolean {
  return stats.load(row, EJECTED_UNTIL) > now;
}

/** Deciseconds for which the endpoint is still ejected; 0: it is not. */
export function ejectionLeft(stats: EndpointStats, row: number, now: number): number {
  return Math.max(0, stats.load(row, EJECTED_UNTIL) - now);
}

/** A connect to the endpoint succeeded: its failures are no longer in a row. */
export function countSuccess(stats: EndpointStats, row: number, now: number): void {
  if (stats.load(row, FAILURES) !== 0) stats.store(row, FAILURES, 0);
  if (stats.load(row, ANSWERED_AT) !== now) stats.store(row, ANSWERED_AT, now);
}

/** Whether the endpoint certainly took a connection after `time` (deciseconds). */
export function answeredSince(stats: EndpointStats, row: number, time: number): boolean {
  return stats.load(row, ANSWERED_AT) > time;
}

/**
 * A connect to the endpoint failed. Failures of an ejected endpoint say nothing new and do not count.
 * @param rows @param weights of all the service's endpoints
 * @returns whether it is ejected for this
 */
export function countFailure(stats: EndpointStats, index: number, rows: Int32Array, weights: Int32Array, rule: EjectionRule, now: number): boolean {
  const row = rows[index]!;
  if (isEjected(stats, row, now)) return false;
  if (stats.increment(row, FAILURES) < rule.after) return false;
  stats.lock();
  const ejects = !isEjected(stats, row, now) && mayEject(stats, index, rows, weights, now);
  if (ejects) eject(stats, row, rule.length, now);
  stats.unlock();
  return ejects;
}

function mayEject(stats: EndpointStats, index: number, rows: Int32Array, weights: Int32Array, now: number): boolean {
  let ejected = 0;
  let others = 0;
  for (let i = 0; i < rows.length; i++) {
    if (i === index) continue;
    if (isEjected(stats, rows[i]!, now)) ejected++;
    else if (weights[i]! > 0) others++;
  }
  return others > 0 && ejected < Math.max(1, Math.floor(rows.length * MOST));
}

function eject(stats: EndpointStats, row: number, length: number, now: number): void {
  const before = stats.load(row, EJECTIONS);
  const quiet = before === 0 ? 0 : Math.floor((now - stats.load(row, EJECTED_UNTIL)) / length);
  const times = Math.max(0, before - quiet) + 1;
  stats.store(row, EJECTIONS, times);
  stats.store(row, FAILURES, 0);
  stats.store(row, EJECTED_UNTIL, now + length * times);
}
