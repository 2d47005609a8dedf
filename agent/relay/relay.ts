/**
 * The relay as the rest of the agent has it: one thread for UDP and some for TCP, each of which accepts from every listener (proxy/relay/crew.ts).
 * A request goes to all that it concerns, and their answers are put together. The end of one thread that nobody asked for is the end of all.
 */
import { randomBytes } from 'node:crypto';
import { closeSync } from 'node:fs';
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../../kernel/ffi/constants.js';
import { duplicate, eventfd } from '../../kernel/ffi/libc.js';
import type { EndpointConfig } from '../../proxy/config/snapshot.js';
import type { FlowRecord } from '../../proxy/dataplane/handle.js';
import { allocateCrew, SHARED_PORTS, SHARED_ROWS, type CrewMemory } from '../../proxy/relay/crew.js';
import { RelayError, type RelayLimits } from '../../proxy/relay/messages.js';
import type { Relay, RelayChoice, RelayPort } from '../../proxy/relay/relay.js';
import { EndpointStats } from '../../proxy/sched/stats.js';
import { descriptorLimit, limitsFor } from './limits.js';
import { PortRows } from './rows.js';
import type { RelayInput } from './serve.js';
import { RelayThread } from './thread.js';

export interface RelayOptions {
  /** Namespace that endpoints are reached in. Needed only until startRelay resolves; undefined: the process's own. */
  readonly namespaceFd?: number;
  readonly limits?: Partial<RelayLimits>;
  /** Threads for TCP, 1 by default. */
  readonly threads?: number;
  /** Called once when a thread ends without being asked to. Every call then rejects with RelayError. */
  readonly onError?: (error: Error) => void;
}

/** Resolves when the threads serve. Rejects with a RelayError that names what kept one from starting. */
export async function startRelay(options: RelayOptions = {}): Promise<Relay> {
  const relay = new ThreadedRelay(options);
  await relay.start();
  return relay;
}

interface Served {
  readonly threads: readonly RelayThread[];
  readonly slot: number | undefined;
}

class ThreadedRelay implements Relay {
  readonly #tcp: readonly RelayThread[];
  readonly #udp: RelayThread;
  readonly #wakeUps: readonly number[];
  readonly #rows: PortRows;
  readonly #ports = new Map<string, Served>();
  readonly #turns: Int32Array;
  readonly #freeSlots: number[];
  readonly #onError: (error: Error) => void;
  #failure: RelayError | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: RelayOptions) {
    const { namespaceFd, onError = () => undefined, threads = 1 } = options;
    const limits = { ...limitsFor(descriptorLimit()), ...options.limits };
    const secret = randomBytes(16).toString('hex');
    const memory: CrewMemory = allocateCrew(threads, secret);
    const stats = new EndpointStats(memory.stats);
    this.#rows = new PortRows(threads > 1 ? SHARED_ROWS : 0, (row) => stats.reset(row));
    this.#turns = new Int32Array(memory.turns);
    this.#freeSlots = Array.from({ length: threads > 1 ? SHARED_PORTS : 0 }, (_, index) => SHARED_PORTS - 1 - index);
    this.#wakeUps = Array.from({ length: threads }, () => eventfd(EFD_CLOEXEC | EFD_NONBLOCK));
    this.#onError = onError;
    const base: Omit<RelayInput, 'index'> = { namespaceFd, limits, crew: memory, wakeUps: this.#wakeUps };
    this.#tcp = this.#wakeUps.map((_, index) => new RelayThread(new URL('./tcp-entry.js', import.meta.url), `relay tcp ${index}`, { ...base, index }));
    this.#udp = new RelayThread(new URL('./entry.js', import.meta.url), 'relay udp', { ...base, crew: allocateCrew(1, secret), wakeUps: [], index: 0 });
  }

  async start(): Promise<void> {
    try {
      await Promise.all(this.#all.map(({ started }) => started));
    } catch (error) {
      await this.close();
      throw error;
    }
    for (const thread of this.#all) void thread.ended.then(() => this.#fail(thread));
  }

  async publish(port: RelayPort, fd: number): Promise<void> {
    if (this.#failure || this.#closing || this.#ports.has(port.id)) {
      // The descriptor is ours from here on, and nobody else is left to close it.
      closeSync(fd);
      this.#check();
      throw new RelayError(`relay: ${port.id} is published already`);
    }
    const isTcp = port.protocol === 'tcp';
    const threads = isTcp ? this.#tcp : [this.#udp];
    const fds = descriptorsFor(port.id, threads, fd);
    const slot = isTcp ? this.#freeSlots.pop() : undefined;
    if (slot !== undefined) Atomics.store(this.#turns, slot, 0);
    this.#ports.set(port.id, { threads, slot });
    const request = { kind: 'publish', port: { ...port, endpoints: this.#counted(port.id, threads, port.endpoints), ...(slot !== undefined && { slot }) } } as const;
    const outcomes = await Promise.allSettled(threads.map((thread, index) => thread.call({ ...request, fd: fds[index]! })));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (!failed) return;
    await this.unpublish(port.id).catch(() => undefined);
    throw failed.reason;
  }

  async update(id: string, endpoints: readonly EndpointConfig[], choice?: RelayChoice): Promise<void> {
    this.#check();
    const served = this.#ports.get(id);
    if (!served) throw new RelayError(`relay: ${id} is not published`);
    const request = { kind: 'update', id, endpoints: this.#counted(id, served.threads, endpoints), ...(choice && { choice }) } as const;
    await Promise.all(served.threads.map((thread) => thread.call(request)));
    this.#rows.keepOnly(id, endpoints);
  }

  async unpublish(id: string): Promise<void> {
    this.#check();
    const served = this.#ports.get(id);
    if (!served) return;
    await Promise.all(served.threads.map((thread) => thread.call({ kind: 'unpublish', id })));
    this.#ports.delete(id);
    this.#rows.keepOnly(id, []);
    if (served.slot !== undefined) this.#freeSlots.push(served.slot);
  }

  async flows(): Promise<FlowRecord[]> {
    return (await this.#ask((thread) => thread.call({ kind: 'flows' }))).flat();
  }

  async flowsTo(address: number): Promise<number> {
    return (await this.#ask((thread) => thread.call({ kind: 'flowsTo', address }))).reduce((sum, count) => sum + count, 0);
  }

  async opened(): Promise<Record<string, number>> {
    return sumOf(await this.#ask((thread) => thread.call({ kind: 'opened' })));
  }

  async ejectedFor(endpoint: string): Promise<number> {
    return Math.max(...(await this.#ask((thread) => thread.call({ kind: 'ejectedFor', endpoint }))));
  }

  /** Sums over the threads; and of each thread for TCP how many connections it accepted, `relay_tcp_accepted_0` and so on. */
  async counters(): Promise<Record<string, number>> {
    const each = await this.#ask((thread) => thread.call({ kind: 'counters' }));
    const accepted = each.slice(0, this.#tcp.length).map((counters, index) => [`relay_tcp_accepted_${index}`, counters['relay_tcp_accepted'] ?? 0] as const);
    return { ...sumOf(each), ...Object.fromEntries(accepted) };
  }

  /** Resets what is open and ends the threads. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= Promise.all(this.#all.map((thread) => thread.close())).then(() => {
      for (const fd of this.#wakeUps) closeSync(fd);
    });
    return this.#closing;
  }

  /** Those for TCP first. */
  get #all(): readonly RelayThread[] {
    return [...this.#tcp, this.#udp];
  }

  /** With the rows in which the threads count together; a thread that is alone with a port counts for itself. */
  #counted(id: string, threads: readonly RelayThread[], endpoints: readonly EndpointConfig[]): EndpointConfig[] {
    return threads.length > 1 ? this.#rows.assign(id, endpoints) : endpoints.map(({ row: _, ...endpoint }) => endpoint);
  }

  async #ask<T>(question: (thread: RelayThread) => Promise<T>): Promise<T[]> {
    this.#check();
    return Promise.all(this.#all.map(question));
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
    if (this.#closing) throw new RelayError('relay: closed');
  }

  #fail(thread: RelayThread): void {
    if (this.#failure || this.#closing) return;
    const failure = thread.failure ?? new RelayError('relay: a worker has ended');
    this.#failure = failure;
    // What the others still serve would be half of the service: their ports are given back as its were.
    void this.close().then(() => this.#onError(failure));
  }
}

/** One for each, of the same socket: made before the first is given away, and perhaps closed. Throws RelayError, and closes all of them. */
function descriptorsFor(port: string, threads: readonly unknown[], fd: number): number[] {
  const fds = [fd];
  try {
    while (fds.length < threads.length) fds.push(duplicate(fd));
    return fds;
  } catch (error) {
    for (const each of fds.reverse()) closeSync(each);
    throw new RelayError(`relay: ${port} cannot be served by ${threads.length} threads: ${(error as Error).message}`);
  }
}

function sumOf(each: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const values of each) for (const [name, value] of Object.entries(values)) sum[name] = (sum[name] ?? 0) + value;
  return sum;
}
