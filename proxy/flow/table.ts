/**
 * The flow table: slots in shared memory, found by either side's tuple. It stores and finds; what a state means, when a
 * flow ends and which port it gets is decided elsewhere (tcp-state, expiry, port-pool).
 *
 * One writer, any number of readers (reader.ts). Slots are shared; the two indexes are the writer's own, and free
 * slots are a chain through themselves. An index is a power of two of int32, at most half full, linear probing. An entry is a slot number with the
 * hash's upper bits above it, so that most mismatches cost no look at the slot; 0 is empty. Deleting shifts the entries
 * behind back, so there are no tombstones and a table that is years old probes like a new one.
 * Nothing here allocates after construction.
 */
import { Hash } from './hash.js';
import {
  BYTES_IN,
  BYTES_OUT,
  CLIENT,
  CLIENT_ACK,
  CLIENT_PORTS,
  CREATED,
  DELTAS,
  ENDPOINT,
  ENDPOINT_ACK,
  ENDPOINT_PORTS,
  EPOCH,
  HEADER_CAPACITY,
  HEADER_HIGH_WATER,
  HEADER_LIVE,
  HEADER_NOW,
  KEY_MASK,
  KIND,
  LAST_SEEN,
  SLOT_BYTES,
  VIP,
} from './slot.js';

export const DEFAULT_MAX_FLOWS = 262_144;

export interface FlowTableOptions {
  /** 64 random bits as two int32: they key the hash. */
  readonly hashKey: readonly [number, number];
  /** Told of memory that is accessed at random, before it is touched. */
  readonly advise?: (memory: Uint8Array) => void;
}

export class FlowTable {
  readonly capacity: number;
  /** Word `slot << 4 | field`; fields in slot.ts. */
  readonly words: Int32Array;
  /** Float64 `slot << 3 | field`. */
  readonly doubles: Float64Array;
  /** Keyed: whoever else hashes tuples may use it. */
  readonly hash: Hash;

  readonly #clientIndex: Int32Array;
  readonly #endpointIndex: Int32Array;
  readonly #indexMask: number;
  /** Bits of an index entry that hold the slot. */
  readonly #slotMask: number;
  /** Freed slots are chained through DELTAS, which no reader looks at. 0 ends the chain. */
  #free = 0;

  /** Shared memory for `maxFlows` flows, 1 to 2^24. It costs address space; its pages (huge ones, where `advise` has them) are used as flows come. */
  static allocate(maxFlows: number = DEFAULT_MAX_FLOWS): SharedArrayBuffer {
    if (!Number.isInteger(maxFlows) || maxFlows < 1 || maxFlows > 1 << 24) {
      throw new RangeError(`a flow table of ${maxFlows} flows is not possible: use 1 to ${1 << 24}`);
    }
    return new SharedArrayBuffer((maxFlows + 1) * SLOT_BYTES);
  }

  /** Becomes the writer of a buffer that `allocate` gave and nobody has written yet. */
  constructor(buffer: SharedArrayBuffer, options: FlowTableOptions) {
    this.words = new Int32Array(buffer);
    this.doubles = new Float64Array(buffer);
    this.capacity = buffer.byteLength / SLOT_BYTES - 1;
    this.hash = new Hash(options.hashKey[0], options.hashKey[1]);
    let size = 4;
    while (size < this.capacity * 2) size *= 2;
    this.#clientIndex = new Int32Array(size);
    this.#endpointIndex = new Int32Array(size);
    this.#indexMask = size - 1;
    for (const memory of [buffer, this.#clientIndex.buffer, this.#endpointIndex.buffer]) options.advise?.(new Uint8Array(memory));
    // `size` is at least twice the capacity, so its mask holds every slot number.
    this.#slotMask = size - 1;
    Atomics.store(this.words, HEADER_CAPACITY, this.capacity);
  }

  /** Flows in the table, lingering ones included. */
  get size(): number {
    return this.words[HEADER_LIVE]!;
  }

  /** Slots above this one were never used. */
  get highWater(): number {
    return this.words[HEADER_HIGH_WATER]!;
  }

  /** Tells readers the time of the writer's clock, in deciseconds. */
  setNow(now: number): void {
    this.words[HEADER_NOW] = now;
  }

  /** `kind` is network << 16 | protocol << 8, and FLAG_V6 for IPv6; `ports` is client port << 16 | VIP port. 0: no such flow. */
  findByClient(kind: number, client: number, vip: number, ports: number): number {
    const words = this.words;
    const index = this.#clientIndex;
    const slotMask = this.#slotMask;
    const hash = this.hash.of(kind, client, vip, ports);
    const tag = hash & ~slotMask;
    for (let at = hash & this.#indexMask; ; at = (at + 1) & this.#indexMask) {
      const entry = index[at]!;
      if (entry === 0) return 0;
      if ((entry & ~slotMask) !== tag) continue;
      const slot = entry & slotMask;
      const word = slot << 4;
      if (
        words[word + CLIENT_PORTS] === ports &&
        words[word + CLIENT] === client &&
        words[word + VIP] === vip &&
        (words[word + KIND]! & KEY_MASK) === kind
      ) {
        return slot;
      }
    }
  }

  /** `ports` is endpoint port << 16 | balancer port. 0: no such flow. */
  findByEndpoint(kind: number, endpoint: number, ports: number): number {
    const words = this.words;
    const index = this.#endpointIndex;
    const slotMask = this.#slotMask;
    const hash = this.hash.of(kind, endpoint, 0, ports);
    const tag = hash & ~slotMask;
    for (let at = hash & this.#indexMask; ; at = (at + 1) & this.#indexMask) {
      const entry = index[at]!;
      if (entry === 0) return 0;
      if ((entry & ~slotMask) !== tag) continue;
      const slot = entry & slotMask;
      const word = slot << 4;
      if (words[word + ENDPOINT_PORTS] === ports && words[word + ENDPOINT] === endpoint && (words[word + KIND]! & KEY_MASK) === kind) {
        return slot;
      }
    }
  }

  /**
   * Records a flow and answers its slot, or 0 when the table is full. Both tuples must be new (find them first).
   * `kind` as in `findByClient`; `state` is not `free`. Deltas, counts and what else the slot holds start at 0.
   */
  insert(
    kind: number,
    state: number,
    client: number,
    vip: number,
    clientPorts: number,
    endpoint: number,
    endpointPorts: number,
    epoch: number,
    now: number,
  ): number {
    const words = this.words;
    let slot = this.#free;
    if (slot !== 0) {
      this.#free = words[(slot << 4) + DELTAS]!;
    } else {
      const highWater = words[HEADER_HIGH_WATER]!;
      if (highWater === this.capacity) return 0;
      slot = highWater + 1;
      Atomics.store(words, HEADER_HIGH_WATER, slot);
    }
    const word = slot << 4;
    words[word + CLIENT] = client;
    words[word + VIP] = vip;
    words[word + ENDPOINT] = endpoint;
    words[word + CLIENT_PORTS] = clientPorts;
    words[word + ENDPOINT_PORTS] = endpointPorts;
    words[word + EPOCH] = epoch;
    words[word + CREATED] = now;
    words[word + LAST_SEEN] = now;
    words[word + DELTAS] = 0;
    words[word + CLIENT_ACK] = 0;
    words[word + ENDPOINT_ACK] = 0;
    const double = slot << 3;
    this.doubles[double + BYTES_IN] = 0;
    this.doubles[double + BYTES_OUT] = 0;
    Atomics.store(words, word + KIND, kind | state);
    this.#add(this.#clientIndex, slot, this.hash.of(kind, client, vip, clientPorts));
    this.#add(this.#endpointIndex, slot, this.hash.of(kind, endpoint, 0, endpointPorts));
    words[HEADER_LIVE]! += 1;
    return slot;
  }

  /** Forgets a flow. The slot must be in use. */
  remove(slot: number): void {
    const word = slot << 4;
    this.#delete(this.#clientIndex, slot, this.#clientHash(word), true);
    this.#delete(this.#endpointIndex, slot, this.#endpointHash(word), false);
    const words = this.words;
    Atomics.store(words, word + KIND, 0);
    words[word + DELTAS] = this.#free;
    this.#free = slot;
    words[HEADER_LIVE]! -= 1;
  }

  #clientHash(word: number): number {
    const words = this.words;
    return this.hash.of(words[word + KIND]! & KEY_MASK, words[word + CLIENT]!, words[word + VIP]!, words[word + CLIENT_PORTS]!);
  }

  #endpointHash(word: number): number {
    const words = this.words;
    return this.hash.of(words[word + KIND]! & KEY_MASK, words[word + ENDPOINT]!, 0, words[word + ENDPOINT_PORTS]!);
  }

  #add(index: Int32Array, slot: number, hash: number): void {
    const mask = this.#indexMask;
    let at = hash & mask;
    while (index[at] !== 0) at = (at + 1) & mask;
    index[at] = (hash & ~this.#slotMask) | slot;
  }

  #delete(index: Int32Array, slot: number, hash: number, clientSide: boolean): void {
    const mask = this.#indexMask;
    const slotMask = this.#slotMask;
    let hole = hash & mask;
    while ((index[hole]! & slotMask) !== slot) hole = (hole + 1) & mask;
    // Every entry of the run behind moves into the hole unless that would put it before its home.
    for (let at = (hole + 1) & mask; index[at] !== 0; at = (at + 1) & mask) {
      const word = (index[at]! & slotMask) << 4;
      const home = (clientSide ? this.#clientHash(word) : this.#endpointHash(word)) & mask;
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        index[hole] = index[at]!;
        hole = at;
      }
    }
    index[hole] = 0;
  }
}
