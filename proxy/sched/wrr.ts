/**
 * Weighted round robin (ip_vs_wrr): the walk by greatest common divisor and largest weight.
 *
 * A required weight goes down from the largest weight in steps of the divisor; at each level every endpoint of at least
 * that weight has a turn. An endpoint of weight w so gets w turns in a cycle of the sum of all weights (both divided by the
 * divisor), spread among the others' turns.
 */
import type { EndpointConfig } from '../config/snapshot.js';
import { gcd } from './gcd.js';
import type { Gate, Scheduler } from './scheduler.js';

/** Before the first endpoint: the head of the kernel's list. */
const HEAD = -1;

export class WeightedRoundRobin implements Scheduler {
  readonly name = 'wrr';
  #endpoints: readonly EndpointConfig[] = [];
  /** Index of the endpoint whose turn was last (kernel: cl). */
  #current = HEAD;
  /** Weight required now (cw). 1 and a multiple of the step, once there is an endpoint with a weight. */
  #required = 0;
  /** Where the required weight begins anew (mw): the largest weight, less what makes the last level 1. */
  #most = 0;
  /** By how much it goes down (di). */
  #step = 1;

  /** A change of endpoints, order or weights begins at the head again and keeps the level, as the kernel does. */
  update(endpoints: readonly EndpointConfig[]): void {
    const before = this.#endpoints;
    this.#endpoints = endpoints;
    if (before.length === endpoints.length && before.every(({ id, weight }, i) => id === endpoints[i]!.id && weight === endpoints[i]!.weight)) return;

    let divisor = 0;
    let largest = 0;
    for (const { weight } of endpoints) {
      divisor = gcd(weight, divisor);
      largest = Math.max(largest, weight);
    }
    this.#current = HEAD;
    this.#step = Math.max(divisor, 1);
    this.#most = largest - (this.#step - 1);
    if (this.#required > this.#most || this.#required === 0) this.#required = this.#most;
    else if (this.#step > 1) this.#required -= (this.#required % this.#step) - 1;
  }

  pick(_client: number, _clientPort: number, gate: Gate): number {
    if (this.#most === 0) return -1;
    const endpoints = this.#endpoints;
    const count = endpoints.length;
    const first = this.#current;
    let at = first;
    let stop = HEAD;
    let lastLevel = false;
    let restarted = false;
    for (;;) {
      const whole = at === HEAD;
      let heaviest = 1;
      for (at += 1; at < count; at++) {
        const weight = endpoints[at]!.weight;
        if (weight >= this.#required && gate.admits(at)) {
          this.#current = at;
          return at;
        }
        if (at === stop) {
          this.#current = at;
          return -1;
        }
        if (weight > heaviest && gate.admits(at)) heaviest = weight;
      }
      at = HEAD;
      // Levels at which nobody can be found are passed over: the kernel walks the list for each.
      if (whole && this.#required > heaviest) this.#required -= Math.ceil((this.#required - heaviest) / this.#step - 1) * this.#step;
      this.#required -= this.#step;
      if (this.#required <= 0) {
        this.#required = this.#most;
        if (lastLevel || first === HEAD) {
          this.#current = HEAD;
          return -1;
        }
        restarted = true;
      }
      lastLevel = this.#required <= this.#step;
      // Those after the first were asked at the last level already; now the others, up to it.
      if (lastLevel && restarted && first !== HEAD) stop = first;
    }
  }
}
