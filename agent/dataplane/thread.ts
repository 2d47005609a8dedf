/**
 * One worker thread of the data plane: requests to it, answered in order, and its end. It is spoken to by messages and an
 * eventfd that ends its wait. What the requests mean, and what the end of one means to the others, is start.ts's.
 */
import { Worker } from 'node:worker_threads';
import { raiseEvent } from '../../kernel/ffi/libc.js';
import type { Reply, Request } from '../../proxy/dataplane/messages.js';
import type { WorkerInput } from './entry.js';

/** A worker thread ended although nobody had closed it, or refused a request. */
export class DataplaneError extends Error {
  override readonly name = 'DataplaneError';
}

export type RequestBody = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

interface Pending {
  resolve: () => void;
  reject: (error: Error) => void;
}

export interface ThreadEvents {
  onLost(network: number, errno: number): void;
  /** Asked for or not; requests are rejected from now on. */
  onEnd(cause: string): void;
}

export class WorkerThread {
  /** Resolves when the thread has ended, however. */
  readonly exited: Promise<void>;
  readonly #worker: Worker;
  readonly #wakeUp: number;
  readonly #events: ThreadEvents;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #hasEnded = false;

  constructor(entry: URL, input: WorkerInput, events: ThreadEvents) {
    this.#wakeUp = input.wakeUps[input.index]!;
    this.#events = events;
    // It opens descriptors by system calls that Node does not see, and closes them itself.
    this.#worker = new Worker(entry, { name: `dataplane ${input.index}`, workerData: input, trackUnmanagedFds: false });
    let cause = 'it ended by itself';
    this.#worker.on('message', (reply: Reply) => this.#onReply(reply));
    this.#worker.on('error', (error) => (cause = error.stack ?? error.message));
    this.exited = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#hasEnded = true;
        events.onEnd(cause);
        resolve();
      });
    });
  }

  /** Rejects with DataplaneError when the worker refuses, and with what `rejectAll` was given when it ends before its answer. */
  request(body: RequestBody): Promise<void> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#post({ ...body, id });
      this.#pending.set(id, { resolve, reject });
    });
  }

  /** Tells it to end, and hears no answer. */
  stop(): void {
    if (!this.#hasEnded) this.#post({ kind: 'close', id: 0 });
  }

  /** The requests under way have come to nothing. */
  rejectAll(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }

  #post(request: Request): void {
    this.#worker.postMessage(request);
    raiseEvent(this.#wakeUp);
  }

  #onReply(reply: Reply): void {
    if (reply.kind === 'lost') return this.#events.onLost(reply.network, reply.errno);
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.kind === 'done') pending?.resolve();
    else pending?.reject(new DataplaneError(`the data plane refused: ${reply.reason}`));
  }
}
