/**
 * Maglev hashing (ip_vs_mh): as `sh`, but a change of endpoints moves few of the other endpoints' clients.
 *
 * What is hashed is a 32-bit sum, as four bytes, lowest first (a little-endian machine's memory): of the address (IPv4 as a
 * big-endian number, or the exclusive or of the four such words of an IPv6 address), a port and, on the fall-back's way, a
 * step. The hash is hsiphash (siphash.ts) with the two words of the first key 2654435761, of the second 2654446892.
 * An endpoint's offset is its first hash modulo 4093, its skip its second hash modulo 4092, plus 1; its port is 0, as that of
 * a destination of a fwmark service that keeps the packet's port, unless it has one of its own. A client's position is its
 * first hash modulo 4093; its port is 0 unless the flag mh-port says that it counts.
 *
 * Turns in a row are the weight divided by the greatest common divisor of all, and shifted right so far that the largest has
 * at most 6 bits; at least 1. A weight that became 0 counts in the table as what it was: a draining endpoint keeps its
 * positions, and its clients go elsewhere by the fall-back, until it is gone.
 */
import type { EndpointConfig } from '../config/snapshot.js';
import { gcd } from './gcd.js';
import { maglevTable } from './maglev.js';
import { weightsOf } from './overhead.js';
import type { Gate, Scheduler } from './scheduler.js';
import type { HashFlags } from './sh.js';
import { hsiphash, sipState } from './siphash.js';

/** The default of CONFIG_IP_VS_MH_TAB_INDEX, 12: this prime, and half of 12 bits for turns. */
const SIZE = 4093;
const TURN_BITS = 6;
const FIRST = sipState([2654435761n, 2654435761n]);
const SECOND = sipState([2654446892n, 2654446892n]);
const NO_TABLE: Int32Array = new Int32Array(SIZE).fill(-1);

export class MaglevHashing implements Scheduler {
  readonly name = 'mh';
  readonly #usePort: boolean;
  readonly #fallback: boolean;
  #weights: Int32Array = new Int32Array(0);
  /** By endpoint id, the last weight that was not 0. */
  #lastWeights: ReadonlyMap<string, number> = new Map();
  #table: Int32Array = NO_TABLE;
  /** The same for clients with IPv6: the kernel has a service, and a table, for each family. */
  #table6: Int32Array = NO_TABLE;

  constructor({ port = false, fallback = true }: HashFlags = {}) {
    this.#usePort = port;
    this.#fallback = fallback;
  }

  update(endpoints: readonly EndpointConfig[]): void {
    const before = this.#lastWeights;
    this.#weights = weightsOf(endpoints);
    this.#lastWeights = new Map(endpoints.map(({ id, weight }) => [id, weight === 0 ? (before.get(id) ?? 0) : weight]));
    const turns = turnsOf(endpoints.map(({ id }) => this.#lastWeights.get(id)!));
    this.#table = tableOf(endpoints.map(({ address, port = 0 }) => address + port), turns);
    const has6 = endpoints.some(({ address6 }) => address6 !== undefined);
    this.#table6 = has6 ? tableOf(endpoints.map(({ address6: a, port = 0 }) => (a ? (a[0] ^ a[1] ^ a[2] ^ a[3]) + port : undefined)), turns) : NO_TABLE;
  }

  pick(client: number, clientPort: number, gate: Gate, v6 = false): number {
    const table = v6 ? this.#table6 : this.#table;
    const sum = (client + (this.#usePort ? clientPort : 0)) | 0;
    const position = positionOf(sum);
    const first = table[position]!;
    if (first < 0) return -1;
    if (this.#takes(first, gate)) return first;
    if (!this.#fallback) return -1;
    for (let step = 0, add = position; step < SIZE; step++, add = add + 1 === SIZE ? 0 : add + 1) {
      const next = table[positionOf((sum + add) | 0)]!;
      if (this.#takes(next, gate)) return next;
    }
    return -1;
  }

  #takes(index: number, gate: Gate): boolean {
    return this.#weights[index]! > 0 && gate.admits(index);
  }
}

function positionOf(sum: number): number {
  return remainder(hsiphash(sum, FIRST), SIZE);
}

/** `hash`, taken as unsigned, modulo `size`: the upper 31 bits first, since all 32 as an unsigned number may need an allocation. */
function remainder(hash: number, size: number): number {
  return (((hash >>> 1) % size) * 2 + (hash & 1)) % size;
}

/** @param weights the last ones that were not 0 */
function turnsOf(weights: readonly number[]): number[] {
  const divisor = weights.reduce(gcd, 0);
  if (divisor === 0) return weights.map(() => 0);
  const largest = weights.reduce((a, b) => Math.max(a, b), 0) / divisor;
  const shift = Math.max(0, 32 - Math.clz32(largest) - TURN_BITS);
  return weights.map((weight) => (weight === 0 ? 0 : Math.max(1, (weight / divisor) >> shift)));
}

/** @param sums of folded address and port; undefined: the endpoint is not of this family */
function tableOf(sums: readonly (number | undefined)[], turns: readonly number[]): Int32Array {
  const permutations = sums.map((sum, i) => ({
    offset: positionOf((sum ?? 0) | 0),
    skip: remainder(hsiphash((sum ?? 0) | 0, SECOND), SIZE - 1) + 1,
    turns: sum === undefined ? 0 : turns[i]!,
  }));
  return maglevTable(permutations, SIZE);
}
