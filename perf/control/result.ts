/**
 * What the control bench found, as plain data, and as tables of text. Pure.
 */
import { summarize } from '../bench/measure/statistics.js';
import { ratioText, shortNumber } from '../bench/render/number.js';
import type { Table } from '../bench/render/rows.js';

export interface Row {
  readonly topic: string;
  readonly name: string;
  readonly unit: 'ms' | 'µs';
  /** For each number of services, one value for each round. */
  readonly samples: readonly (readonly number[])[];
  /** What the largest may cost at most, as a multiple of the smallest. */
  readonly atMost?: number;
}

export interface ControlReport {
  readonly date: string;
  readonly machine: string;
  readonly sizes: readonly number[];
  readonly rounds: number;
  readonly rows: readonly Row[];
  readonly failures: readonly string[];
}

/** Largest to smallest, round by round: what slowed the machine in a round slowed both. */
export function ratios({ samples }: Row): number[] {
  const [smallest = [], largest = []] = [samples[0], samples.at(-1)];
  return smallest.map((value, round) => (largest[round] ?? Number.NaN) / value);
}

/** Undefined when no limit was set, or nothing was measured. */
export function isReached(row: Row): boolean | undefined {
  const { median } = summarize(ratios(row));
  return row.atMost === undefined || Number.isNaN(median) ? undefined : median <= row.atMost;
}

/** One table a topic: medians, least and most. */
export function tablesOf({ rows, sizes }: ControlReport): Table[] {
  return [...new Set(rows.map(({ topic }) => topic))].map((title) => ({
    title,
    head: ['', ...sizes.map((size) => `${size.toLocaleString('en')} services`), 'largest to smallest', 'limit'],
    rows: rows.filter(({ topic }) => topic === title).map(cellsOf),
  }));
}

function cellsOf(row: Row): string[] {
  const spread = (values: readonly number[], text: (value: number) => string): string => {
    const { median, least, most, count } = summarize(values);
    return count === 0 ? '–' : `${text(median)} (${text(least)} … ${text(most)})`;
  };
  const reached = isReached(row);
  const verdict = row.atMost === undefined ? '' : `≤ ${ratioText(row.atMost)} ${reached === undefined ? 'not measured' : reached ? 'reached' : 'MISSED'}`;
  return [row.name, ...row.samples.map((values) => spread(values, (value) => `${shortNumber(value)} ${row.unit}`)), spread(ratios(row), ratioText), verdict];
}
