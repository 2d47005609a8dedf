/**
 * Round robin (ip_vs_rr): each new flow goes to the next endpoint in turn. Weights do not count, but for 0: no new flow.
 */
import type { EndpointConfig } from '../config/snapshot.js';
import type { Gate, Scheduler } from './scheduler.js';

export class RoundRobin implements Scheduler {
  readonly name = 'rr';
  #endpoints: readonly EndpointConfig[] = [];
  /** Index of the endpoint whose turn was last; -1 before the first. */
  #last = -1;

  /** The turn goes on with the first endpoint, from the old order's next on, that is still there. */
  update(endpoints: readonly EndpointConfig[]): void {
    const position = new Map(endpoints.map((endpoint, i) => [endpoint.id, i]));
    const old = this.#endpoints;
    let last = -1;
    for (let step = 1; step <= old.length; step++) {
      const next = position.get(old[(this.#last + step) % old.length]!.id);
      if (next !== undefined) {
        last = next - 1;
        break;
      }
    }
    this.#endpoints = endpoints;
    this.#last = last;
  }

  pick(_client: number, _clientPort: number, gate: Gate): number {
    const endpoints = this.#endpoints;
    const count = endpoints.length;
    let at = this.#last;
    for (let step = 0; step < count; step++) {
      at = at + 1 >= count ? 0 : at + 1;
      if (endpoints[at]!.weight > 0 && gate.admits(at)) {
        this.#last = at;
        return at;
      }
    }
    return -1;
  }
}
