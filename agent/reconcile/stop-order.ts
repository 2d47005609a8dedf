/**
 * The order in which a task is stopped, and when its flows have had their time. What the steps do is the runner's.
 *
 *   withdraw   nothing new comes here any more
 *   drain      what is there goes on, until it has ended or the drain time is over
 *   leave      the endpoint is taken away: whatever flows are left are ended on both sides, at once
 *   terminate  SIGTERM, grace, SIGKILL
 */
import type { Clock } from '../../proxy/time/clock.js';

export interface StopSteps {
  /** Resolves when no new flow can come. */
  withdraw(): Promise<void>;
  flowsLeft(): Promise<number>;
  /** Milliseconds that flows have from `withdraw` on. Asked again and again: it may change meanwhile. */
  drainTimeout(): number;
  /** Resolves when the endpoint is gone everywhere, and its flows with it. */
  leave(): Promise<void>;
  /** Resolves when nothing of the task is left. */
  terminate(): Promise<void>;
  /** Resolves when the task ends, whatever for. */
  readonly exited: Promise<unknown>;
  /** Aborts when there is no time to drain any more. */
  readonly hurry: AbortSignal;
}

/** Milliseconds between two counts of the flows that are left. */
const POLL_MS = 100;

export async function stopInOrder(steps: StopSteps, clock: Clock): Promise<void> {
  let exited = false;
  let wake = (): void => undefined;
  void steps.exited.then(() => {
    exited = true;
    wake();
  });
  steps.hurry.addEventListener('abort', () => wake(), { once: true });
  // Without time to drain, the process may still finish what it has while its grace lasts.
  const drains = !steps.hurry.aborted;
  await steps.withdraw();
  if (drains) {
    const began = clock.now();
    const goesOn = (): boolean => !exited && !steps.hurry.aborted && clock.now() - began < steps.drainTimeout();
    while (goesOn() && (await steps.flowsLeft()) > 0) {
      await new Promise<void>((resolve) => {
        const cancel = clock.after(POLL_MS, resolve);
        wake = () => (cancel(), resolve());
        // The task may have ended while its flows were counted.
        if (!goesOn()) wake();
      });
    }
    if (!exited) await steps.leave();
  }
  await steps.terminate();
}
