/**
 * Weighted least connection (ip_vs_wlc): the endpoint with the least overhead for its weight. Two are compared by cross
 * multiplication, so nothing is rounded: 2^31 × 65,535 is a whole number that a double holds. Of equals the first in the list.
 */
import type { EndpointConfig } from '../config/snapshot.js';
import { overhead, rowsOf, weightsOf } from './overhead.js';
import type { Gate, Scheduler } from './scheduler.js';
import type { EndpointStats } from './stats.js';

export class WeightedLeastConnection implements Scheduler {
  readonly name = 'wlc';
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
    let leastOverhead = 0;
    let leastWeight = 0;
    for (let i = 0; i < rows.length; i++) {
      const weight = this.#weights[i]!;
      if (weight === 0) continue;
      const load = overhead(this.#stats, rows[i]!);
      if ((least < 0 || leastOverhead * weight > load * leastWeight) && gate.admits(i)) {
        least = i;
        leastOverhead = load;
        leastWeight = weight;
      }
    }
    return least;
  }
}
