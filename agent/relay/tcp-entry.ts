/**
 * What runs in a thread of the relay for TCP: a loop of its own that blocks until a socket is ready, a timer is due or the main thread has a
 * request. The thread's event loop does not turn while it runs; in which namespace its sockets are is as in entry.ts.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { clearEvent } from '../../kernel/ffi/libc.js';
import { LoopClock } from '../../proxy/relay/loop-clock.js';
import type { RelayCall } from '../../proxy/relay/messages.js';
import { answer, makeCore, type RelayInput } from './serve.js';

/** Milliseconds after which a thread that was told to terminate has the chance, also when nothing happens. */
const IDLE_MS = 10_000;

/** Milliseconds of a clock that all threads share: what they know of endpoints has times in it. performance.now() counts from each thread's own start. */
function sharedNow(): () => number {
  const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  return () => performance.now() + offset;
}

if (parentPort) {
  const port = parentPort;
  const input = workerData as RelayInput;
  const clock = new LoopClock(sharedNow());
  const { core, sockets } = makeCore(input, clock);
  const wakeUp = input.wakeUps[input.index]!;
  let isClosing = false;
  core.watchWake(wakeUp, () => {
    clearEvent(wakeUp);
    for (;;) {
      const received = receiveMessageOnPort(port) as { message: RelayCall } | undefined;
      if (!received) break;
      port.postMessage(answer(core, received.message));
      isClosing ||= received.message.request.kind === 'close';
    }
    if (!isClosing) core.lookForClients();
  });
  port.postMessage({ kind: 'started' });
  try {
    while (!isClosing) {
      core.turn(clock.untilNext(IDLE_MS));
      clock.runDue();
    }
  } finally {
    // Node does not know these descriptors, and would leave them open when this thread fails.
    core.handle({ kind: 'close' });
    sockets.end();
  }
}
