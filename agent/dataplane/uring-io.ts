/**
 * Packet I/O by io_uring: one system call sends all frames of a turn and brings those of the next.
 *
 * Each device has buffers of its own, as many as it may give frames in a turn, and one multishot read that fills them. A frame is
 * changed where it was read and written from there. A read that finds no buffer ends, and is begun anew before the next wait.
 *
 * **When a buffer may be read into again.** Buffers are given back before the call that submits the writes from them. That call
 * submits first, in order, and a write is done or has failed when it is submitted (RWF_NOWAIT); only then does it run what fills
 * buffers, the reads (DEFER_TASKRUN). Reads that begin anew are submitted after the writes.
 *
 * Frames that lie elsewhere (taken from a ring, or made by the pipeline itself) are written at once, by write(2).
 */
import { POLLIN } from '../../kernel/ffi/constants.js';
import { clearEvent, makeBlocking, poll, SystemError, write } from '../../kernel/ffi/libc.js';
import { PollSet } from '../../kernel/ffi/structs.js';
import { IORING_CQE_BUFFER_SHIFT, IORING_CQE_F_BUFFER, IORING_CQE_F_MORE } from '../../kernel/uring/abi.js';
import { ProvidedBuffers } from '../../kernel/uring/buffers.js';
import { IoUring } from '../../kernel/uring/uring.js';
import { EAGAIN, EBADF, ENOBUFS } from '../../proxy/device/device.js';
import type { Io, MakeIo, Sink } from '../../proxy/dataplane/io.js';
import { type Frame, FRAME_SIZE, makeFrame } from '../../proxy/wire/frame.js';

/** Frames of a turn. Their memory, 2 MiB for each network, is used as far as packets are large. */
const BUFFERS = 32;
/** Of large frames fewer are taken in a turn: so much memory stays in a processor's own cache. At least so many all the same. */
const TURN_BYTES = 512 * 1024;
const LEAST_BUFFERS = 8;
/**
 * Interrupt moderation, as a network card does it: a worker that has just had its turn waits so long for so many before the
 * next. One that was idle for longer serves the first frame at once. proxy/README.md has what it saves.
 */
const GATHER_FRAMES = 8;
const GATHER_MICROSECONDS = 50;
/** Of whole cache lines: no two frames share one. */
const BUFFER_SIZE = Math.ceil(FRAME_SIZE / 64) * 64;
/** Of the ring. */
export const ENTRIES = 256;
export const COMPLETIONS = 4096;

/** What a completion is of: a write that failed, a wake-up, or from here on the read of a device, by slot. */
const WRITE = 0;
const WAKE_UP = 1;
const FIRST_SLOT = 2;

/** Serves one device at a time. Kept for another when that one has gone: the kernel knows its buffers. */
class Slot {
  /** -1: none. */
  network = -1;
  fd = -1;
  /** Its read has not had its last completion. */
  reading = false;
  readonly buffers: ProvidedBuffers;
  readonly frames: readonly Frame[];
  /** Of the turn that goes on. */
  #turnFrames = 0;
  #turnBytes = 0;
  /** Bytes of a frame, lately. */
  #mean = 0;

  constructor(readonly index: number) {
    this.buffers = new ProvidedBuffers(index, BUFFERS, BUFFER_SIZE);
    this.frames = this.buffers.buffers.map((bytes) => makeFrame(bytes));
  }

  /** A frame has been dealt with. */
  giveBack(number: number, length: number): void {
    this.buffers.give(number);
    this.#turnFrames++;
    this.#turnBytes += length;
  }

  beginTurn(): void {
    if (this.#turnFrames > 0) {
      this.#mean += (this.#turnBytes / this.#turnFrames - this.#mean) / 4;
      this.#turnFrames = 0;
      this.#turnBytes = 0;
    }
    this.buffers.offer(Math.min(BUFFERS, Math.max(LEAST_BUFFERS, Math.floor(TURN_BYTES / (this.#mean + 1)))));
  }
}

class UringIo implements Io {
  readonly #sink: Sink;
  readonly #ring = new IoUring(ENTRIES, COMPLETIONS);
  readonly #wakeUp: number;
  readonly #slots: Slot[] = [];
  /** By network. */
  #serving: (Slot | undefined)[] = [];
  /** The frame that is being delivered, until it is written, and where it lies. */
  #delivered: Frame | undefined;
  #addressLow = 0;
  #addressHigh = 0;
  #woken = false;
  /** A read has ended for want of buffers, or there was no room to begin one. */
  #starved = false;
  /** The wake-up is not polled. */
  #deaf = true;
  /** The devices by slot, with no event that is waited for: what is wrong with them is told all the same (poll(2)). */
  #alive = new PollSet(8);

  constructor(wakeUp: number, sink: Sink) {
    this.#wakeUp = wakeUp;
    this.#sink = sink;
    this.#listen();
    this.#ring.gather(GATHER_FRAMES, GATHER_MICROSECONDS);
  }

  attach(network: number, fd: number): void {
    try {
      // With O_NONBLOCK a read would fail where it should wait for a frame.
      makeBlocking(fd);
    } catch (error) {
      // It is no descriptor: the read says so.
      if (!(error instanceof SystemError)) throw error;
    }
    const slot = this.#slots.find((one) => one.network < 0 && !one.reading) ?? this.#addSlot();
    slot.network = network;
    slot.fd = fd;
    this.#serving[network] = slot;
    this.#alive.set(slot.index, fd, 0);
    slot.beginTurn();
    this.#read(slot);
  }

  #addSlot(): Slot {
    const slot = new Slot(this.#slots.length);
    this.#ring.provide(slot.buffers);
    if (slot.index === this.#alive.capacity) {
      const larger = new PollSet(slot.index * 2);
      larger.bytes.set(this.#alive.bytes);
      this.#alive = larger;
    }
    this.#slots.push(slot);
    return slot;
  }

  detach(network: number): void {
    // Of a device that was lost, too, writes may be left; its descriptor is the caller's afterwards.
    this.flush();
    const slot = this.#serving[network];
    if (!slot) return;
    this.#ring.cancel(FIRST_SLOT + slot.index);
    this.#release(slot);
  }

  #release(slot: Slot): void {
    this.#serving[slot.network] = undefined;
    slot.network = -1;
    // Passed over.
    this.#alive.set(slot.index, -1, 0);
  }

  has(network: number): boolean {
    return this.#serving[network] !== undefined;
  }

  #read(slot: Slot): void {
    slot.reading = this.#ring.readMultishot(slot.fd, slot.index, FIRST_SLOT + slot.index);
    if (!slot.reading) this.#starved = true;
  }

  #listen(): void {
    this.#deaf = !this.#ring.pollMultishot(this.#wakeUp, POLLIN, WAKE_UP);
  }

  wait(timeout: number): void {
    for (const slot of this.#slots) slot.beginTurn();
    if (this.#starved) this.#readAnew();
    if (this.#deaf) this.#listen();
    this.#ring.wait(timeout);
  }

  #readAnew(): void {
    this.#starved = false;
    for (const slot of this.#slots) if (slot.network >= 0 && !slot.reading) this.#read(slot);
  }

  deliver(): boolean {
    const ring = this.#ring;
    this.#woken = false;
    while (ring.next()) {
      const { userData, result, flags } = ring;
      if (userData >= FIRST_SLOT) this.#onRead(this.#slots[userData - FIRST_SLOT]!, result, flags);
      else if (userData === WRITE) this.#sink.refused(-result);
      else this.#onWakeUp(flags);
    }
    return this.#woken;
  }

  #onRead(slot: Slot, result: number, flags: number): void {
    if ((flags & IORING_CQE_F_BUFFER) !== 0) {
      const number = flags >>> IORING_CQE_BUFFER_SHIFT;
      // Of a device that has been detached since, frames may still come.
      if (result > 0 && slot.network >= 0) {
        this.#addressLow = slot.buffers.addressLow[number]!;
        this.#addressHigh = slot.buffers.addressHigh[number]!;
        this.#delivered = slot.frames[number]!;
        this.#sink.frame(slot.network, this.#delivered, result);
        this.#delivered = undefined;
      }
      slot.giveBack(number, Math.max(0, result));
    }
    if ((flags & IORING_CQE_F_MORE) !== 0) return;
    slot.reading = false;
    if (slot.network < 0) return;
    if (result >= 0 || result === -ENOBUFS) {
      this.#starved = true;
      return;
    }
    const { network } = slot;
    this.#release(slot);
    this.#sink.lost(network, -result);
  }

  #onWakeUp(flags: number): void {
    this.#woken = true;
    clearEvent(this.#wakeUp);
    if ((flags & IORING_CQE_F_MORE) === 0) this.#listen();
  }

  write(network: number, frame: Frame, length: number): void {
    const slot = this.#serving[network];
    if (slot === undefined) {
      this.#sink.refused(EBADF);
    } else if (frame === this.#delivered) {
      this.#delivered = undefined;
      if (!this.#ring.write(slot.fd, this.#addressLow, this.#addressHigh, length, WRITE)) this.#sink.refused(EAGAIN);
    } else {
      const written = write(slot.fd, frame.bytes, length);
      if (written < 0) this.#sink.refused(-written);
    }
  }

  /** A read waits for a frame to come: a device that is removed just as it does that may never wake it. */
  check(): void {
    if (poll(this.#alive.bytes, this.#slots.length, 0) <= 0) return;
    for (const slot of this.#slots) {
      if (slot.network < 0 || this.#alive.ready(slot.index) === 0) continue;
      const { network } = slot;
      this.detach(network);
      this.#sink.lost(network, 0);
    }
  }

  flush(): void {
    this.#ring.submit();
  }

  close(): void {
    // The kernel lets a device go when its reads have ended, which takes a look; of a ring that is closed it ends them later.
    for (const { network } of this.#slots) this.detach(network);
    this.#ring.wait(0);
    this.#ring.close();
  }
}

/** `wakeUp` is an eventfd that does not block. The ring is made, and may fail with SystemError, when the worker asks for its I/O. */
export function uringIo(wakeUp: number): MakeIo {
  return (sink) => new UringIo(wakeUp, sink);
}
