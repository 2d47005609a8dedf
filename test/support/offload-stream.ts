/**
 * A TCP connection of a client in another network namespace, whose every byte is checked: what comes back is what was sent,
 * in order, and nothing else.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import { AF_INET, EINPROGRESS, EINTR, POLLIN, POLLOUT, SO_REUSEADDR, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET } from '../../kernel/ffi/constants.js';
import { bind, connect, errnoName, poll, setsockopt, socket } from '../../kernel/ffi/libc.js';
import { PollSet, sockaddrIn } from '../../kernel/ffi/structs.js';
import type { Namespace } from '../../kernel/netns/netns.js';
import { socketError } from '../../kernel/netns/socket-info.js';
import { pollUntil } from './poll-until.js';

const PATIENCE = { timeout: 60_000 };
const CONNECT_TIMEOUT = 20_000;
const CHUNK = 20_000;

/** Waits for the one socket. Not all of the time in one call: a child that ends meanwhile (SIGCHLD) interrupts poll(2). */
function isReady(set: PollSet): boolean {
  const deadline = performance.now() + CONNECT_TIMEOUT;
  for (let left = CONNECT_TIMEOUT; left > 0; left = deadline - performance.now()) {
    const result = poll(set.bytes, 1, Math.ceil(left));
    if (result !== -EINTR) return result === 1;
  }
  return false;
}

/** A connected socket. Waits on this thread. Throws an error whose code is the errno's name. */
export function connectIn(namespace: Namespace, address: string, port: number, localPort = 0): number {
  const fd = namespace.within(() => socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC));
  const fail = (errno: number): never => {
    fs.closeSync(fd);
    throw Object.assign(new Error(`connect ${address}:${port}: ${errnoName(errno)}`), { code: errnoName(errno) });
  };
  if (localPort !== 0) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    bind(fd, sockaddrIn('0.0.0.0', localPort), `port ${localPort}`);
  }
  const result = connect(fd, sockaddrIn(address, port));
  if (result !== 0 && result !== -EINPROGRESS) fail(-result);
  const set = new PollSet(1);
  set.set(0, fd, POLLOUT | POLLIN);
  if (!isReady(set)) {
    fs.closeSync(fd);
    throw new Error(`connect ${address}:${port}: no answer`);
  }
  const errno = socketError(fd);
  if (errno !== 0) fail(errno);
  return fd;
}

export class Stream {
  readonly #socket: net.Socket;
  /** Sent, and not yet come back. */
  #expected: Buffer[] = [];
  #greeting = '';
  #error: (Error & { code?: string }) | undefined;
  #ended = false;
  #running = false;
  #loop: Promise<void> | undefined;
  /** Bytes that came back. */
  bytes = 0;
  readonly greeted: Promise<void>;

  constructor(fd: number) {
    this.#socket = new net.Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
    this.#socket.on('error', (error) => (this.#error = error));
    this.#socket.on('end', () => (this.#ended = true));
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.greeted = this.#until('it was greeted', () => this.#greeting.endsWith('\n'));
    this.greeted.catch(() => undefined);
  }

  /** Id of the endpoint. */
  get by(): string {
    return this.#greeting.slice(0, 1);
  }

  /** The client's address and port, as the endpoint sees them. */
  get seenAs(): string {
    return this.#greeting.slice(2).trim();
  }

  get localPort(): number {
    return this.#socket.localPort ?? assert.fail('the socket is closed');
  }

  /** The errno's name when the connection is broken. */
  get brokenBy(): string | undefined {
    return this.#error?.code;
  }

  #receive(chunk: Buffer): void {
    let rest = chunk;
    if (!this.#greeting.endsWith('\n')) {
      const end = rest.indexOf('\n') + 1;
      this.#greeting += rest.subarray(0, end === 0 ? rest.length : end).toString();
      rest = end === 0 ? Buffer.alloc(0) : rest.subarray(end);
    }
    while (rest.length > 0 && !this.#error) {
      const next = this.#expected[0];
      const length = Math.min(next?.length ?? 0, rest.length);
      if (!next || !next.subarray(0, length).equals(rest.subarray(0, length))) {
        this.#error = new Error('something else came back than was sent');
        return;
      }
      if (length === next.length) this.#expected.shift();
      else this.#expected[0] = next.subarray(length);
      this.bytes += length;
      rest = rest.subarray(length);
    }
  }

  /** Waits for the condition. Rejects at once when the connection breaks, or ends before its time. */
  #until(what: string, condition: () => boolean, mayEnd = false): Promise<void> {
    const deadline = performance.now() + PATIENCE.timeout;
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.#error) reject(this.#error);
        else if (condition()) resolve();
        else if (!mayEnd && (this.#ended || this.#socket.destroyed)) reject(new Error(`the connection ended before ${what}`));
        else if (performance.now() > deadline) reject(new Error(`did not happen: ${what}`));
        else setTimeout(look, 1);
      };
      look();
    });
  }

  /** Sends some bytes and waits until they are back. Rejects when the connection breaks. */
  async exchange(length = CHUNK): Promise<void> {
    const data = randomBytes(length);
    this.#expected.push(data);
    this.#socket.write(data);
    await this.#until('all that was sent came back', () => this.#expected.length === 0);
  }

  /** Exchanges without a pause until `stop`. */
  start(): this {
    this.#running = true;
    this.#loop = (async () => {
      while (this.#running) await this.exchange();
    })();
    // It is told by stop.
    this.#loop.catch(() => undefined);
    return this;
  }

  /** Waits until more has come back than until now: the stream flows. */
  async flows(): Promise<void> {
    const before = this.bytes;
    await this.#until('more came back', () => this.bytes > before + CHUNK);
  }

  /** Rejects when anything was broken, lost, doubled or moved on the way. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#loop;
  }

  /** Sends small things until the connection is broken; answers how. */
  async breaks(): Promise<string> {
    return pollUntil(
      'the connection breaks',
      () => {
        if (!this.#error && !this.#socket.destroyed) this.#socket.write('x');
        return this.brokenBy;
      },
      PATIENCE,
    );
  }

  /** An orderly end by both sides. */
  async end(): Promise<void> {
    this.#socket.end();
    await this.#until('the endpoint ended its side', () => this.#ended, true);
    this.#socket.destroy();
  }

  close(): void {
    this.#running = false;
    this.#socket.destroy();
  }
}
