/**
 * A timing wheel (Varghese and Lauck): lists of slots per second, for the next 8192 seconds. Arming, disarming and
 * finding what is due cost the same however many slots are armed. It knows nothing of flows; a time beyond the wheel's
 * span comes early, and whoever armed it must look and arm again.
 *
 * Each second has one list per *lane*, so that the first to fall due can be asked for among the slots of one lane.
 */

/** Seconds. More than the longest timeout, 8000 s. A power of two. */
export const SPAN = 8192;
const MASK = SPAN - 1;
const SPAN_BITS = 13;

export class TimingWheel {
  /** First slot of each lane and second (bucket `lane << 13 | second & MASK`), 0 for none. */
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  /** Slot before, or -1 - bucket for the first of its list; 0 when not armed. */
  readonly #previous: Int32Array;
  /** By lane: no slot of it is armed for an earlier second. */
  readonly #earliest: Int32Array;
  /** The first second that is not done with. */
  #cursor = 0;

  /** For slots 1 to `capacity` and lanes 0 to `lanes` - 1. */
  constructor(capacity: number, lanes: number) {
    this.#heads = new Int32Array(SPAN * lanes);
    this.#next = new Int32Array(capacity + 1);
    this.#previous = new Int32Array(capacity + 1);
    this.#earliest = new Int32Array(lanes);
  }

  /** Where `due` begins. */
  get cursor(): number {
    return this.#cursor;
  }

  /** Arms or re-arms a slot. A second that is past is due at once. */
  arm(slot: number, lane: number, second: number): void {
    if (this.#previous[slot] !== 0) this.disarm(slot);
    const at = second < this.#cursor ? this.#cursor : second - this.#cursor >= SPAN ? this.#cursor + MASK : second;
    if (at < this.#earliest[lane]!) this.#earliest[lane] = at;
    const bucket = (lane << SPAN_BITS) | (at & MASK);
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
    if (second - this.#cursor >= SPAN) {
      this.#cursor = second - MASK;
      this.#earliest.fill(this.#cursor);
    }
    while (this.#cursor <= second) {
      for (let bucket = this.#cursor & MASK; bucket < this.#heads.length; bucket += SPAN) {
        const slot = this.#heads[bucket]!;
        if (slot !== 0) {
          this.disarm(slot);
          return slot;
        }
      }
      this.#cursor += 1;
    }
    return 0;
  }

  /**
   * The first second, from the cursor on, for which a slot of this lane is armed; -1 when the lane is empty. Remembers how
   * far it looked, so asking again costs no second look.
   */
  earliest(lane: number): number {
    const end = this.#cursor + SPAN;
    let second = Math.max(this.#earliest[lane]!, this.#cursor);
    while (second < end && this.#heads[(lane << SPAN_BITS) | (second & MASK)] === 0) second++;
    this.#earliest[lane] = second;
    return second < end ? second : -1;
  }

  /** First slot of a lane that is armed for `second`, which is within SPAN of the cursor; 0 for none. */
  first(lane: number, second: number): number {
    return this.#heads[(lane << SPAN_BITS) | (second & MASK)]!;
  }
}
