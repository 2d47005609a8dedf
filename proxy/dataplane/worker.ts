/**
 * The loop of a dataplane worker: wait, take what has come, process, send. It owns its thread and blocks in `wait`, so the thread's
 * event loop does not turn while it runs.
 *
 * - It serves one queue of each network's TUN. A frame whose flow belongs to another worker goes there through a ring (ring.ts),
 *   and the frames that others put into this one's rings are processed as those that it read.
 * - Each device, and each ring, gives at most FRAMES_PER_TURN frames before the next has its turn.
 * - After a snapshot the pipeline looks for flows that it ended, one bounded step in each round until it is through.
 * - Requests of the main thread are handled between two rounds, after a wake-up.
 * - While there are flows, wait ends after TICK_MS at the latest and the pipeline may expire some. Without flows little is due
 *   (fragments that wait for the rest of theirs), and wait lasts IDLE_MS, which also gives a thread told to terminate the chance.
 * - A device that fails is let go and reported; a frame that a device does not take is counted by cause. Neither is an
 *   error of the worker.
 *
 * How frames come and go (io.ts), and how to talk to others, is injected: nothing here knows a system call. Nothing is logged, and
 * nothing is allocated per packet.
 */
import { EAGAIN, EBADF, EBADFD, EINVAL, EIO, EMSGSIZE, ENETDOWN, ENOBUFS, ENOMEM } from '../device/device.js';
import { makeFrame, type Frame } from '../wire/frame.js';
import type { Snapshot } from '../config/snapshot.js';
import { Counter, type Counters } from './counters.js';
import type { EndedFlow } from './handle.js';
import { FRAMES_PER_TURN, type Io, type MakeIo, type Sink } from './io.js';
import type { Reply, Request } from './messages.js';
import { type FrameRing, Pushed } from './ring.js';

export const TICK_MS = 100;
export const IDLE_MS = 10_000;

/** Whom a worker talks to. */
export interface Others {
  /** The next request of the main thread, if any. */
  receive(): Request | undefined;
  send(reply: Reply): void;
  /** Ends the wait of another worker, this one or its next. */
  wake(worker: number): void;
  /** Milliseconds of a clock that never goes back and that all workers share. */
  now(): number;
}

/** What decides; see Pipeline, which is one. */
export interface PacketPath {
  configure(snapshot: Snapshot): void;
  refuse(network: number, flows: readonly EndedFlow[]): void;
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

export interface WorkerParts {
  readonly makePipeline: (emit: Emit) => PacketPath;
  /** Flows in the table. */
  readonly flows: { readonly size: number };
  readonly counters: Counters;
  readonly makeIo: MakeIo;
  readonly others: Others;
  /** By worker; undefined for this one. */
  readonly peers: readonly (Peer | undefined)[];
}

export class DataplaneWorker implements Sink {
  readonly #parts: WorkerParts;
  readonly #pipeline: PacketPath;
  readonly #io: Io;
  /** What is taken from a ring is put here. */
  readonly #frame = makeFrame();
  #now = 0;
  #ringsHaveMore = false;
  #sweeping = false;
  #closing = false;
  #lastTick = 0;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#io = parts.makeIo(this);
    this.#pipeline = parts.makePipeline((network, frame, length) => this.#io.write(network, frame, length));
  }

  /** Serves until told to close. What is thrown ends it, but not before its devices are let go. */
  run(): void {
    try {
      while (!this.#closing) this.round();
    } finally {
      this.#io.close();
    }
  }

  /** One wait and what it brings. */
  round(): void {
    const idle = this.#parts.flows.size > 0 ? TICK_MS : IDLE_MS;
    this.#io.wait(this.#ringsHaveMore || this.#sweeping ? 0 : idle);
    const now = Math.floor(this.#parts.others.now());
    this.#now = now;
    const woken = this.#io.deliver();
    // After the wake-up is over: what is put there from now on wakes anew.
    this.#serveRings(now);
    if (now - this.#lastTick >= TICK_MS) {
      this.#lastTick = now;
      this.#pipeline.expire(now);
      this.#io.check();
    }
    if (this.#sweeping) this.#sweeping = this.#pipeline.sweep();
    if (woken) this.#requests();
  }

  frame(network: number, frame: Frame, length: number): void {
    this.#pass(network, frame, length, this.#now);
  }

  refused(errno: number): void {
    this.#parts.counters.values[refusalCounter(errno)]! += 1;
  }

  lost(network: number, errno: number): void {
    this.#parts.counters.values[Counter.devicesLost]! += 1;
    this.#parts.others.send({ kind: 'lost', network, errno });
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
        // What came from the device came before it, and may be of the same flow.
        if (n === 0) this.#io.flush();
        this.#pass(ring.network, frame, length, now);
      }
      if (n === FRAMES_PER_TURN) this.#ringsHaveMore = true;
    }
  }

  #pass(network: number, frame: Frame, length: number, now: number): void {
    const out = this.#pipeline.process(network, frame, length, now);
    if (out > 0) this.#io.write(network, frame, out);
    else if (out < 0) this.#handOver(-out - 1, network, frame);
  }

  #handOver(worker: number, network: number, frame: Frame): void {
    const pushed = this.#parts.peers[worker]!.to.push(network, frame, this.#pipeline.handOverLength);
    if (pushed === Pushed.full) this.#parts.counters.values[Counter.handOverDropped]! += 1;
    else if (pushed === Pushed.wake) this.#parts.others.wake(worker);
  }

  #requests(): void {
    for (;;) {
      const request = this.#parts.others.receive();
      if (!request) return;
      const reason = this.#attempt(request);
      this.#parts.others.send(reason === undefined ? { kind: 'done', id: request.id } : { kind: 'failed', id: request.id, reason });
    }
  }

  /** Why it could not be done, or undefined: what a request asks for in vain harms none of what is served. */
  #attempt(request: Request): string | undefined {
    try {
      this.#handle(request);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #handle(request: Request): void {
    switch (request.kind) {
      case 'attach':
        if (this.#io.has(request.network)) throw new Error(`network ${request.network} is attached already`);
        this.#io.attach(request.network, request.fd);
        break;
      case 'detach':
        this.#io.detach(request.network);
        break;
      case 'apply':
        // A snapshot that cannot be used leaves the one before it in force.
        this.#pipeline.configure(request.snapshot);
        this.#sweeping = true;
        break;
      case 'refuse':
        this.#pipeline.refuse(request.network, request.flows);
        break;
      case 'close':
        this.#closing = true;
        break;
    }
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
