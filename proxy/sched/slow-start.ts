/**
 * Slow start: an endpoint that joins takes a growing part of the flows that are offered to it, from a tenth up to all.
 *
 * The part is reached without chance, by error diffusion: each offer adds the part to the endpoint's credit, and a credit
 * of one is spent on one flow. So of 10 offers at 30 % exactly 3 are taken, evenly spread. Credits are one worker's own.
 */

/** Part of the offers that an endpoint takes from the first moment, so that it is warmed at all. Envoy's default is the same. */
const LEAST_PART = 0.1;

export class SlowStart {
  #credits = new Float64Array(0);

  /** Forgets the credits of the endpoints so far. */
  resize(count: number): void {
    this.#credits = new Float64Array(count);
  }

  /**
   * Whether the endpoint takes the flow that it is offered.
   * @param elapsed since it joined, @param window in which it comes to its full share; both deciseconds
   */
  takes(index: number, elapsed: number, window: number): boolean {
    const part = elapsed / window;
    if (part >= 1) return true;
    const credit = this.#credits[index]! + (part > LEAST_PART ? part : LEAST_PART);
    // A millionth less than one: the sum of ten tenths is.
    const takes = credit > 0.999_999;
    this.#credits[index] = takes ? credit - 1 : credit;
    return takes;
  }
}
