/**
 * What the cluster bench found, as plain data, and as tables of text. Pure.
 */
import { quantile, summarize } from '../bench/measure/statistics.js';
import { shortNumber } from '../bench/render/number.js';
import type { Table } from '../bench/render/rows.js';
import type { Options } from './options.js';

export interface Row {
  readonly topic: string;
  readonly name: string;
  readonly unit: 'ms' | 'MB' | 'Gbit/s' | '/s' | '×' | '';
  readonly samples: readonly number[];
  /** What the median is to be at most, or at least. */
  readonly atMost?: number;
  readonly atLeast?: number;
}

export interface ClusterReport {
  readonly date: string;
  readonly machine: string;
  readonly options: Options;
  readonly rows: readonly Row[];
  readonly failures: readonly string[];
}

/** Undefined when no limit was set, or nothing was measured. */
export function isReached({ samples, atMost, atLeast }: Row): boolean | undefined {
  if (samples.length === 0 || (atMost === undefined && atLeast === undefined)) return undefined;
  const { median } = summarize(samples);
  return median <= (atMost ?? Infinity) && median >= (atLeast ?? -Infinity);
}

/** One table a topic. */
export function tablesOf({ rows }: Pick<ClusterReport, 'rows'>): Table[] {
  return [...new Set(rows.map(({ topic }) => topic))].map((title) => ({
    title,
    head: ['', 'median', 'p95', 'least … most', 'of', 'limit'],
    rows: rows.filter(({ topic }) => topic === title).map(cellsOf),
  }));
}

function cellsOf(row: Row): string[] {
  const { name, samples, unit } = row;
  if (samples.length === 0) return [name, '–', '–', '–', '0', limitText(row)];
  const { median, least, most, count } = summarize(samples);
  const p95 = quantile([...samples].sort((a, b) => a - b), 0.95);
  const text = (value: number): string => `${unit === '' ? value.toLocaleString('en') : shortNumber(value)} ${unit}`.trimEnd();
  return [name, text(median), text(p95), `${text(least)} … ${text(most)}`, `${count}`, limitText(row)];
}

function limitText(row: Row): string {
  const limit = row.atMost === undefined ? (row.atLeast === undefined ? undefined : `≥ ${row.atLeast}`) : `≤ ${row.atMost}`;
  const reached = isReached(row);
  return limit === undefined ? '' : `${limit} ${row.unit} ${reached === undefined ? 'not measured' : reached ? 'reached' : 'MISSED'}`.replace('  ', ' ');
}
