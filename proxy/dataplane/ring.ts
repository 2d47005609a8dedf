/**
 * A ring of frames in shared memory from one worker to another: the way of a packet that the kernel gave to a worker which does
 * not own its flow. One thread pushes, one takes, neither waits for the other. There is one ring for each ordered pair of workers.
 *
 * A record is two words (length, network) and the frame, rounded up to whole words; it may run over the ring's end. HEAD and TAIL
 * count words for ever, modulo 2^32; each has one writer. A frame that does not fit is refused: packets may be lost, memory
 * may not grow.
 *
 * No wake-up is lost. After `push` has moved TAIL it looks at HEAD: when that stands where this record begins, the other side has taken
 * everything before, may be asleep, and is to be woken. `take` moves HEAD first and looks at TAIL afterwards, and only when
 * that shows nothing may its thread sleep. Atomics are sequentially consistent, so of the two looks at least one sees the
 * other side's move: either `take` finds the record, or `push` says `wake`. That needs two things of the sleeper: it goes on taking until it
 * gets 0, and it resets its wake-up (an eventfd) before it begins to take.
 */
import type { Frame } from '../wire/frame.js';

/** Words of the header: the two positions, on cache lines of their own. */
const HEAD = 0;
const TAIL = 16;
const HEADER_WORDS = 32;
/** Words of a record before its frame. */
const RECORD_WORDS = 2;

export const Pushed = {
  /** No room: the frame is dropped. */
  full: 0,
  /** The taker is at work and will find it. */
  stored: 1,
  /** The taker may be asleep: wake it. */
  wake: 2,
} as const;

export class FrameRing {
  readonly #words: Int32Array;
  /** The same for what is pushed, or for what is taken: a ring's user has one of each. */
  #frame: Frame | undefined;
  #frameWords: Int32Array = new Int32Array(0);
  readonly #mask: number;
  /** HEAD of the taker, TAIL of the pusher: their own to write, so their own copy is right. */
  #position: number;
  /** Of the frame that `take` gave last. */
  network = 0;

  /** @param bytes of frames and their headers, a power of two from 128 KiB (one of the longest frames) to 1 GiB */
  static allocate(bytes = 1 << 20): SharedArrayBuffer {
    if (!Number.isInteger(Math.log2(bytes)) || bytes < 1 << 17 || bytes > 1 << 30) throw new RangeError(`FrameRing: ${bytes} bytes`);
    return new SharedArrayBuffer(HEADER_WORDS * 4 + bytes);
  }

  /**
   * One end of a ring that `allocate` gave. A thread only pushes, or only takes, always through the same object.
   * @param end which of the two this is
   */
  constructor(buffer: SharedArrayBuffer, end: 'push' | 'take') {
    this.#words = new Int32Array(buffer);
    this.#mask = this.#words.length - HEADER_WORDS - 1;
    this.#position = Atomics.load(this.#words, end === 'push' ? TAIL : HEAD);
  }

  /** Copies the first `length` bytes (1 to FRAME_SIZE) of a frame in. Answers a Pushed. `frame.bytes` begins at a word of its buffer. */
  push(network: number, frame: Frame, length: number): number {
    const words = this.#words;
    const mask = this.#mask;
    const tail = this.#position;
    const whole = length >>> 2;
    const size = RECORD_WORDS + ((length + 3) >>> 2);
    if (((tail - Atomics.load(words, HEAD)) | 0) + size > mask + 1) return Pushed.full;
    words[HEADER_WORDS + (tail & mask)] = length;
    words[HEADER_WORDS + ((tail + 1) & mask)] = network;
    const from = this.#wordsOf(frame);
    const start = tail + RECORD_WORDS;
    for (let i = 0; i < whole; i++) words[HEADER_WORDS + ((start + i) & mask)] = from[i]!;
    if ((length & 3) !== 0) {
      let last = 0;
      for (let at = length - 1; at >= whole << 2; at--) last = (last << 8) | frame.bytes[at]!;
      words[HEADER_WORDS + ((start + whole) & mask)] = last;
    }
    this.#position = (tail + size) | 0;
    Atomics.store(words, TAIL, this.#position);
    return Atomics.load(words, HEAD) === tail ? Pushed.wake : Pushed.stored;
  }

  /** Copies the oldest frame out, its network into `network`. Its length, or 0 when there is none. */
  take(frame: Frame): number {
    const words = this.#words;
    const mask = this.#mask;
    const head = this.#position;
    if (Atomics.load(words, TAIL) === head) return 0;
    const length = words[HEADER_WORDS + (head & mask)]!;
    this.network = words[HEADER_WORDS + ((head + 1) & mask)]!;
    const whole = length >>> 2;
    const to = this.#wordsOf(frame);
    const start = head + RECORD_WORDS;
    for (let i = 0; i < whole; i++) to[i] = words[HEADER_WORDS + ((start + i) & mask)]!;
    if ((length & 3) !== 0) {
      let last = words[HEADER_WORDS + ((start + whole) & mask)]!;
      for (let at = whole << 2; at < length; at++, last >>>= 8) frame.bytes[at] = last;
    }
    this.#position = (head + RECORD_WORDS + ((length + 3) >>> 2)) | 0;
    Atomics.store(words, HEAD, this.#position);
    return length;
  }

  /** Word by word, because the parts of a typed array cannot be copied without a new object for each. */
  #wordsOf(frame: Frame): Int32Array {
    if (this.#frame !== frame) {
      this.#frame = frame;
      this.#frameWords = new Int32Array(frame.bytes.buffer, frame.bytes.byteOffset, frame.bytes.length >>> 2);
    }
    return this.#frameWords;
  }
}
