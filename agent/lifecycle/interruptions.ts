/**
 * What a signal to the agent means. The first asks for an orderly shutdown; a second Ctrl-C, when that takes too long,
 * ends it hard.
 *
 * One Ctrl-C can arrive several times: the terminal sends SIGINT to the whole process group, and npm, itself in that group,
 * sends it on to its child once more. So what comes within SETTLE of the first is still the first.
 */

/** Milliseconds. */
export const SETTLE = 1000;

export type Verdict = 'shut down' | 'nothing new' | 'kill';

export class Interruptions {
  #first: number | undefined;

  /** `now` in milliseconds of any monotonic clock. */
  signal(signal: NodeJS.Signals, now: number): Verdict {
    if (this.#first === undefined) {
      this.#first = now;
      return 'shut down';
    }
    // A terminal that is closed says so with SIGHUP, perhaps long after a Ctrl-C: that is no impatience.
    return signal !== 'SIGHUP' && now - this.#first >= SETTLE ? 'kill' : 'nothing new';
  }
}

export const SHUTDOWN_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Calls `handle` at every such signal until the answered function is called. */
export function onShutdownSignals(handle: (signal: NodeJS.Signals) => void): () => void {
  for (const signal of SHUTDOWN_SIGNALS) process.on(signal, handle);
  return () => {
    for (const signal of SHUTDOWN_SIGNALS) process.off(signal, handle);
  };
}
