/** Whether any member of an etcd cluster answers, from what became of everything that was asked. Pure; times in milliseconds. */
import type { Contact } from './store.js';

/** A connection that breaks, or a new leader, is no loss: the next question is answered. Milliseconds. */
const LASTING_MS = 1000;

export class EtcdContact {
  #reachable = true;
  #since = 0;
  #latency: number | undefined;
  /** Failures since the last answer: when the first was, how many, and the last one. */
  #failing: { readonly at: number; count: number; error: unknown } | undefined;

  /** @param members as many failures without an answer between them mean that none is in reach, if they go on for a while */
  constructor(
    private readonly members: number,
    private readonly explain: (error: unknown) => string,
  ) {}

  get state(): Contact {
    return {
      reachable: this.#reachable,
      since: this.#since,
      ...(this.#latency !== undefined && { latency: this.#latency }),
      ...(!this.#reachable && this.#failing && { problem: this.explain(this.#failing.error) }),
    };
  }

  answered(askedAt: number, now: number): void {
    this.#failing = undefined;
    this.#latency = now - askedAt;
    if (this.#reachable) return;
    this.#reachable = true;
    this.#since = now;
  }

  failed(error: unknown, now: number): void {
    this.#failing ??= { at: now, count: 0, error };
    this.#failing.count++;
    this.#failing.error = error;
    if (!this.#reachable || this.#failing.count < this.members || now - this.#failing.at < LASTING_MS) return;
    this.#reachable = false;
    this.#since = this.#failing.at;
  }
}
