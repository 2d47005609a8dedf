/**
 * struct msghdr for sendmsg(2) and recvmsg(2): one piece of data, and descriptors beside it (unix(7), SCM_RIGHTS; cmsg(3)). The layout
 * is that of 64-bit Linux. Nothing is sent here.
 */
import { SCM_RIGHTS, SOL_SOCKET } from './constants.js';
import { addressOf } from './libc.js';
import { LITTLE } from './structs.js';
import { IOVEC_BYTES } from './vectors.js';

/** struct msghdr: name, namelen, iov, iovlen, control, controllen, flags, each on 8 bytes. */
const MSGHDR_BYTES = 56;
/** struct cmsghdr: len on 8 bytes, level and type on 4 each. */
const CMSGHDR_BYTES = 16;

const aligned = (length: number): number => (length + 7) & ~7;

/** A message of `dataBytes` with room for `descriptors`; used again and again. */
export class DescriptorMessage {
  readonly header = new Uint8Array(MSGHDR_BYTES);
  readonly data: Uint8Array;
  readonly #control: Uint8Array;
  readonly #headerView = new DataView(this.header.buffer);
  readonly #controlView: DataView;
  // Kept: the header has only its address.
  readonly #vector = new Uint8Array(IOVEC_BYTES);

  constructor(dataBytes: number, descriptors: number) {
    this.data = new Uint8Array(dataBytes);
    this.#control = new Uint8Array(aligned(CMSGHDR_BYTES + descriptors * 4));
    this.#controlView = new DataView(this.#control.buffer);
    const vector = new DataView(this.#vector.buffer);
    vector.setBigUint64(0, addressOf(this.data), LITTLE);
    vector.setBigUint64(8, BigInt(dataBytes), LITTLE);
    this.#headerView.setBigUint64(16, addressOf(this.#vector), LITTLE);
    this.#headerView.setBigUint64(24, 1n, LITTLE);
    this.#headerView.setBigUint64(32, addressOf(this.#control), LITTLE);
  }

  /** As it is to be sent. Throws RangeError when there are more descriptors than room. */
  attach(descriptors: readonly number[]): void {
    const length = CMSGHDR_BYTES + descriptors.length * 4;
    if (length > this.#control.length) throw new RangeError(`${descriptors.length} descriptors do not fit into one message`);
    this.#controlView.setBigUint64(0, BigInt(length), LITTLE);
    this.#controlView.setInt32(8, SOL_SOCKET, LITTLE);
    this.#controlView.setInt32(12, SCM_RIGHTS, LITTLE);
    descriptors.forEach((fd, index) => this.#controlView.setInt32(CMSGHDR_BYTES + index * 4, fd, LITTLE));
    this.#headerView.setBigUint64(40, BigInt(length), LITTLE);
  }

  /** Ready to be received into. */
  clear(): void {
    this.#controlView.setBigUint64(0, 0n, LITTLE);
    this.#headerView.setBigUint64(40, BigInt(this.#control.length), LITTLE);
    this.#headerView.setInt32(48, 0, LITTLE);
  }

  /** msg_flags, as recvmsg left them. */
  get flags(): number {
    return this.#headerView.getInt32(48, LITTLE);
  }

  /** What came with a message that was received. The kernel puts all descriptors of one sendmsg(2) into one control message. */
  get descriptors(): number[] {
    if (this.#headerView.getBigUint64(40, LITTLE) < BigInt(CMSGHDR_BYTES)) return [];
    if (this.#controlView.getInt32(8, LITTLE) !== SOL_SOCKET || this.#controlView.getInt32(12, LITTLE) !== SCM_RIGHTS) return [];
    const count = (Number(this.#controlView.getBigUint64(0, LITTLE)) - CMSGHDR_BYTES) >> 2;
    return Array.from({ length: count }, (_, index) => this.#controlView.getInt32(CMSGHDR_BYTES + index * 4, LITTLE));
  }
}
