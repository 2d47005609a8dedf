/**
 * What a topic of the micro benchmark answers, and how it is shown. Pure.
 */
import { spreadOf, type Case, type Spread } from './harness.js';

export interface Result extends Spread {
  readonly topic: string;
  readonly name: string;
  readonly unit: 'ns' | 'bytes' | 'MB' | '×' | 'collections';
  /** What must be reached, if anything was set. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Cases with the times of their rounds, as results of a topic. */
export function nanoseconds(topic: string, cases: readonly Pick<Case, 'name'>[], rounds: readonly (readonly number[])[]): Result[] {
  return cases.map(({ name }, index) => ({ topic, name, unit: 'ns', ...spreadOf(rounds[index] ?? []) }));
}

/** How many times as long one case took as another, round by round: what slowed the machine in a round slowed both. */
export function ratio(topic: string, name: string, slower: readonly number[], faster: readonly number[], wanted: Pick<Result, 'atLeast' | 'atMost'> = {}): Result {
  return { topic, name, unit: '×', ...spreadOf(slower.map((value, round) => value / faster[round]!)), ...wanted };
}

/** A figure that is worked out or counted once. */
export function figure(topic: string, name: string, unit: Result['unit'], value: number, wanted: Pick<Result, 'atLeast' | 'atMost'> = {}): Result {
  return { topic, name, unit, median: value, fastest: value, slowest: value, ...wanted };
}

/** Undefined when nothing was set for it. */
export function isReached({ median, atLeast, atMost }: Result): boolean | undefined {
  if (atLeast === undefined && atMost === undefined) return undefined;
  return median >= (atLeast ?? -Infinity) && median <= (atMost ?? Infinity);
}

/** One line a result, under its topic. */
export function renderResults(results: readonly Result[]): string {
  const width = Math.max(0, ...results.map(({ name }) => name.length));
  const lines: string[] = [];
  let topic = '';
  for (const result of results) {
    if (result.topic !== topic) {
      topic = result.topic;
      lines.push(...(lines.length === 0 ? [] : ['']), topic);
    }
    lines.push(`  ${result.name.padEnd(width)}  ${line(result)}`.trimEnd());
  }
  return lines.join('\n');
}

function line(result: Result): string {
  const { unit, median, fastest, slowest, atLeast, atMost } = result;
  const spread = fastest === slowest ? '' : `(${format(fastest)} to ${format(slowest)})`;
  const bound = atLeast !== undefined ? `at least ${format(atLeast)}` : atMost !== undefined ? `at most ${format(atMost)}` : '';
  const verdict = bound === '' ? '' : `${bound}: ${isReached(result) ? 'reached' : 'MISSED'}`;
  return `${format(median).padStart(8)} ${unit.padEnd(11)} ${spread.padEnd(20)} ${verdict}`;
}

/** Three digits that say something. */
function format(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
