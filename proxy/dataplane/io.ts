/**
 * How frames reach a worker and leave it. Two ways of doing it are behind this: by readiness (ready-io.ts: wait, read, write), and
 * by io_uring, which agent/dataplane has because it is made of system calls. A worker cannot tell which it has.
 */
import type { Frame } from '../wire/frame.js';

/** Frames that a device gives in one turn at most, so that none keeps the others from theirs. */
export const FRAMES_PER_TURN = 64;

/** What a worker is told. */
export interface Sink {
  /** A frame of a network. It may be changed, and given to `write` once, until the call returns. */
  frame(network: number, frame: Frame, length: number): void;
  /** A network's device has failed; nothing more comes from it or goes to it. `errno` is 0 when poll alone said so. */
  lost(network: number, errno: number): void;
  /** A frame was not taken, by this errno. */
  refused(errno: number): void;
}

export type MakeIo = (sink: Sink) => Io;

export interface Io {
  /** Serves the queue behind a descriptor, which stays the caller's, as that of a network that has none. */
  attach(network: number, fd: number): void;
  /** Afterwards the descriptor is not used. A network that has none is no error. */
  detach(network: number): void;
  has(network: number): boolean;
  /** Waits for frames or a wake-up, `timeout` ms at most. */
  wait(timeout: number): void;
  /**
   * After wait: gives the sink what has come, at most FRAMES_PER_TURN frames of each device. True when there was a wake-up, which
   * is over then: the next makes another.
   */
  deliver(): boolean;
  /**
   * Sends `length` bytes. Frames leave in the order of the calls, except that one that is being delivered may leave later,
   * with `flush` at the latest. To a network without a device: refused with EBADF.
   */
  write(network: number, frame: Frame, length: number): void;
  /** Looks for devices that are gone though nothing has said so, and tells the sink. Called now and then, not within `deliver`. */
  check(): void;
  /** What was written has left. */
  flush(): void;
  /** Nothing may be called afterwards. */
  close(): void;
}
