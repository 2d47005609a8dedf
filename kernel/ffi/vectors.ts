/**
 * What system calls over several pieces of memory take, written in place again and again: struct iovec, and the messages of sendmsg(2) and
 * recvmmsg(2) with what they say of UDP segmentation (udp(7), UDP_SEGMENT and UDP_GRO). 64-bit Linux, little-endian as proxy/wire/virtio.ts has it.
 *
 * Memory that is pointed to has to be kept by the caller. Nothing here allocates after construction.
 */
import { AF_INET, IPPROTO_UDP, UDP_GRO, UDP_SEGMENT } from './constants.js';
import { addressOf } from './libc.js';

const WORD = 0x1_0000_0000;

/** Where bytes lie, as a number: user space ends at 2^47, or 2^52 (Documentation/arch/x86/x86_64/mm.rst, arch/arm64/memory.rst). */
export function positionOf(bytes: Uint8Array): number {
  return Number(addressOf(bytes));
}

function setPointer(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / WORD), true);
}

/** sizeof(struct iovec), include/uapi/linux/uio.h: a pointer and a length. */
export const IOVEC_BYTES = 16;

/** An array of struct iovec. */
export class Vector {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity * IOVEC_BYTES);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** @param position see positionOf */
  set(index: number, position: number, length: number): void {
    setPointer(this.#view, index * IOVEC_BYTES, position);
    this.#view.setUint32(index * IOVEC_BYTES + 8, length, true);
  }
}

// struct msghdr, include/linux/socket.h, as user space has it: seven words.
const NAME = 0;
const NAME_LENGTH = 8;
const PIECES = 16;
const PIECE_COUNT = 24;
const CONTROL = 32;
const CONTROL_LENGTH = 40;
const MSGHDR_BYTES = 56;
/** sizeof(struct mmsghdr): a message and its length. */
const MMSGHDR_BYTES = 64;
/** sizeof(struct sockaddr_in) */
const NAME_BYTES = 16;
/** sizeof(struct cmsghdr): a length with this header, level, type. */
const CMSG_BYTES = 16;
/** Of a control message with an integer, padded. */
const CONTROL_BYTES = CMSG_BYTES + 8;

/** One message to an IPv4 address, of pieces, cut by the kernel where that is wanted. */
export class OutgoingMessage {
  /** struct msghdr */
  readonly bytes = new Uint8Array(MSGHDR_BYTES);
  readonly #view = new DataView(this.bytes.buffer);
  readonly #name = new DataView(new ArrayBuffer(NAME_BYTES));
  readonly #control = new DataView(new ArrayBuffer(CONTROL_BYTES));
  readonly #pieces: number;

  /** @param pieces kept by the caller */
  constructor(pieces: Vector) {
    this.#pieces = positionOf(pieces.bytes);
    this.#name.setUint16(0, AF_INET, true);
    setPointer(this.#view, NAME, positionOf(new Uint8Array(this.#name.buffer)));
    this.#view.setUint32(NAME_LENGTH, NAME_BYTES, true);
    this.#control.setUint32(0, CMSG_BYTES + 2, true);
    this.#control.setInt32(8, IPPROTO_UDP, true);
    this.#control.setInt32(12, UDP_SEGMENT, true);
    setPointer(this.#view, CONTROL, positionOf(new Uint8Array(this.#control.buffer)));
  }

  /** @param address int32 */
  to(address: number, port: number): void {
    this.#name.setUint16(2, port);
    this.#name.setInt32(4, address);
  }

  /** @param segment bytes of each datagram but the last; 0: it is one */
  fill(firstPiece: number, count: number, segment: number): void {
    setPointer(this.#view, PIECES, this.#pieces + firstPiece * IOVEC_BYTES);
    this.#view.setUint32(PIECE_COUNT, count, true);
    this.#control.setUint16(CMSG_BYTES, segment, true);
    this.#view.setUint32(CONTROL_LENGTH, segment === 0 ? 0 : CONTROL_BYTES, true);
  }
}

/** Messages that are received together, each into its own part of one memory, from IPv4 addresses. */
export class IncomingMessages {
  /** struct mmsghdr[] */
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #names: DataView;
  readonly #controls: DataView;
  /** Pointed to. */
  readonly #pieces: Vector;

  /** @param memory kept by the caller; `room` bytes of it for each of `count` messages */
  constructor(
    readonly count: number,
    memory: Uint8Array,
    room: number,
  ) {
    this.bytes = new Uint8Array(count * MMSGHDR_BYTES);
    this.#view = new DataView(this.bytes.buffer);
    this.#names = new DataView(new ArrayBuffer(count * NAME_BYTES));
    this.#controls = new DataView(new ArrayBuffer(count * CONTROL_BYTES));
    this.#pieces = new Vector(count);
    const [base, names, controls, pieces] = [memory, new Uint8Array(this.#names.buffer), new Uint8Array(this.#controls.buffer), this.#pieces.bytes].map(positionOf) as [number, number, number, number];
    for (let i = 0; i < count; i++) {
      const at = i * MMSGHDR_BYTES;
      this.#pieces.set(i, base + i * room, room);
      setPointer(this.#view, at + NAME, names + i * NAME_BYTES);
      setPointer(this.#view, at + PIECES, pieces + i * IOVEC_BYTES);
      this.#view.setUint32(at + PIECE_COUNT, 1, true);
      setPointer(this.#view, at + CONTROL, controls + i * CONTROL_BYTES);
    }
    this.reset(count);
  }

  /** Before each call: what it writes over, of the first `count`. */
  reset(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#view.setUint32(i * MMSGHDR_BYTES + NAME_LENGTH, NAME_BYTES, true);
      this.#view.setUint32(i * MMSGHDR_BYTES + CONTROL_LENGTH, CONTROL_BYTES, true);
    }
  }

  length(index: number): number {
    return this.#view.getUint32(index * MMSGHDR_BYTES + MSGHDR_BYTES, true);
  }

  /** int32 */
  source(index: number): number {
    return this.#names.getInt32(index * NAME_BYTES + 4);
  }

  /** Bytes of each datagram of the message but the last; 0: it is one. */
  segment(index: number): number {
    if (this.#view.getUint32(index * MMSGHDR_BYTES + CONTROL_LENGTH, true) < CMSG_BYTES + 4) return 0;
    const at = index * CONTROL_BYTES;
    if (this.#controls.getInt32(at + 8, true) !== IPPROTO_UDP || this.#controls.getInt32(at + 12, true) !== UDP_GRO) return 0;
    return this.#controls.getInt32(at + CMSG_BYTES, true);
  }
}
