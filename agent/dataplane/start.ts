/**
 * The data plane as the agent holds it: a worker thread, spoken to by messages and an eventfd that ends its wait, and two
 * pieces of shared memory (flows, counters) that are read here without asking the worker.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { Worker } from 'node:worker_threads';
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../../kernel/ffi/constants.js';
import { errnoName, eventfd, write } from '../../kernel/ffi/libc.js';
import type { Snapshot } from '../../proxy/config/snapshot.js';
import { Counters } from '../../proxy/dataplane/counters.js';
import type { Dataplane, FlowRecord } from '../../proxy/dataplane/handle.js';
import type { Reply, Request } from '../../proxy/dataplane/messages.js';
import { AddressBook } from '../../proxy/flow/address-book.js';
import { FlowReader } from '../../proxy/flow/reader.js';
import { FlowTable } from '../../proxy/flow/table.js';
import type { WorkerInput } from './entry.js';

/** The worker thread ended although nobody had closed it, or refused a request. */
export class DataplaneError extends Error {
  override readonly name = 'DataplaneError';
}

export interface DataplaneOptions {
  /** Flows that the table holds, 1 to 2^24; 262,144 by default. */
  maxFlows?: number;
  /** The worker crashed. Calls under way have been rejected with the same error, and so will be later ones. */
  onError?: (error: DataplaneError) => void;
  /** A network's device failed and is detached. `cause` is an errno's name, such as EBADFD. */
  onDeviceLost?: (network: number, cause: string) => void;
}

type RequestBody = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

interface Pending {
  resolve: () => void;
  reject: (error: Error) => void;
}

/** Starts the worker thread and resolves when it serves. Another `entry` is for tests. */
export async function startDataplane(options: DataplaneOptions = {}, entry = new URL('./entry.js', import.meta.url)): Promise<Dataplane> {
  const dataplane = new WorkerDataplane(options, entry);
  // Any request will do; this one changes nothing.
  await dataplane.detach(0);
  return dataplane;
}

const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

class WorkerDataplane implements Dataplane {
  readonly workers = 1;
  readonly #options: DataplaneOptions;
  readonly #worker: Worker;
  readonly #wakeUp = eventfd(EFD_NONBLOCK | EFD_CLOEXEC);
  readonly #counters: Counters;
  readonly #flows: FlowReader;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #snapshot: Snapshot = { epoch: 0, networks: [] };
  #ended: DataplaneError | undefined;
  #closing: Promise<void> | undefined;
  readonly #exited: Promise<void>;

  constructor(options: DataplaneOptions, entry: URL) {
    this.#options = options;
    const table = FlowTable.allocate(options.maxFlows);
    const counters = Counters.allocate();
    this.#flows = new FlowReader(table, AddressBook.allocate(1));
    this.#counters = new Counters(counters);
    const random = randomBytes(8);
    const input: WorkerInput = { wakeUp: this.#wakeUp, table, counters, hashKey: [random.readInt32LE(0), random.readInt32LE(4)] };
    this.#worker = new Worker(entry, { name: 'dataplane', workerData: input });
    let cause = 'it ended by itself';
    this.#worker.on('message', (reply: Reply) => this.#onReply(reply));
    this.#worker.on('error', (error) => (cause = error.stack ?? error.message));
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#onExit(cause);
        resolve();
      });
    });
    process.on('exit', this.#stop);
  }

  async attach(network: number, fds: readonly number[]): Promise<void> {
    const [fd] = fds;
    if (fd === undefined || fds.length !== this.workers) throw new DataplaneError(`network ${network} has ${fds.length} queues for ${this.workers} workers`);
    await this.#request({ kind: 'attach', network, fd });
  }

  detach(network: number): Promise<void> {
    return this.#request({ kind: 'detach', network });
  }

  async apply(snapshot: Snapshot): Promise<void> {
    await this.#request({ kind: 'apply', snapshot });
    if (snapshot.epoch > this.#snapshot.epoch) this.#snapshot = snapshot;
  }

  flows(): FlowRecord[] {
    return this.#flows.list(this.#snapshot);
  }

  flowsTo(network: number, address: number): number {
    return this.#flows.countTo(network, address);
  }

  counters(): Record<string, number> {
    return this.#counters.toObject();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (!this.#ended) await this.#request({ kind: 'close' }).catch(() => undefined);
    await this.#exited;
  }

  // A thread that sits in poll cannot be terminated: without this, process.exit() would wait for its next wake-up.
  readonly #stop = (): void => {
    this.#post({ kind: 'close', id: 0 });
  };

  #request(body: RequestBody): Promise<void> {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#post({ ...body, id });
      this.#pending.set(id, { resolve, reject });
    });
  }

  #post(request: Request): void {
    this.#worker.postMessage(request);
    write(this.#wakeUp, ONE, ONE.length);
  }

  #onReply(reply: Reply): void {
    if (reply.kind === 'lost') {
      this.#options.onDeviceLost?.(reply.network, reply.errno === 0 ? 'POLLERR' : errnoName(reply.errno));
      return;
    }
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.kind === 'done') pending?.resolve();
    else pending?.reject(new DataplaneError(`the data plane refused: ${reply.reason}`));
  }

  #onExit(cause: string): void {
    process.off('exit', this.#stop);
    const asked = this.#closing !== undefined;
    const error = new DataplaneError(asked ? 'the data plane is closed' : `the data plane's thread crashed: ${cause}`);
    this.#ended = error;
    fs.closeSync(this.#wakeUp);
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
    if (!asked) this.#options.onError?.(error);
  }
}
