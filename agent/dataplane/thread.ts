/**
 * One worker thread, of the data plane or of the fabric (agent/fabric-worker): requests to it, answered in order, and its end. It is spoken to by messages and an
 * eventfd that ends its wait. What the requests mean, and what the end of one means to the others, is start.ts's.
 */
import { Worker } from 'node:worker_threads';
import { raiseEvent } from '../../kernel/ffi/libc.js';
import type { Reply, Request } from '../../proxy/dataplane/messages.js';

/**
 * Megabytes for new objects. A worker makes none for a packet (test/unit/proxy), but many when it is told what to balance; with V8's own 48 they stay
 * resident, 40 MB after a snapshot of 5,000 endpoints.
 */
const YOUNG_MB = 12;

/** A worker thread ended although nobody had closed it, or refused a request. */
export class DataplaneError extends Error {
  override readonly name = 'DataplaneError';
}

export type RequestBody<R = Request> = R extends unknown ? Omit<R, 'id'> : never;

/** What every worker is given. */
export interface ThreadInput {
  /** Which of the workers it is. */
  readonly index: number;
  /** Of each an eventfd. */
  readonly wakeUps: readonly number[];
}

/** What a worker of another kind than the data plane's is called. */
export interface ThreadKind {
  readonly name: string;
  refused(reason: string): Error;
}

const DATAPLANE: ThreadKind = { name: 'dataplane', refused: (reason) => new DataplaneError(`the data plane refused: ${reason}`) };

interface Pending {
  resolve: () => void;
  reject: (error: Error) => void;
}

export interface ThreadEvents {
  onLost(network: number, errno: number): void;
  /** Asked for or not; requests are rejected from now on. */
  onEnd(cause: string): void;
}

export class WorkerThread<R extends { readonly id: number } = Request> {
  /** Resolves when the thread has ended, however. */
  readonly exited: Promise<void>;
  readonly #worker: Worker;
  readonly #wakeUp: number;
  readonly #events: ThreadEvents;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #hasEnded = false;

  constructor(
    entry: URL,
    input: ThreadInput,
    events: ThreadEvents,
    private readonly kind: ThreadKind = DATAPLANE,
  ) {
    this.#wakeUp = input.wakeUps[input.index]!;
    this.#events = events;
    // It opens descriptors by system calls that Node does not see, and closes them itself.
    this.#worker = new Worker(entry, { name: `${kind.name} ${input.index}`, workerData: input, trackUnmanagedFds: false, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } });
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
  request(body: RequestBody<R>): Promise<void> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#post({ ...body, id } as unknown as R);
      this.#pending.set(id, { resolve, reject });
    });
  }

  /** Tells it to end, by a request `close`, and hears no answer. */
  stop(): void {
    if (!this.#hasEnded) this.#post({ kind: 'close', id: 0 } as unknown as R);
  }

  /** The requests under way have come to nothing. */
  rejectAll(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }

  #post(request: R): void {
    this.#worker.postMessage(request);
    raiseEvent(this.#wakeUp);
  }

  #onReply(reply: Reply): void {
    if (reply.kind === 'lost') return this.#events.onLost(reply.network, reply.errno);
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.kind === 'done') pending?.resolve();
    else pending?.reject(this.kind.refused(reply.reason));
  }
}
