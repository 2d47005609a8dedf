/**
 * IPv6 addresses as int32 handles, so that flows, keys and indexes are the same for both families.
 *
 * A handle is 1 to the capacity and stands for one address as long as somebody holds a reference to it. One writer; the
 * addresses lie in shared memory, so that other threads can read what a handle means (AddressReader). The index is the writer's own: a power
 * of two of int32, at most half full, linear probing, deletion by shifting back, as in table.ts.
 * Nothing here allocates after construction.
 */
import type { Ipv6 } from '../net/addr6.js';
import { fold as foldSum } from '../wire/checksum.js';
import { Hash } from './hash.js';

/** Words of an entry: four of the address, then these. Entry n starts at word n << 3. */
const REFERENCES = 4;
/** Ones' complement sum of the address. */
const SUM = 5;
/** Keyed hash of the address. */
const KEY = 6;
/** Even while the entry stands for one address, odd while it is free or written. 0: never used. */
const GENERATION = 7;
const ENTRY_BYTES = 32;

/** Handles of free entries are chained through the first word. */
const NEXT_FREE = 0;

const MAX_CAPACITY = 1 << 24;

export interface AddressBookOptions {
  /** 64 random bits as two int32: they key the hash. */
  readonly hashKey: readonly [number, number];
}

export class AddressBook {
  readonly capacity: number;
  readonly #words: Int32Array;
  readonly #hash: Hash;
  readonly #index: Int32Array;
  readonly #indexMask: number;
  #highWater = 0;
  #free = 0;
  #size = 0;

  /**
   * Shared memory for `capacity` addresses, 1 to 2^24: 32 bytes each, and 8 to 16 in the writer's index. It costs address
   * space; pages are used as addresses come.
   */
  static allocate(capacity: number): SharedArrayBuffer {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > MAX_CAPACITY) {
      throw new RangeError(`an address book of ${capacity} addresses is not possible: use 1 to ${MAX_CAPACITY}`);
    }
    return new SharedArrayBuffer((capacity + 1) * ENTRY_BYTES);
  }

  /** Becomes the writer of a buffer that `allocate` gave and nobody has written yet. */
  constructor(buffer: SharedArrayBuffer, options: AddressBookOptions) {
    this.#words = new Int32Array(buffer);
    this.capacity = buffer.byteLength / ENTRY_BYTES - 1;
    this.#hash = new Hash(options.hashKey[0], options.hashKey[1]);
    let size = 4;
    while (size < this.capacity * 2) size *= 2;
    this.#index = new Int32Array(size);
    this.#indexMask = size - 1;
  }

  /** Addresses that somebody holds. */
  get size(): number {
    return this.#size;
  }

  /** The handle of an address, or 0 when nobody holds it. Counts no reference. */
  find(w0: number, w1: number, w2: number, w3: number): number {
    return this.#lookUp(w0, w1, w2, w3, this.#hash.of(w0, w1, w2, w3));
  }

  /** The handle of an address, with one more reference to it; 0 when it is new and the book is full. */
  intern(w0: number, w1: number, w2: number, w3: number): number {
    const key = this.#hash.of(w0, w1, w2, w3);
    const known = this.#lookUp(w0, w1, w2, w3, key);
    if (known !== 0) {
      this.#words[(known << 3) + REFERENCES]! += 1;
      return known;
    }
    return this.#add(w0, w1, w2, w3, key);
  }

  /** One more reference to a handle that somebody holds. */
  retain(handle: number): void {
    const at = (handle << 3) + REFERENCES;
    if (this.#words[at]! < 1) throw new Error(`address handle ${handle} is retained, but nobody holds it`);
    this.#words[at]! += 1;
  }

  /** One reference less; with the last the handle is free for another address. */
  release(handle: number): void {
    const words = this.#words;
    const word = handle << 3;
    const left = words[word + REFERENCES]! - 1;
    if (left < 0) throw new Error(`address handle ${handle} is released, but nobody holds it`);
    words[word + REFERENCES] = left;
    if (left > 0) return;
    this.#delete(handle, words[word + KEY]!);
    Atomics.store(words, word + GENERATION, words[word + GENERATION]! | 1);
    words[word + NEXT_FREE] = this.#free;
    this.#free = handle;
    this.#size -= 1;
  }

  /** int32, `i` from 0 (most significant) to 3. */
  word(handle: number, i: number): number {
    return this.#words[(handle << 3) + i]!;
  }

  /** Folded ones' complement sum of the address's eight 16-bit words: its part of any pseudo-header. */
  sum(handle: number): number {
    return this.#words[(handle << 3) + SUM]!;
  }

  /** Exclusive or of the address's four words: what ip_vs_sh and ip_vs_mh hash for IPv6 (net/netfilter/ipvs). int32 */
  fold(handle: number): number {
    const words = this.#words;
    const word = handle << 3;
    return words[word]! ^ words[word + 1]! ^ words[word + 2]! ^ words[word + 3]!;
  }

  /** Keyed hash of the address, int32: names it beyond the life of its handle, as surely as 32 bits can. */
  key(handle: number): number {
    return this.#words[(handle << 3) + KEY]!;
  }

  /**
   * Entries that finds of all held addresses pass before their own, in all. With linear probing that is a matter of which addresses are held, not
   * of the order in which they came and others went (Knuth, The Art of Computer Programming, volume 3, section 6.4).
   */
  get passed(): number {
    const mask = this.#indexMask;
    return this.#index.reduce((sum, entry, at) => (entry === 0 ? sum : sum + ((at - this.#words[((entry & mask) << 3) + KEY]!) & mask)), 0);
  }

  #lookUp(w0: number, w1: number, w2: number, w3: number, key: number): number {
    const words = this.#words;
    const index = this.#index;
    const mask = this.#indexMask;
    const tag = key & ~mask;
    for (let at = key & mask; ; at = (at + 1) & mask) {
      const entry = index[at]!;
      if (entry === 0) return 0;
      if ((entry & ~mask) !== tag) continue;
      const word = (entry & mask) << 3;
      if (words[word + 3] === w3 && words[word + 2] === w2 && words[word + 1] === w1 && words[word] === w0) return entry & mask;
    }
  }

  #add(w0: number, w1: number, w2: number, w3: number, key: number): number {
    const words = this.#words;
    let handle = this.#free;
    if (handle !== 0) this.#free = words[(handle << 3) + NEXT_FREE]!;
    else if (this.#highWater < this.capacity) handle = this.#highWater += 1;
    else return 0;

    const word = handle << 3;
    const generation = words[word + GENERATION]! | 1;
    Atomics.store(words, word + GENERATION, generation);
    words[word] = w0;
    words[word + 1] = w1;
    words[word + 2] = w2;
    words[word + 3] = w3;
    words[word + REFERENCES] = 1;
    const upper = (w0 >>> 16) + (w1 >>> 16) + (w2 >>> 16) + (w3 >>> 16);
    words[word + SUM] = foldSum(upper + (w0 & 0xffff) + (w1 & 0xffff) + (w2 & 0xffff) + (w3 & 0xffff));
    words[word + KEY] = key;
    Atomics.store(words, word + GENERATION, (generation + 1) | 0);

    const mask = this.#indexMask;
    let at = key & mask;
    while (this.#index[at] !== 0) at = (at + 1) & mask;
    this.#index[at] = (key & ~mask) | handle;
    this.#size += 1;
    return handle;
  }

  #delete(handle: number, key: number): void {
    const index = this.#index;
    const mask = this.#indexMask;
    let hole = key & mask;
    while ((index[hole]! & mask) !== handle) hole = (hole + 1) & mask;
    // Every entry of the run behind moves into the hole unless that would put it before its home.
    for (let at = (hole + 1) & mask; index[at] !== 0; at = (at + 1) & mask) {
      const home = this.#words[((index[at]! & mask) << 3) + KEY]! & mask;
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        index[hole] = index[at]!;
        hole = at;
      }
    }
    index[hole] = 0;
  }
}

/** The same memory from another thread. A handle may change its meaning while it is read: `generation` tells. */
export class AddressReader {
  readonly #words: Int32Array;

  /** @param buffer of `AddressBook.allocate` */
  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
  }

  /** What is read between two equal, even answers belongs together. Any handle is allowed. */
  generation(handle: number): number {
    return this.has(handle) ? Atomics.load(this.#words, (handle << 3) + GENERATION) : 1;
  }

  /** The address that a handle stands for at the moment. */
  read(handle: number): Ipv6 {
    const word = handle << 3;
    const words = this.#words;
    return [Atomics.load(words, word), Atomics.load(words, word + 1), Atomics.load(words, word + 2), Atomics.load(words, word + 3)];
  }

  /** Whether a number can be a handle of this book at all. */
  has(handle: number): boolean {
    return handle >= 1 && handle < this.#words.length >>> 3;
  }
}
