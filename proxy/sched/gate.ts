/**
 * Eligibility: which endpoints of a service may take a new flow, beyond their weight.
 *
 * - full: at `maxConnections`; always refused.
 * - ejected (outlier.ts), on another node though local ones are preferred, or in slow start (slow-start.ts): refused under a
 *   rule that the balancer may drop. What was refused by which rule is noted, so that it drops none in vain.
 *
 * An endpoint that comes back from an ejection starts slowly again.
 */
import { isEjected } from './outlier.js';
import type { Gate } from './scheduler.js';
import { SlowStart } from './slow-start.js';
import { EJECTED_UNTIL, JOINED_AT, LONG_AGO, type EndpointStats } from './stats.js';

/** Rules that can be dropped, as bits. */
export const Rule = { ejection: 1, local: 2, slowStart: 4 } as const;

export class EndpointGate implements Gate {
  /** Rules in force for the flow at hand. */
  rules = 0;
  /** Rules that refused an endpoint to the flow at hand. */
  refused = 0;
  readonly #stats: EndpointStats;
  readonly #slowStart = new SlowStart();
  #rows: Int32Array = new Int32Array(0);
  #remote: Uint8Array = new Uint8Array(0);
  #maxConnections = 0;
  #window = 0;
  #now = 0;
  /** Number of the flow at hand, and for each endpoint that of the last one it was offered, negative when it did not take it. */
  #flow = 0;
  #offered: Int32Array = new Int32Array(0);

  constructor(stats: EndpointStats) {
    this.#stats = stats;
  }

  /** @param window deciseconds of slow start @param moved whether the endpoints are others, or in another order */
  configure(rows: Int32Array, remote: Uint8Array, maxConnections: number, window: number, moved: boolean): void {
    this.#rows = rows;
    this.#remote = remote;
    this.#maxConnections = maxConnections;
    this.#window = window;
    if (!moved) return;
    this.#slowStart.resize(rows.length);
    this.#offered = new Int32Array(rows.length);
  }

  /** From here on it is about another flow. */
  begin(now: number): void {
    this.#now = now;
    this.#flow = (this.#flow + 1) & 0x3fff_ffff || 1;
    this.refused = 0;
  }

  admits(index: number): boolean {
    if (this.isFull(index)) return false;
    const rules = this.rules;
    if ((rules & Rule.ejection) !== 0 && isEjected(this.#stats, this.#rows[index]!, this.#now)) return this.#refuse(Rule.ejection);
    if ((rules & Rule.local) !== 0 && this.#remote[index] !== 0) return this.#refuse(Rule.local);
    if ((rules & Rule.slowStart) !== 0 && !this.#takesSlowly(index)) return this.#refuse(Rule.slowStart);
    return true;
  }

  isFull(index: number): boolean {
    return this.#maxConnections > 0 && this.#stats.active(this.#rows[index]!) >= this.#maxConnections;
  }

  #refuse(rule: number): false {
    this.refused |= rule;
    return false;
  }

  /** A scheduler may ask several times about one flow: the first answer holds. */
  #takesSlowly(index: number): boolean {
    const flow = this.#flow;
    const offered = this.#offered[index]!;
    if (offered === flow) return true;
    if (offered === -flow) return false;
    const row = this.#rows[index]!;
    const joined = this.#stats.load(row, JOINED_AT);
    const back = this.#stats.load(row, EJECTED_UNTIL);
    const begin = back > joined ? back : joined;
    const takes = begin === LONG_AGO || begin === 0 || this.#slowStart.takes(index, this.#now - begin, this.#window);
    this.#offered[index] = takes ? flow : -flow;
    return takes;
  }
}
