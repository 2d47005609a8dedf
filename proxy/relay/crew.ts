/**
 * The threads that relay TCP together. Each accepts from the same listeners; what they have to know of each other is in shared memory: how many
 * connections each has open, how many flows each port has had, and what becomes of endpoints (sched/stats.ts).
 *
 * The kernel wakes one thread for a new connection, and the same one again and again when it is quick to wait. So one that has more connections
 * than another stops accepting and wakes that one, until it has no more than it again.
 */
import { AffinityTable } from '../sched/affinity.js';
import type { Shared } from '../sched/balancer.js';
import { EndpointStats } from '../sched/stats.js';
import type { Turns } from './targets.js';

/** Endpoints of published ports that all threads count together; of those beyond, each thread knows its own flows only. */
export const SHARED_ROWS = 16_384;
/** Published ports whose turns are counted together. */
export const SHARED_PORTS = 4096;

/** Connections that a thread may have more than another before it leaves new ones to that: an eighth, and at least this many. */
const LEAD = 1;

export interface CrewMemory {
  readonly stats: SharedArrayBuffer;
  readonly affinity: SharedArrayBuffer;
  /** Open connections, a word for each thread. */
  readonly open: SharedArrayBuffer;
  /** Flows that each port had, a word for each. */
  readonly turns: SharedArrayBuffer;
  /** Goes into the hash by which clients are known: the same for all. */
  readonly secret: string;
}

/** @param threads 1 or more @param secret random */
export function allocateCrew(threads: number, secret: string): CrewMemory {
  return {
    stats: EndpointStats.allocate(threads > 1 ? SHARED_ROWS : 0),
    affinity: AffinityTable.allocate(),
    open: new SharedArrayBuffer(4 * threads),
    turns: new SharedArrayBuffer(4 * (threads > 1 ? SHARED_PORTS : 0)),
    secret,
  };
}

export class Crew {
  readonly balancing: Shared;
  readonly secret: string;
  readonly #open: Int32Array;
  readonly #turns: Int32Array;

  /** @param own which thread this is @param wake ends the wait of another */
  constructor(
    memory: CrewMemory,
    private readonly own: number,
    private readonly wake: (thread: number) => void,
  ) {
    this.balancing = { stats: new EndpointStats(memory.stats), affinity: new AffinityTable(memory.affinity) };
    this.secret = memory.secret;
    this.#open = new Int32Array(memory.open);
    this.#turns = new Int32Array(memory.turns);
  }

  /** Whether others accept from the same listeners. */
  get isShared(): boolean {
    return this.#open.length > 1;
  }

  /** Connections of this thread. */
  get ownOpen(): number {
    return this.#open[this.own]!;
  }

  /** Connections of all threads, as they were a moment ago. */
  get open(): number {
    let sum = 0;
    for (const count of this.#open) sum += count;
    return sum;
  }

  opened(): void {
    Atomics.add(this.#open, this.own, 1);
  }

  closed(): void {
    Atomics.sub(this.#open, this.own, 1);
  }

  /** The thread that has the fewest connections, when this one has so many more that new ones are that one's. */
  behind(): number | undefined {
    const open = this.#open;
    let least = 0;
    for (let thread = 1; thread < open.length; thread++) if (open[thread]! < open[least]!) least = thread;
    const ours = open[this.own]!;
    return ours - open[least]! > Math.max(LEAD, ours >> 3) ? least : undefined;
  }

  /** Lets another thread look at the listeners. */
  call(thread: number): void {
    this.wake(thread);
  }

  /** undefined for a port that has no word there. */
  turnsOf(slot: number | undefined): Turns | undefined {
    const turns = this.#turns;
    return slot !== undefined && slot < turns.length ? { take: () => Atomics.add(turns, slot, 1) } : undefined;
  }
}
