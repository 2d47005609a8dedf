/**
 * Least connection (ip_vs_lc): the endpoint with the least overhead. Weights do not count, but for 0. Of equals the first
 * in the list. The counts are those of all workers; an endpoint without a row counts as idle.
 */
import type { EndpointConfig } from '../config/snapshot.js';
import { overhead, rowsOf, weightsOf } from './overhead.js';
import type { Gate, Scheduler } from './scheduler.js';
import type { EndpointStats } from './stats.js';

export class LeastConnection implements Scheduler {
  readonly name = 'lc';
  readonly #stats: EndpointStats;
  #rows: Int32Array = new Int32Array(0);
  #weights: Int32Array = new Int32Array(0);

  constructor(stats: EndpointStats) {
    this.#stats = stats;
  }

  update(endpoints: readonly EndpointConfig[]): void {
    this.#rows = rowsOf(endpoints);
    this.#weights = weightsOf(endpoints);
  }

  pick(_client: number, _clientPort: number, gate: Gate): number {
    const rows = this.#rows;
    let least = -1;
    let leastOverhead = Infinity;
    for (let i = 0; i < rows.length; i++) {
      if (this.#weights[i] === 0) continue;
      const load = overhead(this.#stats, rows[i]!);
      if (load < leastOverhead && gate.admits(i)) {
        least = i;
        leastOverhead = load;
      }
    }
    return least;
  }
}
