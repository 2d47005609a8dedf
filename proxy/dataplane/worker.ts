/**
 * The loop of a dataplane worker: wait, read, process, write back. It owns its thread and blocks in `wait`, so the thread's
 * event loop does not turn while it runs.
 *
 * - Each ready device gives at most FRAMES_PER_TURN frames before the next has its turn.
 * - Requests of the main thread are handled between two rounds, when the wake-up descriptor says that there are some.
 * - While there are flows, wait ends after TICK_MS at the latest and the pipeline may expire some. Without flows nothing is
 *   due, and wait lasts IDLE_MS: it is not for ever only so that a thread told to terminate gets the chance.
 * - A device that fails is let go and reported; a frame that a device does not take is counted by cause. Neither is an
 *   error of the worker.
 *
 * How to wait, to open a device and to talk to the main thread is injected (Io): nothing here knows a system call. Nothing
 * is logged, and nothing is allocated per packet.
 */
import { EAGAIN, EBADF, EBADFD, EINVAL, EIO, EMSGSIZE, ENETDOWN, ENOBUFS, ENOMEM, type PacketDevice } from '../device/device.js';
import { makeFrame } from '../wire/frame.js';
import type { Snapshot } from '../config/snapshot.js';
import { Counter, type Counters } from './counters.js';
import type { Reply, Request } from './messages.js';
import type { Pipeline } from './pipeline.js';

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
  /** Milliseconds of a clock that never goes back. */
  now(): number;
}

interface Attachment {
  readonly network: number;
  readonly fd: number;
  readonly device: PacketDevice;
}

export interface WorkerParts {
  readonly pipeline: Pick<Pipeline, 'configure' | 'process' | 'expire'>;
  /** Flows in the table. */
  readonly flows: { readonly size: number };
  readonly counters: Counters;
  readonly io: Io;
}

export class DataplaneWorker {
  readonly #parts: WorkerParts;
  readonly #io: Io;
  readonly #frame = makeFrame();
  #attached: Attachment[] = [];
  #closing = false;
  #lastTick = 0;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#io = parts.io;
  }

  /** Serves until told to close. */
  run(): void {
    while (!this.#closing) this.round();
  }

  /** One wait and what it brings. */
  round(): void {
    const io = this.#io;
    io.wait(this.#attached.length + 1, this.#parts.flows.size > 0 ? TICK_MS : IDLE_MS);
    const now = Math.floor(io.now());
    // From the last to the first: letting one go moves only those that had their turn.
    for (let i = this.#attached.length - 1; i >= 0; i--) {
      if (io.readable(i + 1)) this.#serve(i, now);
      else if (io.failed(i + 1)) this.#lose(i, 0);
    }
    if (now - this.#lastTick >= TICK_MS) {
      this.#lastTick = now;
      if (this.#parts.flows.size > 0) this.#parts.pipeline.expire(now);
    }
    if (io.readable(WAKE_UP)) this.#requests();
  }

  #serve(i: number, now: number): void {
    const { network, device } = this.#attached[i]!;
    const { pipeline } = this.#parts;
    const frame = this.#frame;
    for (let n = 0; n < FRAMES_PER_TURN; n++) {
      const length = device.read(frame.bytes);
      if (length <= 0) {
        if (length < 0) this.#lose(i, -length);
        return;
      }
      const out = pipeline.process(network, frame, length, now);
      if (out > 0) {
        const written = device.write(frame.bytes, out);
        if (written < 0) this.#countRefused(-written);
      }
    }
  }

  #countRefused(errno: number): void {
    this.#parts.counters.values[refusalCounter(errno)]! += 1;
  }

  #lose(i: number, errno: number): void {
    const { network } = this.#attached[i]!;
    this.#parts.counters.values[Counter.devicesLost]! += 1;
    this.#attached.splice(i, 1);
    this.#watchAll();
    this.#io.send({ kind: 'lost', network, errno });
  }

  #requests(): void {
    this.#io.quiet();
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
        this.#attached = this.#attached.filter((attachment) => attachment.network !== request.network);
        this.#watchAll();
        return undefined;
      case 'apply':
        return this.#apply(request.snapshot);
      case 'close':
        this.#attached = [];
        this.#closing = true;
        return undefined;
    }
  }

  #attach(network: number, fd: number): string | undefined {
    if (this.#attached.some((attachment) => attachment.network === network)) return `network ${network} is attached already`;
    this.#attached.push({ network, fd, device: this.#io.open(fd) });
    this.#watchAll();
    return undefined;
  }

  #apply(snapshot: Snapshot): string | undefined {
    try {
      this.#parts.pipeline.configure(snapshot);
      return undefined;
    } catch (error) {
      // A snapshot that cannot be used leaves the one before it in force.
      return error instanceof Error ? error.message : String(error);
    }
  }

  #watchAll(): void {
    this.#attached.forEach(({ fd }, i) => this.#io.watch(i + 1, fd));
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
