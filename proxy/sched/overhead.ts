/** What `lc` and `wlc` compare (ip_vs_dest_conn_overhead), and endpoints as the arrays that their loops walk. */
import type { EndpointConfig } from '../config/snapshot.js';
import type { EndpointStats } from './stats.js';

const NO_ROW = -1;

/** An active flow weighs as much as 256 inactive ones. */
export function overhead(stats: EndpointStats, row: number): number {
  return row === NO_ROW ? 0 : (stats.active(row) << 8) + stats.inactive(row);
}

export function rowsOf(endpoints: readonly EndpointConfig[]): Int32Array {
  return Int32Array.from(endpoints, ({ row }) => row ?? NO_ROW);
}

export function weightsOf(endpoints: readonly EndpointConfig[]): Int32Array {
  return Int32Array.from(endpoints, ({ weight }) => weight);
}
