/**
 * The data plane as the agent holds it: worker threads, each with a table of flows and counters of its own in shared memory,
 * which are read here without asking anybody. The workers share the counts of endpoints and the memory of which client went
 * where, and hand packets to each other through rings; nothing else.
 *
 * Every request goes to all workers and is done when all have done it. The end of one that nobody asked for is the end of all.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../../kernel/ffi/constants.js';
import { errnoName, eventfd } from '../../kernel/ffi/libc.js';
import type { Snapshot } from '../../proxy/config/snapshot.js';
import { Counters } from '../../proxy/dataplane/counters.js';
import type { Dataplane, EndedFlow, EndpointAddress, FlowRecord, PacketIo, VipFlow } from '../../proxy/dataplane/handle.js';
import { FrameRing } from '../../proxy/dataplane/ring.js';
import { AddressBook } from '../../proxy/flow/address-book.js';
import { FlowReader } from '../../proxy/flow/reader.js';
import { DEFAULT_MAX_FLOWS, FlowTable } from '../../proxy/flow/table.js';
import { AffinityTable } from '../../proxy/sched/affinity.js';
import { ejectionLeft } from '../../proxy/sched/outlier.js';
import { EndpointStats } from '../../proxy/sched/stats.js';
import { EndpointRows } from './endpoint-rows.js';
import { choosePacketIo, type PacketIoChoice } from './packet-io.js';
import { DataplaneError, type RequestBody, WorkerThread } from './thread.js';

export { DataplaneError } from './thread.js';

export const MAX_WORKERS = 8;
export const MAX_FLOWS = 1 << 24;

export interface DataplaneOptions {
  /** Flows that the tables hold together, 1 to MAX_FLOWS; DEFAULT_MAX_FLOWS by default. */
  maxFlows?: number;
  /** 1 to MAX_WORKERS; 1 by default. */
  workers?: number;
  /** 'auto' by default. */
  packetIo?: PacketIoChoice;
  /** A worker crashed. Calls under way have been rejected with the same error, and so will be later ones. */
  onError?: (error: DataplaneError) => void;
  /** A network's device failed and is detached. `cause` is an errno's name, such as EBADFD. */
  onDeviceLost?: (network: number, cause: string) => void;
}

/** Workers of an agent whose user does not say how many: one for every two processors that we may use, since packets are the kernel's work too. Measured in proxy/README.md. */
export function defaultWorkers(processors: number = os.availableParallelism()): number {
  return Math.min(Math.max(1, Math.floor(processors / 2)), MAX_WORKERS);
}

/** Flows of one worker's table: its part of all. */
export function flowsOfWorker(maxFlows: number, workers: number): number {
  return Math.ceil(maxFlows / workers);
}

/** Endpoints, VIPs and balancer addresses that an address book holds beside the clients of its worker's flows. */
const ADDRESSES_OF_SNAPSHOT = 65_536;
/** Endpoints that are counted by all workers together; of those beyond, each worker knows only its own flows. */
const ENDPOINT_ROWS = 65_536;

/** Milliseconds of the clock that all threads share. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Starts the worker threads and resolves when they serve. Another `entry` is for tests. Throws RangeError, PacketIoError. */
export async function startDataplane(options: DataplaneOptions = {}, entry = new URL('./entry.js', import.meta.url)): Promise<Dataplane> {
  const dataplane = new WorkersDataplane(options, entry);
  // Any request will do; this one changes nothing.
  await dataplane.detach(0);
  return dataplane;
}

class WorkersDataplane implements Dataplane {
  readonly workers: number;
  readonly packetIo: PacketIo;
  readonly #options: DataplaneOptions;
  readonly #threads: readonly WorkerThread[];
  readonly #wakeUps: readonly number[];
  readonly #counters: readonly Counters[];
  readonly #flows: readonly FlowReader[];
  readonly #rows: EndpointRows;
  readonly #stats: EndpointStats;
  readonly #clockStart = now();
  /** Networks whose loss has not been told: every worker that served the device reports it. */
  readonly #attached = new Set<number>();
  #snapshot: Snapshot = { epoch: 0, networks: [] };
  #ended: DataplaneError | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: DataplaneOptions, entry: URL) {
    this.#options = options;
    const { workers = 1, maxFlows = DEFAULT_MAX_FLOWS } = options;
    if (!Number.isInteger(workers) || workers < 1 || workers > MAX_WORKERS) throw new RangeError(`${workers} workers are not possible: use 1 to ${MAX_WORKERS}`);
    this.workers = workers;
    this.packetIo = choosePacketIo(options.packetIo ?? 'auto');
    const each = Array.from({ length: workers }, (_, index) => index);
    const flows = flowsOfWorker(maxFlows, workers);
    const tables = each.map(() => FlowTable.allocate(flows));
    const books = each.map(() => AddressBook.allocate(Math.min(MAX_FLOWS, flows + ADDRESSES_OF_SNAPSHOT)));
    const counters = each.map(() => Counters.allocate());
    // From, then to. Nobody uses the ring to itself, and memory that is not used costs nothing.
    const rings = each.map(() => each.map(() => FrameRing.allocate()));
    this.#flows = tables.map((table, index) => new FlowReader(table, books[index]!));
    this.#counters = counters.map((buffer) => new Counters(buffer));
    this.#wakeUps = each.map(() => eventfd(EFD_NONBLOCK | EFD_CLOEXEC));
    const stats = EndpointStats.allocate(ENDPOINT_ROWS);
    this.#stats = new EndpointStats(stats);
    this.#rows = new EndpointRows(ENDPOINT_ROWS, (row) => this.#stats.reset(row));
    const random = randomBytes(8);
    const shared = {
      packetIo: this.packetIo.kind,
      wakeUps: this.#wakeUps,
      stats,
      affinity: AffinityTable.allocate(),
      hashKey: [random.readInt32LE(0), random.readInt32LE(4)] as const,
      clockStart: this.#clockStart,
    };
    this.#threads = each.map((index) => {
      const own = { index, table: tables[index]!, book: books[index]!, counters: counters[index]!, ringsTo: rings[index]!, ringsFrom: rings.map((to) => to[index]!) };
      return new WorkerThread(entry, { ...shared, ...own }, { onLost: (network, errno) => this.#onLost(network, errno), onEnd: (cause) => this.#onEnd(cause) });
    });
    void Promise.all(this.#threads.map((thread) => thread.exited)).then(() => {
      // Only now: as long as one worker lives, it may wake the others.
      for (const fd of this.#wakeUps) fs.closeSync(fd);
    });
    process.on('exit', this.#stop);
  }

  async attach(network: number, fds: readonly number[]): Promise<void> {
    if (fds.length !== this.workers) throw new DataplaneError(`network ${network} has ${fds.length} queues for ${this.workers} workers`);
    this.#attached.add(network);
    await this.#all((thread, index) => thread.request({ kind: 'attach', network, fd: fds[index]! }));
  }

  async detach(network: number): Promise<void> {
    await this.#tellAll({ kind: 'detach', network });
    this.#attached.delete(network);
  }

  async apply(snapshot: Snapshot): Promise<void> {
    await this.#tellAll({ kind: 'apply', snapshot: this.#rows.assign(snapshot) });
    this.#rows.applied(snapshot.epoch);
    if (snapshot.epoch > this.#snapshot.epoch) this.#snapshot = snapshot;
  }

  refuse(network: number, flows: readonly EndedFlow[]): Promise<void> {
    return this.#tellAll({ kind: 'refuse', network, flows });
  }

  flows(): FlowRecord[] {
    return this.#flows.flatMap((reader) => reader.list(this.#snapshot));
  }

  flowsTo(network: number, endpoint: EndpointAddress): number {
    return this.#flows.reduce((sum, reader) => sum + reader.countTo(network, endpoint.address, endpoint.address6), 0);
  }

  silentFlows(network: number, vip: number, silent: number): VipFlow[] {
    return this.#flows.flatMap((reader) => reader.silentTo(network, vip, silent));
  }

  opened(network: number, endpoint: string): number {
    const row = this.#rows.find(network, endpoint);
    return row === undefined ? 0 : this.#stats.total(row);
  }

  ejectedFor(network: number, endpoint: string): number {
    const row = this.#rows.find(network, endpoint);
    return row === undefined ? 0 : ejectionLeft(this.#stats, row, Math.floor((now() - this.#clockStart) / 100)) * 100;
  }

  counters(): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const counters of this.#counters) {
      for (const [name, count] of Object.entries(counters.toObject())) sums[name] = (sums[name] ?? 0) + count;
    }
    return sums;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (!this.#ended) await this.#tellAll({ kind: 'close' }).catch(() => undefined);
    await Promise.all(this.#threads.map((thread) => thread.exited));
  }

  // A thread that sits in poll cannot be terminated: without this, process.exit() would wait for its next wake-up.
  readonly #stop = (): void => {
    for (const thread of this.#threads) thread.stop();
  };

  #tellAll(body: RequestBody): Promise<void> {
    return this.#all((thread) => thread.request(body));
  }

  /** Waits for all of them, also when one refuses: afterwards nothing of the request is under way. */
  async #all(ask: (thread: WorkerThread, index: number) => Promise<void>): Promise<void> {
    if (this.#ended) throw this.#ended;
    const results = await Promise.allSettled(this.#threads.map(ask));
    const refused = results.find((result) => result.status === 'rejected');
    if (refused) throw refused.reason;
  }

  #onLost(network: number, errno: number): void {
    if (!this.#attached.delete(network)) return;
    this.#options.onDeviceLost?.(network, errno === 0 ? 'POLLERR' : errnoName(errno));
  }

  #onEnd(cause: string): void {
    if (this.#ended) return;
    process.off('exit', this.#stop);
    const asked = this.#closing !== undefined;
    const error = new DataplaneError(asked ? 'the data plane is closed' : `the data plane's thread crashed: ${cause}`);
    this.#ended = error;
    for (const thread of this.#threads) thread.rejectAll(error);
    if (asked) return;
    this.#stop();
    this.#options.onError?.(error);
  }
}
