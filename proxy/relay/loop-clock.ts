/**
 * The clock of a thread that blocks in its own loop, where setTimeout never comes to its turn: the loop asks how long it may wait, and
 * lets run what is due. A binary heap whose timers know their place, so one of many thousands is cancelled in a few steps.
 */
import type { Clock } from '../time/clock.js';

interface Timer {
  readonly at: number;
  readonly run: () => void;
  /** Index in the heap, -1: not in it. */
  place: number;
  cancelled: boolean;
}

export class LoopClock implements Clock {
  readonly #heap: Timer[] = [];

  /** @param source milliseconds, never going back: see Clock.now */
  constructor(private readonly source: () => number) {}

  now(): number {
    return this.source();
  }

  wall(): number {
    return Date.now();
  }

  after(ms: number, fn: () => void): () => void {
    const timer: Timer = { at: this.source() + Math.max(0, ms), run: fn, place: this.#heap.length, cancelled: false };
    this.#heap.push(timer);
    this.#up(timer);
    return () => {
      timer.cancelled = true;
      this.#remove(timer);
    };
  }

  /** Milliseconds until the next timer is due, whole ones: 0 when one is, `most` when none is sooner. */
  untilNext(most: number): number {
    const [first] = this.#heap;
    return first ? Math.min(most, Math.max(0, Math.ceil(first.at - this.source()))) : most;
  }

  /** Runs what was due when it was called, in order of time. What they set for now has its turn next time. */
  runDue(): void {
    const now = this.source();
    const due: Timer[] = [];
    for (let first = this.#heap[0]; first && first.at <= now; first = this.#heap[0]) {
      this.#remove(first);
      due.push(first);
    }
    // One that runs may cancel another that is due.
    for (const timer of due) if (!timer.cancelled) timer.run();
  }

  #remove(timer: Timer): void {
    const heap = this.#heap;
    const place = timer.place;
    if (place < 0) return;
    timer.place = -1;
    const last = heap.pop();
    if (!last || last === timer) return;
    this.#put(last, place);
    this.#up(last);
    this.#down(last);
  }

  #up(timer: Timer): void {
    while (timer.place > 0) {
      const place = timer.place;
      const parent = this.#heap[(place - 1) >> 1]!;
      if (parent.at <= timer.at) return;
      this.#put(timer, (place - 1) >> 1);
      this.#put(parent, place);
    }
  }

  #down(timer: Timer): void {
    const heap = this.#heap;
    for (;;) {
      const place = timer.place;
      let least = timer;
      for (const child of [heap[2 * place + 1], heap[2 * place + 2]]) if (child && child.at < least.at) least = child;
      if (least === timer) return;
      this.#put(timer, least.place);
      this.#put(least, place);
    }
  }

  #put(timer: Timer, place: number): void {
    this.#heap[place] = timer;
    timer.place = place;
  }
}
