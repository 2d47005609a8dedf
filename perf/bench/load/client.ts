/**
 * A client socket of the load generator: bare system calls, because what is measured must not be Node's own streams.
 */
import { AF_INET, EINPROGRESS, IP_BIND_ADDRESS_NO_PORT, IPPROTO_IP, IPPROTO_TCP, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, TCP_NODELAY } from '../../../kernel/ffi/constants.js';
import { bind, connect, setsockopt, socket } from '../../../kernel/ffi/libc.js';
import { sockaddrIn } from '../../../kernel/ffi/structs.js';

export const KEEP_ALIVE = Buffer.from('GET / HTTP/1.1\r\nHost: bench\r\n\r\n');
export const CLOSE = Buffer.from('GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n');

/** A load generator met what it cannot measure through. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}

/** Where connections go, and in turn from which addresses: one address has at most 64 k ports toward one destination. */
export class Dialer {
  readonly #destination: Uint8Array;
  readonly #sources: readonly Uint8Array[];
  #turn = 0;

  constructor(address: string, port: number, sources: readonly string[]) {
    this.#destination = sockaddrIn(address, port);
    this.#sources = sources.map((source) => sockaddrIn(source, 0));
  }

  /** A non-blocking socket whose connect(2) is under way. Throws LoadError (no port, no descriptor, no route). */
  dial(): number {
    const fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    const source = this.#sources[this.#turn++ % this.#sources.length];
    if (source) {
      // The port is chosen at connect, when the destination is known: it need only be free toward that.
      setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
      bind(fd, source, 'a client address');
    }
    const result = connect(fd, this.#destination);
    if (result !== 0 && result !== -EINPROGRESS) throw new LoadError(`connect: errno ${-result}`);
    return fd;
  }
}

/** Length of a whole response whose head is in `bytes`; 0 while the head is not complete. Throws LoadError for what is not 200. */
export function responseLength(bytes: Uint8Array, length: number): number {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return 0;
  const body = /^content-length: *(\d+)/im.exec(text.slice(0, end))?.[1];
  if (!text.startsWith('HTTP/1.1 200 ') || body === undefined) throw new LoadError(`not the expected response: ${text.slice(0, 40)}`);
  return end + 4 + Number(body);
}
