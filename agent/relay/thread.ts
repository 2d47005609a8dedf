/**
 * One thread of the relay, from outside: numbers the calls, matches the answers, and tells of its end.
 */
import { Worker } from 'node:worker_threads';
import { raiseEvent } from '../../kernel/ffi/libc.js';
import { RelayError, type RelayAnswers, type RelayCall, type RelayReply, type RelayRequest } from '../../proxy/relay/messages.js';
import type { RelayInput } from './serve.js';

/** Megabytes for new objects: as for workers of the data plane (agent/dataplane/thread.ts). */
const YOUNG_MB = 12;

interface Pending {
  readonly resolve: (value: RelayAnswers[RelayRequest['kind']]) => void;
  readonly reject: (error: Error) => void;
}

export class RelayThread {
  /** Resolves when it serves. Rejects with a RelayError that names what kept it from starting. */
  readonly started: Promise<void>;
  /** Resolves when it has ended, however. */
  readonly ended: Promise<void>;
  readonly #worker: Worker;
  readonly #wakeUp: number | undefined;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;
  #failure: RelayError | undefined;

  constructor(entry: URL, name: string, input: RelayInput) {
    this.#wakeUp = input.wakeUps[input.index];
    // Descriptors of TCP are opened and closed by system calls that Node does not see.
    this.#worker = new Worker(entry, { name, workerData: input, trackUnmanagedFds: false, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } });
    let crash: Error | undefined;
    this.#worker.on('error', (error) => (crash = error));
    this.started = new Promise((resolve, reject) => {
      this.#worker.on('message', (reply: RelayReply) => (reply.kind === 'started' ? resolve() : this.#answer(reply)));
      this.#worker.once('exit', () => reject(new RelayError(`relay: the worker did not start: ${crash?.message ?? 'it ended'}`, { cause: crash })));
    });
    this.started.catch(() => undefined);
    this.ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#failure = new RelayError(`relay: the worker ${crash ? `failed: ${crash.message}` : 'has ended'}`, { cause: crash });
        for (const { reject } of this.#pending.values()) reject(this.#failure);
        this.#pending.clear();
        resolve();
      });
    });
  }

  /** Why it has ended; undefined while it serves. */
  get failure(): RelayError | undefined {
    return this.#failure;
  }

  /** Rejects with RelayError: what the thread answered, or that it has ended. */
  call<K extends RelayRequest['kind']>(request: Extract<RelayRequest, { kind: K }>): Promise<RelayAnswers[K]> {
    return new Promise<RelayAnswers[RelayRequest['kind']]>((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      const call: RelayCall = { call: ++this.#calls, request };
      this.#pending.set(call.call, { resolve, reject });
      this.#worker.postMessage(call);
      if (this.#wakeUp !== undefined) raiseEvent(this.#wakeUp);
    }) as Promise<RelayAnswers[K]>;
  }

  /** Resets what is open, and ends it. */
  async close(): Promise<void> {
    // One that has failed is as closed as it can be.
    await this.call({ kind: 'close' }).catch(() => undefined);
    await this.#worker.terminate();
    await this.ended;
  }

  #answer(reply: Exclude<RelayReply, { kind: 'started' }>): void {
    const pending = this.#pending.get(reply.call);
    this.#pending.delete(reply.call);
    if (reply.kind === 'done') pending?.resolve(reply.value);
    else pending?.reject(new RelayError(reply.message));
  }
}
