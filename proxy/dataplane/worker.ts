/**
 * The loop of a dataplane worker: wait, read, process, write back. It owns its thread and blocks in `wait`, so the thread's
 * event loop does not turn while it runs.
 *
 * - It serves one queue of each network's TUN. A frame whose flow belongs to another worker goes there through a ring (ring.ts),
 *   and the frames that others put into this one's rings are processed as those that it read.
 * - Each ready device, and each ring, gives at most FRAMES_PER_TURN frames before the next has its turn.
 * - After a snapshot the pipeline looks for flows that it ended, one bounded step in each round until it is through.
 * - Requests of the main thread are handled between two rounds, when the wake-up descriptor says that there are some.
 * - While there are flows, wait ends after TICK_MS at the latest and the pipeline may expire some. Without flows little is due
 *   (fragments that wait for the rest of theirs), and wait lasts IDLE_MS, which also gives a thread told to terminate the chance.
 * - A device that fails is let go and reported; a frame that a device does not take is counted by cause. Neither is an
 *   error of the worker.
 *
 * How to wait, to open a device and to talk to the main thread is injected (Io): nothing here knows a system call. Nothing
 * is logged, and nothing is allocated per packet.
 */
import { EAGAIN, EBADF, EBADFD, EINVAL, EIO, EMSGSIZE, ENETDOWN, ENOBUFS, ENOMEM, type PacketDevice } from '../device/device.js';
import { makeFrame, type Frame } from '../wire/frame.js';
import type { Snapshot } from '../config/snapshot.js';
import { Counter, type Counters } from './counters.js';
import type { Reply, Request } from './messages.js';
import { type FrameRing, Pushed } from './ring.js';

export const FRAMES_PER_TURN = 64;
export const TICK_MS = 100;
export const IDLE_MS = 10_000;

/** Position of the wake-up descriptor among those waited for; devices follow from 1. */
export const WAKE_UP = 0;

export interface Io {
  /** Puts a descriptor at a position of the set to wait for. Position 0, the wake-up, is set already. */
  watch(position: number, fd: number): void;
  /** Waits for any of the first `count` positions, at most `timeout` ms. */
  wait(count: number, timeout: number): void;
  /** After wait: may be read without blocking. */
  readable(position: number): boolean;
  /** After wait: the descriptor is dead or never was one. */
  failed(position: number): boolean;
  /** Makes the wake-up descriptor not readable until the next request. Called before requests are taken. */
  quiet(): void;
  /** The next request, if any. */
  receive(): Request | undefined;
  send(reply: Reply): void;
  /** The device behind a descriptor. */
  open(fd: number): PacketDevice;
  /** Ends the wait of another worker, this one or its next. */
  wake(worker: number): void;
  /** Milliseconds of a clock that never goes back and that all workers share. */
  now(): number;
}

/** What decides; see Pipeline, which is one. */
export interface PacketPath {
  configure(snapshot: Snapshot): void;
  /** > 0: bytes to write back. 0: nothing. < 0: for worker -(n + 1), `handOverLength` bytes of the frame. */
  process(network: number, frame: Frame, length: number, nowMs: number): number;
  readonly handOverLength: number;
  expire(nowMs: number): void;
  /** One bounded step; true while there is more. */
  sweep(): boolean;
}

/** Sends a frame to the TUN of a network, without one having come from there. It is not kept. */
export type Emit = (network: number, frame: Frame, length: number) => void;

/** This worker's ends of the two rings that it shares with another. */
export interface Peer {
  readonly to: FrameRing;
  readonly from: FrameRing;
}

interface Attachment {
  readonly network: number;
  readonly fd: number;
  readonly device: PacketDevice;
}

export interface WorkerParts {
  readonly makePipeline: (emit: Emit) => PacketPath;
  /** Flows in the table. */
  readonly flows: { readonly size: number };
  readonly counters: Counters;
  readonly io: Io;
  /** By worker; undefined for this one. */
  readonly peers: readonly (Peer | undefined)[];
}

export class DataplaneWorker {
  readonly #parts: WorkerParts;
  readonly #pipeline: PacketPath;
  readonly #io: Io;
  readonly #frame = makeFrame();
  #attached: Attachment[] = [];
  /** By network. */
  #devices: (PacketDevice | undefined)[] = [];
  #ringsHaveMore = false;
  #sweeping = false;
  #closing = false;
  #lastTick = 0;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#io = parts.io;
    this.#pipeline = parts.makePipeline((network, frame, length) => this.#write(this.#devices[network], frame, length));
  }

  /** Serves until told to close. */
  run(): void {
    while (!this.#closing) this.round();
  }

  /** One wait and what it brings. */
  round(): void {
    const io = this.#io;
    const idle = this.#parts.flows.size > 0 ? TICK_MS : IDLE_MS;
    io.wait(this.#attached.length + 1, this.#ringsHaveMore || this.#sweeping ? 0 : idle);
    const now = Math.floor(io.now());
    const woken = io.readable(WAKE_UP);
    // Before the rings are looked into: what is put there afterwards wakes anew.
    if (woken) io.quiet();
    // From the last to the first: letting one go moves only those that had their turn.
    for (let i = this.#attached.length - 1; i >= 0; i--) {
      if (io.readable(i + 1)) this.#serve(i, now);
      else if (io.failed(i + 1)) this.#lose(i, 0);
    }
    this.#serveRings(now);
    if (now - this.#lastTick >= TICK_MS) {
      this.#lastTick = now;
      this.#pipeline.expire(now);
    }
    if (this.#sweeping) this.#sweeping = this.#pipeline.sweep();
    if (woken) this.#requests();
  }

  #serve(i: number, now: number): void {
    const { network, device } = this.#attached[i]!;
    const frame = this.#frame;
    for (let n = 0; n < FRAMES_PER_TURN; n++) {
      const length = device.read(frame.bytes);
      if (length <= 0) {
        if (length < 0) this.#lose(i, -length);
        return;
      }
      this.#pass(network, length, now);
    }
  }

  #serveRings(now: number): void {
    const frame = this.#frame;
    const { peers } = this.#parts;
    this.#ringsHaveMore = false;
    for (let worker = 0; worker < peers.length; worker++) {
      const ring = peers[worker]?.from;
      if (ring === undefined) continue;
      let n = 0;
      for (; n < FRAMES_PER_TURN; n++) {
        const length = ring.take(frame);
        if (length === 0) break;
        this.#pass(ring.network, length, now);
      }
      if (n === FRAMES_PER_TURN) this.#ringsHaveMore = true;
    }
  }

  #pass(network: number, length: number, now: number): void {
    const frame = this.#frame;
    const out = this.#pipeline.process(network, frame, length, now);
    if (out > 0) this.#write(this.#devices[network], frame, out);
    else if (out < 0) this.#handOver(-out - 1, network);
  }

  #handOver(worker: number, network: number): void {
    const pushed = this.#parts.peers[worker]!.to.push(network, this.#frame, this.#pipeline.handOverLength);
    if (pushed === Pushed.full) this.#parts.counters.values[Counter.handOverDropped]! += 1;
    else if (pushed === Pushed.wake) this.#io.wake(worker);
  }

  /** A network may have lost its device since the packet was read, by this worker or another. */
  #write(device: PacketDevice | undefined, frame: Frame, length: number): void {
    const written = device === undefined ? -EBADF : device.write(frame.bytes, length);
    if (written < 0) this.#countRefused(-written);
  }

  #countRefused(errno: number): void {
    this.#parts.counters.values[refusalCounter(errno)]! += 1;
  }

  #lose(i: number, errno: number): void {
    const { network } = this.#attached[i]!;
    this.#parts.counters.values[Counter.devicesLost]! += 1;
    this.#setAttached(this.#attached.filter((_, at) => at !== i));
    this.#io.send({ kind: 'lost', network, errno });
  }

  #requests(): void {
    for (;;) {
      const request = this.#io.receive();
      if (!request) return;
      const reason = this.#handle(request);
      this.#io.send(reason === undefined ? { kind: 'done', id: request.id } : { kind: 'failed', id: request.id, reason });
    }
  }

  /** Why it could not be done, or undefined. */
  #handle(request: Request): string | undefined {
    switch (request.kind) {
      case 'attach':
        return this.#attach(request.network, request.fd);
      case 'detach':
        this.#setAttached(this.#attached.filter((attachment) => attachment.network !== request.network));
        return undefined;
      case 'apply':
        return this.#apply(request.snapshot);
      case 'close':
        this.#setAttached([]);
        this.#closing = true;
        return undefined;
    }
  }

  #attach(network: number, fd: number): string | undefined {
    if (this.#attached.some((attachment) => attachment.network === network)) return `network ${network} is attached already`;
    this.#setAttached([...this.#attached, { network, fd, device: this.#io.open(fd) }]);
    return undefined;
  }

  #apply(snapshot: Snapshot): string | undefined {
    try {
      this.#pipeline.configure(snapshot);
      this.#sweeping = true;
      return undefined;
    } catch (error) {
      // A snapshot that cannot be used leaves the one before it in force.
      return error instanceof Error ? error.message : String(error);
    }
  }

  #setAttached(attached: Attachment[]): void {
    this.#attached = attached;
    this.#devices = [];
    for (const { network, device } of attached) this.#devices[network] = device;
    attached.forEach(({ fd }, i) => this.#io.watch(i + 1, fd));
  }
}

/** Which counter a refused write goes to. Exported for its test. */
export function refusalCounter(errno: number): number {
  switch (errno) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return Counter.deviceWriteBusy;
    case EINVAL:
    case EMSGSIZE:
      return Counter.deviceWriteInvalid;
    case EIO:
    case ENETDOWN:
    case EBADF:
    case EBADFD:
      return Counter.deviceWriteDown;
    default:
      return Counter.deviceWriteErrors;
  }
}
