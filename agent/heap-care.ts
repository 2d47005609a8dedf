/**
 * Gives back to the system what a burst of changes has left in the heap. V8 collects when something is allocated, and lets a heap grow to a multiple of
 * what lives in it; an agent that has heard of a thousand services is quiet for hours afterwards, with all of that. So when the heap has grown since
 * it was collected last, and after the start, it is collected as soon as the main thread has little to do. That takes some 50 ms on this thread, for 50 MB
 * that live; packets are other threads' and do not wait.
 */
import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '../proxy/time/clock.js';

/** Milliseconds between two looks. */
const LOOK_MS = 5000;
/** Bytes. */
const GROWTH = 12 << 20;
/** Part of the time between two looks, 0 to 1. */
const BUSY = 0.2;
/** The room for new objects is only given back by a collection before which little was allocated: by the second. */
const TIMES = 2;

/** What is known of the heap and the thread; replaced in tests. */
export interface HeapFacts {
  /** Bytes, of what lives and what does not. */
  used(): number;
  /** Part of the time in which the event loop had something to do, since the last call; 0 to 1. */
  busy(): number;
  collect(): void;
}

/** Begins to look, and answers what ends it. */
export function careForHeap(clock: Clock, facts: HeapFacts = ownHeap()): () => void {
  let kept = facts.used();
  let due = TIMES;
  let cancel: () => void = () => undefined;
  const look = (): void => {
    const [used, busy] = [facts.used(), facts.busy()];
    // V8 has collected by itself.
    kept = Math.min(kept, used);
    if (used - kept >= GROWTH) due = TIMES;
    if (due > 0 && busy < BUSY) {
      due--;
      facts.collect();
      kept = facts.used();
    }
    cancel = clock.after(LOOK_MS, look);
  };
  cancel = clock.after(LOOK_MS, look);
  return () => cancel();
}

function ownHeap(): HeapFacts {
  // V8 has no other way to ask for it: https://nodejs.org/docs/latest-v20.x/api/cli.html#--expose-gc
  setFlagsFromString('--expose-gc');
  // Pages of which little lives are emptied, too.
  setFlagsFromString('--compact-on-every-full-gc');
  const collect = runInNewContext('gc') as () => void;
  let last = performance.eventLoopUtilization();
  return {
    // Not process.memoryUsage(), which reads a file, and throws where no descriptor is left.
    used: () => getHeapStatistics().used_heap_size,
    busy: () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return utilization;
    },
    collect,
  };
}
