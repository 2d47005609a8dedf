/**
 * ppoll(2) over a fixed number of positions, each with a descriptor or none. Nothing allocates after construction, so that the
 * generator's own garbage collection is not in the latencies.
 */
import { ppoll } from '../../../kernel/ffi/libc.js';
import { PollSet, Timespec } from '../../../kernel/ffi/structs.js';

export class Poller {
  readonly #set: PollSet;
  readonly #timeout = new Timespec();

  constructor(readonly capacity: number) {
    this.#set = new PollSet(capacity);
    for (let position = 0; position < capacity; position++) this.clear(position);
  }

  watch(position: number, fd: number, events: number): void {
    this.#set.set(position, fd, events);
  }

  /** A negative descriptor is skipped, see poll(2). */
  clear(position: number): void {
    this.#set.set(position, -1, 0);
  }

  /** Waits at most `ms`. How many are ready; an interrupted wait (EINTR) has none. */
  wait(ms: number): number {
    return ppoll(this.#set.bytes, this.capacity, this.#timeout.set(Math.max(ms, 0)));
  }

  /** Valid until the next wait, and only when that answered more than 0. */
  ready(position: number): number {
    return this.#set.ready(position);
  }
}
