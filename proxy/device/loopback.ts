/**
 * Two devices joined in memory: what is written to one is read from the other. For tests and simulations.
 */
import { IP } from '../wire/frame.js';
import { EBADF, EINVAL, EIO, ENOBUFS, type PacketDevice } from './device.js';

/** Frames that one direction holds before writes are refused with -ENOBUFS: txqueuelen of a TUN. */
export const LOOPBACK_QUEUE = 500;

export class LoopbackDevice implements PacketDevice {
  #peer: LoopbackDevice | undefined;
  #queue: Uint8Array[] = [];
  #closed = false;

  static pair(queue = LOOPBACK_QUEUE): [LoopbackDevice, LoopbackDevice] {
    const a = new LoopbackDevice(queue);
    const b = new LoopbackDevice(queue);
    a.#peer = b;
    b.#peer = a;
    return [a, b];
  }

  private constructor(private readonly capacity: number) {}

  /** Frames that wait to be read here. */
  get waiting(): number {
    return this.#queue.length;
  }

  read(frame: Uint8Array): number {
    if (this.#closed) return -EBADF;
    const next = this.#queue.shift();
    if (!next) return 0;
    frame.set(next);
    return next.length;
  }

  write(frame: Uint8Array, length: number): number {
    if (this.#closed) return -EBADF;
    if (length <= IP) return -EINVAL;
    const peer = this.#peer;
    if (!peer || peer.#closed) return -EIO;
    if (peer.#queue.length >= this.capacity) return -ENOBUFS;
    peer.#queue.push(frame.slice(0, length));
    return length;
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
  }
}
