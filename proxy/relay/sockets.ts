/**
 * Stream sockets as the relay needs them: descriptors that never block, and a wait for all of them at once. The system calls are
 * injected (agent/relay/system-sockets.ts); whatever fails answers minus the errno, as the kernel does.
 */
import type { Address } from './proxy-protocol.js';

export const EINTR = 4;
export const EAGAIN = 11;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENETUNREACH = 101;
export const ECONNABORTED = 103;
export const ECONNRESET = 104;
export const ETIMEDOUT = 110;
export const ECONNREFUSED = 111;
export const EHOSTUNREACH = 113;
export const EINPROGRESS = 115;

/** What a descriptor may be ready for, as bits: those of epoll(7). */
export const Ready = { read: 0x1, write: 0x4, error: 0x8, hangUp: 0x10, peerFinished: 0x2000 } as const;

export interface Pipe {
  readonly read: number;
  readonly write: number;
  /** Bytes that it was made to hold. */
  readonly size: number;
}

export interface StreamSockets {
  /**
   * Tells from now on when a connection becomes ready: once for each change, so whoever is told goes on until EAGAIN.
   * @param token 0 to 2^32 - 1, by which wait() names it
   */
  watch(fd: number, token: number): number;
  /** Tells, in every wait, of one that has something to be read or accepted. `shared`: others watch it too, and one is enough. */
  watchInput(fd: number, token: number, shared: boolean): number;
  unwatch(fd: number): void;
  /** Milliseconds to wait, 0 or more. How many are ready. */
  wait(timeout: number): number;
  /** Of what the last wait brought. */
  readyFor(index: number): number;
  token(index: number): number;

  accept(listener: number): number;
  /** The client of the connection accepted last. */
  acceptedFrom(): Address;
  local(fd: number): Address | undefined;
  /** Begins to connect: -EINPROGRESS is no failure, and is answered as the descriptor. `address` as in proxy/net/addr. */
  connect(address: number, port: number): number;
  /** The error that waits on the socket, 0 for none. Reading it clears it. */
  takeError(fd: number): number;
  /** Connections of this listener ask a silent peer whether it lives, and send at once what they are given. */
  prepareListener(fd: number): void;

  read(fd: number, buffer: Uint8Array, length: number): number;
  write(fd: number, buffer: Uint8Array, length: number): number;
  /** Moves bytes between a pipe and a socket without a copy. */
  splice(from: number, to: number, length: number): number;
  /** undefined: no descriptor is left. */
  makePipe(): Pipe | undefined;
  /** FIN. */
  finish(fd: number): number;
  close(fd: number): void;
  /** RST. */
  reset(fd: number): void;
  /** A descriptor to give up in need, or -errno. */
  spare(): number;
}
