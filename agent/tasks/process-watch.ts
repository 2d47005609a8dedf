/**
 * Sees that processes end which are not our children: those of a task that an earlier agent started. By looking, since only a
 * parent is told; one look at all of them costs a microsecond each.
 */
import { systemClock, type Clock } from '../../proxy/time/clock.js';
import { isAlive, type ProcessIdentity } from './process-tree.js';

/** Milliseconds between two looks whether the pids are there. */
const LOOK_MS = 50;
/**
 * Every so many looks, /proc is read as well: a pid is also there when it is another's by now, or a zombie that nobody reaps
 * (its helper was killed, in a container without an init).
 */
const CLOSE_LOOK = 10;

export class ProcessWatch {
  readonly #watched = new Map<ProcessIdentity, () => void>();
  #looks = 0;

  constructor(private readonly clock: Clock) {}

  /** Resolves when the process has ended, within 50 ms as a rule. */
  ended(process: ProcessIdentity): Promise<void> {
    if (!isAlive(process)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#watched.set(process, resolve);
      if (this.#watched.size === 1) this.#lookLater();
    });
  }

  #lookLater(): void {
    this.clock.after(LOOK_MS, () => this.#look());
  }

  #look(): void {
    const closely = ++this.#looks % CLOSE_LOOK === 0;
    for (const [process, resolve] of this.#watched) {
      if (isThere(process.pid) && (!closely || isAlive(process))) continue;
      this.#watched.delete(process);
      resolve();
    }
    if (this.#watched.size > 0) this.#lookLater();
  }
}

/** Of every task that was adopted. */
export const processWatch = new ProcessWatch(systemClock);

/** kill(2) with signal 0. */
function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
