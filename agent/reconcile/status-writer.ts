/**
 * Notes in the store what is observed of tasks: each task's observations in their order, none lost. A store that cannot be
 * written (a full disk) is tried again until it can, or until the agent stops.
 */
import { NotFoundError, TaskEndedError } from '../../overlay/model/errors.js';
import type { TaskObject } from '../../overlay/model/object.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { ObservedStatus } from './task-runner.js';

const RETRY_MS = 1000;

export class StatusWriter {
  /** Not stored yet, oldest first, by task. A task that is in here is being written. */
  readonly #waiting = new Map<string, ObservedStatus[]>();
  readonly #writing = new Set<Promise<void>>();
  #closed = false;

  constructor(
    private readonly store: (taskId: string, observed: ObservedStatus) => Promise<unknown>,
    private readonly clock: Clock,
    private readonly onError: (error: unknown) => void,
  ) {}

  write(task: TaskObject, observed: ObservedStatus): void {
    if (this.#closed) return;
    const waiting = this.#waiting.get(task.id);
    if (waiting) waiting.push(observed);
    else {
      const queue = [observed];
      this.#waiting.set(task.id, queue);
      const writing = this.#drain(task.id, queue).finally(() => this.#writing.delete(writing));
      this.#writing.add(writing);
    }
  }

  /** Something of the task is not stored yet. */
  isWriting(taskId: string): boolean {
    return this.#waiting.has(taskId);
  }

  /** Resolves when all that was observed by now is stored, or nothing is to be any more. */
  async stored(): Promise<void> {
    await Promise.all(this.#writing);
  }

  /** What is not stored yet will not be. */
  close(): void {
    this.#closed = true;
  }

  async #drain(taskId: string, queue: ObservedStatus[]): Promise<void> {
    let told = false;
    for (let next = queue[0]; next && !this.#closed; next = queue[0]) {
      try {
        await this.store(taskId, next);
        queue.shift();
        told = false;
      } catch (error) {
        if (error instanceof TaskEndedError || error instanceof NotFoundError) {
          // Ended or forgotten meanwhile: there is nothing left to note.
          queue.length = 0;
          break;
        }
        if (!told) this.onError(error);
        told = true;
        await new Promise<void>((resolve) => this.clock.after(RETRY_MS, resolve));
      }
    }
    this.#waiting.delete(taskId);
  }
}
