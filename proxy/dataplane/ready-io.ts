/**
 * Packet I/O by readiness: wait until a device can be read, read it until it is empty or has had its turn, write each frame at once.
 * Every frame is read into the same memory. How to wait and to open a device is injected: nothing here knows a system call.
 */
import { EBADF, type PacketDevice } from '../device/device.js';
import { type Frame, makeFrame } from '../wire/frame.js';
import { FRAMES_PER_TURN, type Io, type Sink } from './io.js';

/** Position of the wake-up descriptor among those waited for; devices follow from 1. */
export const WAKE_UP = 0;

export interface Readiness {
  /** Puts a descriptor at a position of the set to wait for. Position 0, the wake-up, is set already. */
  watch(position: number, fd: number): void;
  /** Waits for any of the first `count` positions, at most `timeout` ms. */
  wait(count: number, timeout: number): void;
  /** After wait: may be read without blocking. */
  readable(position: number): boolean;
  /** After wait: the descriptor is dead or never was one. */
  failed(position: number): boolean;
  /** Makes the wake-up descriptor not readable until the next wake-up. */
  quiet(): void;
  /** The device behind a descriptor. */
  open(fd: number): PacketDevice;
}

interface Attachment {
  readonly network: number;
  readonly fd: number;
  readonly device: PacketDevice;
}

export class ReadyIo implements Io {
  readonly #readiness: Readiness;
  readonly #sink: Sink;
  readonly #frame = makeFrame();
  #attached: Attachment[] = [];
  /** By network. */
  #devices: (PacketDevice | undefined)[] = [];

  constructor(readiness: Readiness, sink: Sink) {
    this.#readiness = readiness;
    this.#sink = sink;
  }

  attach(network: number, fd: number): void {
    this.#setAttached([...this.#attached, { network, fd, device: this.#readiness.open(fd) }]);
  }

  detach(network: number): void {
    this.#setAttached(this.#attached.filter((attachment) => attachment.network !== network));
  }

  has(network: number): boolean {
    return this.#devices[network] !== undefined;
  }

  wait(timeout: number): void {
    this.#readiness.wait(this.#attached.length + 1, timeout);
  }

  deliver(): boolean {
    const readiness = this.#readiness;
    const woken = readiness.readable(WAKE_UP);
    if (woken) readiness.quiet();
    // From the last to the first: letting one go moves only those that had their turn.
    for (let i = this.#attached.length - 1; i >= 0; i--) {
      if (readiness.readable(i + 1)) this.#serve(this.#attached[i]!);
      else if (readiness.failed(i + 1)) this.#lose(this.#attached[i]!.network, 0);
    }
    return woken;
  }

  #serve({ network, device }: Attachment): void {
    const frame = this.#frame;
    for (let n = 0; n < FRAMES_PER_TURN; n++) {
      const length = device.read(frame.bytes);
      if (length <= 0) {
        if (length < 0) this.#lose(network, -length);
        return;
      }
      this.#sink.frame(network, frame, length);
    }
  }

  #lose(network: number, errno: number): void {
    this.detach(network);
    this.#sink.lost(network, errno);
  }

  /** A network may have lost its device since the packet was read, by this worker or another. */
  write(network: number, frame: Frame, length: number): void {
    const written = this.#devices[network]?.write(frame.bytes, length) ?? -EBADF;
    if (written < 0) this.#sink.refused(-written);
  }

  check(): void {
    // Every wait asks for the state that each device is in.
  }

  flush(): void {
    // Nothing waits: each frame was written at once.
  }

  close(): void {
    this.#setAttached([]);
  }

  #setAttached(attached: Attachment[]): void {
    this.#attached = attached;
    this.#devices = [];
    for (const { network, device } of attached) this.#devices[network] = device;
    attached.forEach(({ fd }, i) => this.#readiness.watch(i + 1, fd));
  }
}
