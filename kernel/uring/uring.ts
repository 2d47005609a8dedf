/**
 * One io_uring: operations are written into memory that the kernel reads, what they came to is read from memory that it
 * writes, and one system call submits all of the one and waits for some of the other.
 *
 * The ring belongs to the thread that made it (SINGLE_ISSUER). The kernel does its part only inside that thread's calls
 * (DEFER_TASKRUN), so nothing changes between them and no access needs a barrier.
 *
 * Nothing here allocates after construction, except provide(). Documentation: io_uring(7), io_uring_enter(2).
 */
import fs from 'node:fs';
import { EINTR } from '../../proxy/device/device.js';
import { ioUringEnter, ioUringRegister, ioUringSetup, mapMemory, unmapMemory, type MappedMemory } from '../ffi/libc.js';
import {
  BUFFER_REGISTRATION_BYTES,
  CQE,
  CQE_WORDS,
  EVENTS_ARGUMENT_BYTES,
  EVENTS_MIN_WAIT_WORD,
  IORING_ENTER_EXT_ARG,
  IORING_ENTER_GETEVENTS,
  IORING_FEAT_MIN_TIMEOUT,
  IORING_OFF_SQ_RING,
  IORING_OFF_SQES,
  IORING_OP_POLL_ADD,
  IORING_OP_READ_MULTISHOT,
  IORING_OP_WRITE,
  IORING_POLL_ADD_MULTI,
  IORING_REGISTER_PBUF_RING,
  IORING_REGISTER_SYNC_CANCEL,
  IORING_SETUP_CQSIZE,
  IORING_SETUP_DEFER_TASKRUN,
  IORING_SETUP_SINGLE_ISSUER,
  IOSQE_BUFFER_SELECT,
  IOSQE_CQE_SKIP_SUCCESS,
  PARAMS,
  PARAMS_BYTES,
  RWF_NOWAIT,
  SQE,
  SQE_WORDS,
  SYNC_CANCEL_BYTES,
  TIMESPEC_BYTES,
} from './abi.js';
import { PinnedBuffer, type ProvidedBuffers } from './buffers.js';

export class IoUring {
  readonly #fd: number;
  readonly #rings: MappedMemory;
  readonly #entries: MappedMemory;
  /** The mapped rings, and the entries to submit, in words. */
  #ring: Int32Array;
  #sqe: Int32Array;
  readonly #sqSize: number;
  readonly #mayGather: boolean;
  readonly #cqMask: number;
  /** Word offsets into the rings. */
  readonly #sqHead: number;
  readonly #sqTail: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqes: number;
  readonly #wait = new PinnedBuffer(EVENTS_ARGUMENT_BYTES + TIMESPEC_BYTES);
  readonly #timeout: BigInt64Array;
  #tail: number;
  #head = 0;
  /** Of the completion that `next` moved to. */
  userData = 0;
  result = 0;
  flags = 0;

  /** Completions that `wait` waits for. */
  #batch = 1;

  /** `entries` and `completions`: powers of two. Throws SystemError (ENOSYS, EPERM, EINVAL on an older kernel). */
  constructor(entries: number, completions: number) {
    const params = new Uint32Array(PARAMS_BYTES / 4);
    params[PARAMS.flags] = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    params[PARAMS.cqEntries] = completions;
    this.#fd = ioUringSetup(entries, new Uint8Array(params.buffer));
    const word = (name: keyof typeof PARAMS): number => params[PARAMS[name]]! / 4;
    const [sqSize, cqSize] = [params[PARAMS.sqEntries]!, params[PARAMS.cqEntries]!];
    this.#sqSize = sqSize;
    this.#mayGather = (params[PARAMS.features]! & IORING_FEAT_MIN_TIMEOUT) !== 0;
    this.#cqMask = cqSize - 1;
    [this.#sqHead, this.#sqTail, this.#cqHead, this.#cqTail, this.#cqes] = [word('sqHead'), word('sqTail'), word('cqHead'), word('cqTail'), word('cqCqes')];
    const ringWords = Math.max(word('sqArray') + sqSize, this.#cqes + cqSize * CQE_WORDS);
    this.#rings = mapMemory(this.#fd, ringWords * 4, IORING_OFF_SQ_RING);
    this.#entries = mapMemory(this.#fd, sqSize * SQE_WORDS * 4, IORING_OFF_SQES);
    this.#ring = new Int32Array(this.#rings.buffer);
    this.#sqe = new Int32Array(this.#entries.buffer);
    // Entry n of the ring is always entry n of the array.
    for (let index = 0; index < sqSize; index++) this.#ring[word('sqArray') + index] = index;
    this.#tail = this.#ring[this.#sqTail]!;
    const { buffer, byteOffset } = this.#wait.bytes;
    this.#timeout = new BigInt64Array(buffer, byteOffset + EVENTS_ARGUMENT_BYTES, 2);
    new BigUint64Array(buffer, byteOffset, 3)[2] = this.#wait.address + BigInt(EVENTS_ARGUMENT_BYTES);
  }

  /**
   * From now on `wait` gives others the chance to join the first: it ends with `completions` of them, or when it has lasted
   * `microseconds` and there is one, or after that with the next one. So what comes to a ring that has waited for longer than
   * that is not held up. No effect before Linux 6.12.
   */
  gather(completions: number, microseconds: number): void {
    if (!this.#mayGather) return;
    this.#batch = completions;
    const { buffer, byteOffset } = this.#wait.bytes;
    new Uint32Array(buffer, byteOffset, EVENTS_MIN_WAIT_WORD + 1)[EVENTS_MIN_WAIT_WORD] = microseconds;
  }

  // Each of the three answers false, and nothing is begun, when there is no room: all entries wait, and the kernel takes none now.

  /** Reads again and again into buffers of the group, a completion for each read, until one without IORING_CQE_F_MORE. */
  readMultishot(fd: number, group: number, userData: number): boolean {
    const at = this.#next(IORING_OP_READ_MULTISHOT | (IOSQE_BUFFER_SELECT << 8), fd, userData);
    if (at < 0) return false;
    this.#sqe[at + SQE.group] = group;
    this.#atNoPosition(at);
    return true;
  }

  /** A completion whenever `fd` has become ready for `events`. */
  pollMultishot(fd: number, events: number, userData: number): boolean {
    const at = this.#next(IORING_OP_POLL_ADD, fd, userData);
    if (at < 0) return false;
    this.#sqe[at + SQE.length] = IORING_POLL_ADD_MULTI;
    this.#sqe[at + SQE.operationFlags] = events;
    return true;
  }

  /**
   * Writes from memory at an address, in halves. It is done, or has failed with EAGAIN, when it has been submitted: the memory
   * is free again then. A completion comes only when it failed.
   */
  write(fd: number, addressLow: number, addressHigh: number, length: number, userData: number): boolean {
    const at = this.#next(IORING_OP_WRITE | (IOSQE_CQE_SKIP_SUCCESS << 8), fd, userData);
    if (at < 0) return false;
    const sqe = this.#sqe;
    sqe[at + SQE.address] = addressLow;
    sqe[at + SQE.address + 1] = addressHigh;
    sqe[at + SQE.length] = length;
    sqe[at + SQE.operationFlags] = RWF_NOWAIT;
    this.#atNoPosition(at);
    return true;
  }

  /** TUNs, pipes and eventfds have none. */
  #atNoPosition(at: number): void {
    this.#sqe[at + SQE.offset] = -1;
    this.#sqe[at + SQE.offset + 1] = -1;
  }

  /** Word offset of a fresh entry. When all are taken, submits them first; -1 when none of them can be now. */
  #next(operation: number, fd: number, userData: number): number {
    if (this.waiting === this.#sqSize) {
      this.submit();
      if (this.waiting === this.#sqSize) return -1;
    }
    const at = (this.#tail & (this.#sqSize - 1)) * SQE_WORDS;
    const sqe = this.#sqe;
    sqe.fill(0, at, at + SQE_WORDS);
    sqe[at] = operation;
    sqe[at + SQE.fd] = fd;
    sqe[at + SQE.userData] = userData;
    this.#tail = (this.#tail + 1) | 0;
    return at;
  }

  /** Operations that are not submitted yet. */
  get waiting(): number {
    return (this.#tail - this.#ring[this.#sqHead]!) | 0;
  }

  /** Submits what waits, without waiting for anything. */
  submit(): void {
    while (this.waiting > 0) {
      if (this.#enter(0, 0) < 0) return;
    }
  }

  /** Submits what waits and then waits for a completion (see `gather`), `timeout` ms at most; 0: only looks. */
  wait(timeout: number): void {
    if (timeout > 0) {
      const seconds = Math.floor(timeout / 1000);
      this.#timeout[0] = BigInt(seconds);
      this.#timeout[1] = BigInt((timeout - seconds * 1000) * 1_000_000);
    }
    this.#enter(IORING_ENTER_GETEVENTS, timeout > 0 ? this.#batch : 0);
  }

  /** -errno; what was not submitted then (EAGAIN, EBUSY: completions are to be taken first) is submitted by the next call. */
  #enter(flags: number, completions: number): number {
    this.#ring[this.#sqTail] = this.#tail;
    const result = ioUringEnter(this.#fd, this.waiting, completions, flags | IORING_ENTER_EXT_ARG, this.#wait.bytes, EVENTS_ARGUMENT_BYTES);
    return result === -EINTR ? 0 : result;
  }

  /** Moves to the next completion, if there is one. */
  next(): boolean {
    const ring = this.#ring;
    if (this.#head === ring[this.#cqTail]!) return false;
    const at = this.#cqes + (this.#head & this.#cqMask) * CQE_WORDS;
    this.userData = ring[at + CQE.userData]!;
    this.result = ring[at + CQE.result]!;
    this.flags = ring[at + CQE.flags]!;
    this.#head = (this.#head + 1) | 0;
    ring[this.#cqHead] = this.#head;
    return true;
  }

  /** Makes a group known. Throws SystemError. */
  provide(buffers: ProvidedBuffers): void {
    const registration = new DataView(new ArrayBuffer(BUFFER_REGISTRATION_BYTES));
    registration.setBigUint64(0, buffers.ring.address, true);
    registration.setUint32(8, buffers.count, true);
    registration.setUint16(12, buffers.group, true);
    this.register(IORING_REGISTER_PBUF_RING, new Uint8Array(registration.buffer), 1);
  }

  /** Ends the operation with this user data. Its last completion can be taken afterwards. One that has ended is no error. */
  cancel(userData: number): void {
    const argument = new DataView(new ArrayBuffer(SYNC_CANCEL_BYTES));
    argument.setBigUint64(0, BigInt(userData >>> 0), true);
    argument.setInt32(8, -1, true);
    argument.setBigInt64(16, -1n, true);
    argument.setBigInt64(24, -1n, true);
    this.register(IORING_REGISTER_SYNC_CANCEL, new Uint8Array(argument.buffer), 1, 'ENOENT');
  }

  /** io_uring_register(2) with `count` elements. Failing with `allowed` is no error; else throws SystemError. */
  register(operation: number, argument: Uint8Array, count: number, allowed?: string): void {
    ioUringRegister(this.#fd, operation, argument, count, allowed);
  }

  /** Nothing may be called afterwards. */
  close(): void {
    fs.closeSync(this.#fd);
    [this.#ring, this.#sqe] = [new Int32Array(0), new Int32Array(0)];
    unmapMemory(this.#rings);
    unmapMemory(this.#entries);
  }
}
