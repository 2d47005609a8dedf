/**
 * Memory that an io_uring reads into: a group of buffers of one size, and the ring in which the kernel finds those that are free
 * (IORING_REGISTER_PBUF_RING, io_uring_register(2)).
 */
import { PAGE } from '../ffi/constants.js';
import { addressOf } from '../ffi/libc.js';
import { BUFFER_ENTRY_BYTES, BUFFER_TAIL_HALFWORD } from './abi.js';

/** Memory whose address the kernel is given. It stays where it is for as long as this object is kept. */
export class PinnedBuffer {
  readonly bytes: Uint8Array;
  readonly address: bigint;

  /** Zeroed, and at the start of a page. */
  constructor(length: number) {
    const whole = new Uint8Array(length + PAGE);
    const skip = Number(-addressOf(whole) & BigInt(PAGE - 1));
    this.bytes = whole.subarray(skip, skip + length);
    this.address = addressOf(this.bytes);
  }
}

/**
 * Buffers that the kernel takes from for reads of one group. The one that was given back last is offered first: it is the likeliest
 * to be in the processor's cache.
 */
export class ProvidedBuffers {
  readonly buffers: readonly Uint8Array[];
  /** Of each buffer, the halves of its address. */
  readonly addressLow: Int32Array;
  readonly addressHigh: Int32Array;
  readonly ring: PinnedBuffer;
  readonly #memory: PinnedBuffer;
  readonly #words: Int32Array;
  readonly #halves: Uint16Array;
  readonly #mask: number;
  /** A stack of the numbers of those that are not offered. */
  readonly #free: Int32Array;
  #freeCount = 0;
  #offered = 0;
  #tail = 0;

  /** `count`, a power of two up to 32,768, of `size` bytes. None is offered at first. */
  constructor(
    readonly group: number,
    readonly count: number,
    readonly size: number,
  ) {
    this.#memory = new PinnedBuffer(count * size);
    this.ring = new PinnedBuffer(count * BUFFER_ENTRY_BYTES);
    const { buffer, byteOffset, byteLength } = this.ring.bytes;
    this.#words = new Int32Array(buffer, byteOffset, byteLength / 4);
    this.#halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
    this.#mask = count - 1;
    this.buffers = Array.from({ length: count }, (_, number) => this.#memory.bytes.subarray(number * size, (number + 1) * size));
    this.addressLow = new Int32Array(count);
    this.addressHigh = new Int32Array(count);
    this.#free = new Int32Array(count);
    for (let number = 0; number < count; number++) {
      [this.addressLow[number], this.addressHigh[number]] = halves(this.#memory.address + BigInt(number * size));
      this.give(number);
    }
    this.#offered = 0;
  }

  /** Takes back a buffer that the kernel has filled, or that was never offered. */
  give(number: number): void {
    this.#free[this.#freeCount++] = number;
    this.#offered--;
  }

  /** Lets the kernel have up to `wanted` of them. */
  offer(wanted: number): void {
    const words = this.#words;
    for (; this.#offered < wanted && this.#freeCount > 0; this.#offered++) {
      const number = this.#free[--this.#freeCount]!;
      const at = this.#tail & this.#mask;
      words[at * 4] = this.addressLow[number]!;
      words[at * 4 + 1] = this.addressHigh[number]!;
      words[at * 4 + 2] = this.size;
      this.#halves[at * 8 + 6] = number;
      this.#tail = (this.#tail + 1) & 0xffff;
    }
    this.#halves[BUFFER_TAIL_HALFWORD] = this.#tail;
  }
}

function halves(address: bigint): [number, number] {
  return [Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n))];
}
