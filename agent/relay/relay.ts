/**
 * The relay as the rest of the agent has it: starts the worker thread, numbers the calls and matches the answers.
 */
import { closeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { EndpointConfig } from '../../proxy/config/snapshot.js';
import type { FlowRecord } from '../../proxy/dataplane/handle.js';
import { RelayError, type RelayAnswers, type RelayCall, type RelayLimits, type RelayReply, type RelayRequest } from '../../proxy/relay/messages.js';
import type { Relay, RelayChoice, RelayPort } from '../../proxy/relay/relay.js';
import type { RelayWorkerData } from './entry.js';
import { descriptorLimit, limitsFor } from './limits.js';

export interface RelayOptions {
  /** Namespace that endpoints are reached in. Needed only until startRelay resolves; undefined: the process's own. */
  readonly namespaceFd?: number;
  readonly limits?: Partial<RelayLimits>;
  /** Called once when the worker ends without being asked to. Every call then rejects with RelayError. */
  readonly onError?: (error: Error) => void;
}

interface Pending {
  readonly resolve: (value: RelayAnswers[RelayRequest['kind']]) => void;
  readonly reject: (error: Error) => void;
}

/** Resolves when the worker serves. Rejects with a RelayError that names what kept it from starting. */
export async function startRelay(options: RelayOptions = {}): Promise<Relay> {
  const relay = new WorkerRelay(options);
  await relay.started;
  return relay;
}

class WorkerRelay implements Relay {
  readonly started: Promise<void>;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;
  #failure: RelayError | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: RelayOptions) {
    const data: RelayWorkerData = { namespaceFd: options.namespaceFd, limits: { ...limitsFor(descriptorLimit()), ...options.limits } };
    this.#worker = new Worker(new URL('./entry.js', import.meta.url), { workerData: data, name: 'relay' });
    let crash: Error | undefined;
    this.#worker.on('error', (error) => (crash = error));
    this.started = new Promise((resolve, reject) => {
      this.#worker.on('message', (reply: RelayReply) => (reply.kind === 'started' ? resolve() : this.#answer(reply)));
      this.#worker.once('exit', () => reject(new RelayError(`relay: the worker did not start: ${crash?.message ?? 'it ended'}`, { cause: crash })));
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#failure = new RelayError(`relay: the worker ${crash ? `failed: ${crash.message}` : 'has ended'}`, { cause: crash });
        for (const { reject } of this.#pending.values()) reject(this.#failure);
        this.#pending.clear();
        resolve();
      });
    });
    void this.started.then(
      () => this.#ended.then(() => this.#closing ?? options.onError?.(this.#failure ?? new RelayError('relay: ended'))),
      () => undefined,
    );
  }

  async publish(port: RelayPort, fd: number): Promise<void> {
    if (this.#failure || this.#closing) {
      // The descriptor is ours from here on, and nobody else is left to close it.
      closeSync(fd);
    }
    await this.#call({ kind: 'publish', port, fd });
  }

  async update(id: string, endpoints: readonly EndpointConfig[], choice?: RelayChoice): Promise<void> {
    await this.#call({ kind: 'update', id, endpoints, ...(choice && { choice }) });
  }

  async unpublish(id: string): Promise<void> {
    await this.#call({ kind: 'unpublish', id });
  }

  flows(): Promise<FlowRecord[]> {
    return this.#call({ kind: 'flows' });
  }

  flowsTo(address: number): Promise<number> {
    return this.#call({ kind: 'flowsTo', address });
  }

  opened(): Promise<Record<string, number>> {
    return this.#call({ kind: 'opened' });
  }

  ejectedFor(endpoint: string): Promise<number> {
    return this.#call({ kind: 'ejectedFor', endpoint });
  }

  counters(): Promise<Record<string, number>> {
    return this.#call({ kind: 'counters' });
  }

  /** Resets what is open and ends the worker. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    // A worker that has failed is as closed as it can be.
    await this.#post({ kind: 'close' }).catch(() => undefined);
    await this.#worker.terminate();
    await this.#ended;
  }

  async #call<K extends RelayRequest['kind']>(request: Extract<RelayRequest, { kind: K }>): Promise<RelayAnswers[K]> {
    if (this.#closing) throw new RelayError('relay: closed');
    return (await this.#post(request)) as RelayAnswers[K];
  }

  #post(request: RelayRequest): Promise<RelayAnswers[RelayRequest['kind']]> {
    return new Promise((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      const call: RelayCall = { call: ++this.#calls, request };
      this.#pending.set(call.call, { resolve, reject });
      this.#worker.postMessage(call);
    });
  }

  #answer(reply: Exclude<RelayReply, { kind: 'started' }>): void {
    const pending = this.#pending.get(reply.call);
    this.#pending.delete(reply.call);
    if (reply.kind === 'done') pending?.resolve(reply.value);
    else pending?.reject(new RelayError(reply.message));
  }
}
