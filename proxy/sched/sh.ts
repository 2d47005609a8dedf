/**
 * Source hashing (ip_vs_sh): a client's address says which endpoint it goes to.
 *
 * 256 buckets are filled with the endpoints in list order, each as often in a row as its weight says (at least once, so an
 * endpoint of weight 0 has one bucket too), round and round. The client's bucket is the upper 8 bits of the 32-bit product
 * of 0x61C88647 and (address + port). The address is the four bytes of an IPv4 address as a big-endian number, or the
 * exclusive or of the four such words of an IPv6 address. The port is 0 unless the flag sh-port says that it is the client's.
 *
 * With the flag sh-fallback, a client whose endpoint takes no flow is sent on: buckets are tried one after the other, the
 * first of them the client's own bucket's number further. Without it, such a client is refused.
 */
import type { EndpointConfig } from '../config/snapshot.js';
import { weightsOf } from './overhead.js';
import type { Gate, Scheduler } from './scheduler.js';

export interface HashFlags {
  /** The client's port counts too. Default false. */
  readonly port?: boolean;
  /** Another endpoint when the client's own takes no flow. Default true: what is ejected or draining must refuse no one. */
  readonly fallback?: boolean;
}

const BUCKET_BITS = 8;
const BUCKETS = 1 << BUCKET_BITS;
const GOLDEN_RATIO_32 = 0x61c88647;

export class SourceHashing implements Scheduler {
  readonly name = 'sh';
  readonly #usePort: boolean;
  readonly #fallback: boolean;
  readonly #buckets = new Int32Array(BUCKETS).fill(-1);
  #weights: Int32Array = new Int32Array(0);

  constructor({ port = false, fallback = true }: HashFlags = {}) {
    this.#usePort = port;
    this.#fallback = fallback;
  }

  update(endpoints: readonly EndpointConfig[]): void {
    const weights = weightsOf(endpoints);
    this.#weights = weights;
    let at = 0;
    let filled = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      this.#buckets[bucket] = endpoints.length === 0 ? -1 : at;
      if (++filled >= weights[at]!) {
        at = at + 1 >= weights.length ? 0 : at + 1;
        filled = 0;
      }
    }
  }

  pick(client: number, clientPort: number, gate: Gate): number {
    const hash = Math.imul(client + (this.#usePort ? clientPort : 0), GOLDEN_RATIO_32) >>> (32 - BUCKET_BITS);
    const first = this.#buckets[hash]!;
    if (first < 0) return -1;
    if (this.#takes(first, gate)) return first;
    if (!this.#fallback) return -1;
    for (let step = 0; step < BUCKETS; step++) {
      const next = this.#buckets[(2 * hash + step) & (BUCKETS - 1)]!;
      if (this.#takes(next, gate)) return next;
    }
    return -1;
  }

  #takes(index: number, gate: Gate): boolean {
    return this.#weights[index]! > 0 && gate.admits(index);
  }
}
