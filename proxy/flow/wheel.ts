/**
 * A timing wheel (Varghese and Lauck): one list of slots per second, for the next 8192 seconds. Arming, disarming and
 * finding what is due cost the same however many slots are armed. It knows nothing of flows; a time beyond the wheel's
 * span comes early, and whoever armed it must look and arm again.
 */

/** Seconds. More than the longest timeout, 7440 s. A power of two. */
export const SPAN = 8192;
const MASK = SPAN - 1;

export class TimingWheel {
  /** First slot of each second, 0 for none. */
  readonly #heads = new Int32Array(SPAN);
  readonly #next: Int32Array;
  /** Slot before, or -1 - bucket for the first of its list; 0 when not armed. */
  readonly #previous: Int32Array;
  /** The first second that is not done with. */
  #cursor = 0;

  /** For slots 1 to `capacity`. */
  constructor(capacity: number) {
    this.#next = new Int32Array(capacity + 1);
    this.#previous = new Int32Array(capacity + 1);
  }

  /** Where `due` and a walk in order of time begin. */
  get cursor(): number {
    return this.#cursor;
  }

  /** Arms or re-arms a slot. A second that is past is due at once. */
  arm(slot: number, second: number): void {
    if (this.#previous[slot] !== 0) this.disarm(slot);
    const at = second < this.#cursor ? this.#cursor : second - this.#cursor >= SPAN ? this.#cursor + MASK : second;
    const bucket = at & MASK;
    const first = this.#heads[bucket]!;
    this.#next[slot] = first;
    this.#previous[slot] = -1 - bucket;
    if (first !== 0) this.#previous[first] = slot;
    this.#heads[bucket] = slot;
  }

  disarm(slot: number): void {
    const previous = this.#previous[slot]!;
    if (previous === 0) return;
    const next = this.#next[slot]!;
    if (previous < 0) this.#heads[-1 - previous] = next;
    else this.#next[previous] = next;
    if (next !== 0) this.#previous[next] = previous;
    this.#previous[slot] = 0;
  }

  /** Disarms and answers one slot whose second is `second` or earlier; 0 when there is none. */
  due(second: number): number {
    // After a long pause every bucket is due, and once around sees them all.
    if (second - this.#cursor >= SPAN) this.#cursor = second - MASK;
    while (this.#cursor <= second) {
      const slot = this.#heads[this.#cursor & MASK]!;
      if (slot !== 0) {
        this.disarm(slot);
        return slot;
      }
      this.#cursor += 1;
    }
    return 0;
  }

  /** First slot armed for `second`, which is within SPAN of the cursor; 0 for none. */
  first(second: number): number {
    return this.#heads[second & MASK]!;
  }

  /** The slot after this one in its second; 0 for none. */
  after(slot: number): number {
    return this.#next[slot]!;
  }
}
