/** From a composition root's first step to its last: what was built is taken down in reverse, whenever and by whomever that is asked for. */
import type { Daemon, DaemonOptions } from './lifecycle/program.js';
import type { Logger } from './log.js';

export type Undo = (() => Promise<void> | void)[];

export class Lifetime implements Daemon {
  /** To be added to with each thing that is built. */
  readonly undo: Undo = [];
  readonly closed: Promise<void>;
  #resolveClosed = (): void => undefined;
  #closing: Promise<void> | undefined;

  constructor(private readonly log: Pick<Logger, 'error'>) {
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
  }

  shutdown(): Promise<void> {
    return (this.#closing ??= held(() => takeDown(this.log, this.undo)).finally(this.#resolveClosed));
  }

  /** For a worker thread that ends: it takes the traffic with it, so nothing is left to do but to say so and start anew. */
  failed(what: string): (error: Error) => void {
    return (error) => {
      this.log.error(`${what} failed, shutting down`, { err: error });
      process.exitCode = 1;
      void this.shutdown();
    };
  }
}

/** Rejects as `build` does: then what was built before is taken down again. */
export function composed(options: DaemonOptions, build: (options: DaemonOptions, lifetime: Lifetime) => Promise<void>): Promise<Daemon> {
  const lifetime = new Lifetime(options.log);
  return held(async () => {
    try {
      await build(options, lifetime);
      return lifetime;
    } catch (error) {
      await takeDown(options.log, lifetime.undo);
      throw error;
    }
  });
}

/** The process stays as long as `work` goes on. A timer of the clock does not keep it: what waits for nothing else would be the end, without a word. */
async function held<T>(work: () => Promise<T>): Promise<T> {
  const hold = setInterval(() => undefined, 60_000);
  try {
    return await work();
  } finally {
    clearInterval(hold);
  }
}

/** Steps in reverse, every one of them, whatever the ones before came to. */
async function takeDown(log: Pick<Logger, 'error'>, undo: Undo): Promise<void> {
  for (const step of undo.splice(0).reverse()) {
    try {
      await step();
    } catch (error) {
      log.error('a step of the shutdown failed', { err: error });
    }
  }
}
