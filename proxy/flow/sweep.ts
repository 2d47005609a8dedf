/**
 * All flows of a table, in small steps between packets: to look for those that a new snapshot has ended and that see no packet of
 * their own. Which flows these are is the caller's matter; it may end the flow that it was given.
 */
import { KIND } from './slot.js';
import type { FlowTable } from './table.js';

export class FlowSweep {
  readonly #table: FlowTable;
  readonly #stride: number;
  /** The next slot to look at, and the last one. */
  #next = 1;
  #end = 0;

  /** @param stride slots looked at by one call of `next` at most */
  constructor(table: FlowTable, stride = 64) {
    this.#table = table;
    this.#stride = stride;
  }

  /** Begins anew. Flows that begin from now on may be left out: they are of the new snapshot. */
  start(): void {
    this.#next = 1;
    this.#end = this.#table.highWater;
  }

  /** One step of work. Answers the next flow's slot, -1 when there were only free slots so far, 0 when the sweep is over. */
  next(): number {
    const words = this.#table.words;
    const stop = Math.min(this.#end, this.#next + this.#stride - 1);
    for (let slot = this.#next; slot <= stop; slot++) {
      if (words[(slot << 4) + KIND] !== 0) {
        this.#next = slot + 1;
        return slot;
      }
    }
    this.#next = stop + 1;
    return stop < this.#end ? -1 : 0;
  }
}
