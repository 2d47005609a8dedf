/**
 * System calls of a loop that serves many stream sockets: epoll, accept, connect, splice, pipes. As the packet loop's in libc.ts: they never throw
 * and answer the count or the descriptor, or minus the errno. What a socket is for is others' business.
 */
import {
  AF_INET,
  AF_INET6,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  F_SETPIPE_SZ,
  O_CLOEXEC,
  O_NONBLOCK,
  SHUT_WR,
  SO_ERROR,
  SO_LINGER,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  SPLICE_F_MOVE,
  SPLICE_F_NONBLOCK,
} from './constants.js';
import { libcFunction, orErrno } from './libc.js';
import { LITTLE } from './structs.js';

const cEpollCreate = libcFunction<(flags: number) => number>('int epoll_create1(int)');
const cEpollCtl = libcFunction<(epoll: number, operation: number, fd: number, event: Uint8Array) => number>('int epoll_ctl(int, int, int, const void *)');
const cEpollWait = libcFunction<(epoll: number, events: Uint8Array, count: number, timeout: number) => number>('int epoll_wait(int, void *, int, int)');
const cAccept = libcFunction<(fd: number, address: Uint8Array, length: Uint8Array, flags: number) => number>('int accept4(int, void *, void *, int)');
const cSocket = libcFunction<(family: number, type: number, protocol: number) => number>('int socket(int, int, int)');
const cConnect = libcFunction<(fd: number, address: Uint8Array, length: number) => number>('int connect(int, const void *, unsigned int)');
const cName = { peer: libcFunction<NameCall>('int getpeername(int, void *, void *)'), local: libcFunction<NameCall>('int getsockname(int, void *, void *)') };
const cSetsockopt = libcFunction<(fd: number, level: number, option: number, value: Uint8Array, length: number) => number>('int setsockopt(int, int, int, const void *, unsigned int)');
const cGetsockopt = libcFunction<(fd: number, level: number, option: number, value: Uint8Array, length: Uint8Array) => number>('int getsockopt(int, int, int, void *, void *)');
const cRead = libcFunction<(fd: number, buffer: Uint8Array, length: number) => number>('long read(int, void *, size_t)');
const cWrite = libcFunction<(fd: number, buffer: Uint8Array, length: number) => number>('long write(int, const void *, size_t)');
const cSplice = libcFunction<(from: number, offIn: null, to: number, offOut: null, length: number, flags: number) => number>('long splice(int, void *, int, void *, size_t, unsigned int)');
const cPipe = libcFunction<(fds: Uint8Array, flags: number) => number>('int pipe2(void *, int)');
const cFcntl = libcFunction<(fd: number, command: number, type: string, argument: number) => number>('int fcntl(int, int, ...)');
const cShutdown = libcFunction<(fd: number, how: number) => number>('int shutdown(int, int)');
const cClose = libcFunction<(fd: number) => number>('int close(int)');

type NameCall = (fd: number, address: Uint8Array, length: Uint8Array) => number;

const INT = new Int32Array(1);
const INT_BYTES = new Uint8Array(INT.buffer);
const LENGTH = new Uint32Array(1);
const LENGTH_BYTES = new Uint8Array(LENGTH.buffer);
/** struct linger { 1, 0 }: closing resets. */
const ABORT = new Uint8Array(new Int32Array([1, 0]).buffer);
/** Holds a sockaddr_in or a sockaddr_in6. */
const SOCKADDR = new Uint8Array(28);
const SOCKADDR_VIEW = new DataView(SOCKADDR.buffer);
const TARGET = new Uint8Array(16);
const TARGET_VIEW = new DataView(TARGET.buffer);
TARGET_VIEW.setUint16(0, AF_INET, LITTLE);

/** A socket's address: four bytes or sixteen, in network byte order. */
export interface SocketName {
  readonly address: Uint8Array;
  readonly port: number;
}

/** struct epoll_event is packed on x86-64 alone (include/uapi/linux/eventpoll.h, EPOLL_PACKED). */
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const EVENT_DATA = process.arch === 'x64' ? 4 : 8;

/** Descriptors that are watched, each by a number of the caller's, 0 to 2^32 - 1. */
export class Epoll {
  readonly #fd: number;
  readonly #events: Uint8Array;
  readonly #view: DataView;
  readonly #event = new Uint8Array(EVENT_BYTES);
  readonly #eventView = new DataView(this.#event.buffer);

  /** Throws RangeError when the process has no descriptor left. @param capacity events that one wait brings at most */
  constructor(private readonly capacity: number) {
    this.#fd = orErrno(cEpollCreate(EPOLL_CLOEXEC));
    if (this.#fd < 0) throw new RangeError(`epoll_create1: errno ${-this.#fd}`);
    this.#events = new Uint8Array(capacity * EVENT_BYTES);
    this.#view = new DataView(this.#events.buffer);
  }

  /** 0, or -errno. */
  add(fd: number, events: number, token: number): number {
    this.#eventView.setInt32(0, events, LITTLE);
    this.#eventView.setUint32(EVENT_DATA, token, LITTLE);
    return orErrno(cEpollCtl(this.#fd, EPOLL_CTL_ADD, fd, this.#event));
  }

  remove(fd: number): void {
    cEpollCtl(this.#fd, EPOLL_CTL_DEL, fd, this.#event);
  }

  /** How many events there are, or -errno. @param timeout milliseconds, -1 for ever */
  wait(timeout: number): number {
    return orErrno(cEpollWait(this.#fd, this.#events, this.capacity, timeout));
  }

  events(index: number): number {
    return this.#view.getInt32(index * EVENT_BYTES, LITTLE);
  }

  token(index: number): number {
    return this.#view.getUint32(index * EVENT_BYTES + EVENT_DATA, LITTLE);
  }

  close(): void {
    cClose(this.#fd);
  }
}

/** accept4(2): a connection that does not block and is closed on exec. */
export function accept(listener: number): number {
  LENGTH[0] = SOCKADDR.length;
  return orErrno(cAccept(listener, SOCKADDR, LENGTH_BYTES, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

/** Who the connection accepted last comes from. */
export function acceptedFrom(): SocketName {
  return nameIn(SOCKADDR_VIEW);
}

/** undefined: the peer is gone, or there never was one. */
export function socketName(fd: number, side: 'peer' | 'local'): SocketName | undefined {
  LENGTH[0] = SOCKADDR.length;
  return cName[side](fd, SOCKADDR, LENGTH_BYTES) < 0 ? undefined : nameIn(SOCKADDR_VIEW);
}

function nameIn(view: DataView): SocketName {
  const v6 = view.getUint16(0, LITTLE) === AF_INET6;
  return { address: SOCKADDR.slice(v6 ? 8 : 4, v6 ? 24 : 8), port: view.getUint16(2) };
}

/** A TCP socket over IPv4 that does not block. */
export function streamSocket(): number {
  return orErrno(cSocket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/** connect(2). @param address int32, see proxy/net/addr */
export function connectTo(fd: number, address: number, port: number): number {
  TARGET_VIEW.setUint16(2, port);
  TARGET_VIEW.setInt32(4, address);
  return orErrno(cConnect(fd, TARGET, TARGET.length));
}

/** setsockopt(2) of an int. */
export function setOption(fd: number, level: number, option: number, value: number): number {
  INT[0] = value;
  return orErrno(cSetsockopt(fd, level, option, INT_BYTES, 4));
}

/** SO_ERROR as a positive errno, 0: none. Reading it clears it. */
export function takeError(fd: number): number {
  LENGTH[0] = 4;
  const result = cGetsockopt(fd, SOL_SOCKET, SO_ERROR, INT_BYTES, LENGTH_BYTES);
  return result < 0 ? -orErrno(result) : INT[0]!;
}

export function readBytes(fd: number, buffer: Uint8Array, length: number): number {
  return orErrno(cRead(fd, buffer, length));
}

export function writeBytes(fd: number, buffer: Uint8Array, length: number): number {
  return orErrno(cWrite(fd, buffer, length));
}

/** splice(2) between a pipe and a socket, without waiting. */
export function splice(from: number, to: number, length: number): number {
  return orErrno(cSplice(from, null, to, null, length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
}

export interface Pipe {
  readonly read: number;
  readonly write: number;
  /** Bytes that it was made to hold. */
  readonly size: number;
}

/** A pipe that holds `size` bytes, or as many as this user may still have (pipe(7), pipe-user-pages-soft); undefined: no descriptor is left. */
export function makePipe(size: number): Pipe | undefined {
  const fds = new Int32Array(2);
  if (cPipe(new Uint8Array(fds.buffer), O_NONBLOCK | O_CLOEXEC) < 0) return undefined;
  const [read, write] = fds as unknown as [number, number];
  const granted = cFcntl(write, F_SETPIPE_SZ, 'int', size);
  return { read, write, size: granted > 0 ? granted : 65_536 };
}

/** Sends FIN: nothing more will be written. */
export function finish(fd: number): number {
  return orErrno(cShutdown(fd, SHUT_WR));
}

export function closeFd(fd: number): void {
  cClose(fd);
}

/** Closes with a reset (SO_LINGER of zero seconds, socket(7)), also when a FIN is on its way. */
export function resetAndClose(fd: number): void {
  cSetsockopt(fd, SOL_SOCKET, SO_LINGER, ABORT, ABORT.length);
  cClose(fd);
}
