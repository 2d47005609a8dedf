/**
 * A client of DNS resolvers that passes messages on: what it is given goes out under an id of its own, and the first answer
 * that is to the question asked comes back. It does not look into answers beyond their header and question.
 *
 * Against spoofed answers (RFC 5452 section 9): a random id, a socket per try, so a new and unpredictable source port (the
 * kernel's choice), connected, so only the resolver's own address is heard, and the question compared.
 */
import { randomInt } from 'node:crypto';
import { closeSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { tryTcp, tryUdp, type Attempt } from './upstream-attempt.js';

/** RFC 1035 section 4.1.1. */
const SERVFAIL = 2;
const REFUSED = 5;
const HEADER = 12;
/** There is none to be had: the limit on open files. */
const NO_SOCKET = -1;

export interface UpstreamOptions {
  /** Addresses of the resolvers, in order. Asked anew for every query. */
  readonly servers: () => readonly string[];
  /** 53. */
  readonly port?: number;
  /** Milliseconds for each resolver. */
  readonly timeout?: number;
  /** An unbound socket to ask with, the callee's to close; absent: one of this process's own namespace. */
  readonly open?: (protocol: 'udp' | 'tcp', family: 'ipv4' | 'ipv6') => Promise<number>;
  /** Queries at once. */
  readonly maxInFlight?: number;
}

export class Upstream {
  readonly #servers: () => readonly string[];
  readonly #port: number;
  readonly #timeout: number;
  readonly #maxInFlight: number;
  readonly #open: UpstreamOptions['open'];
  readonly #closing = new AbortController();
  #inFlight = 0;

  constructor(options: UpstreamOptions) {
    this.#servers = options.servers;
    this.#port = options.port ?? 53;
    this.#timeout = options.timeout ?? 4000;
    this.#maxInFlight = options.maxInFlight ?? 1024;
    this.#open = options.open;
  }

  /**
   * Asks one resolver after the other: the next one after SERVFAIL, REFUSED, silence or an error. The answer has the
   * query's id and is otherwise as it came, truncated or not; when every resolver failed, the last SERVFAIL or REFUSED.
   * undefined: none answered, the query is no query, too many are out, or closed.
   */
  async resolve(query: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const closed = this.#closing.signal;
    if (query.length < HEADER || query.length > 65_535 || this.#inFlight >= this.#maxInFlight || closed.aborted) return undefined;
    const attempt: Attempt = protocol === 'udp' ? tryUdp : tryTcp;
    this.#inFlight++;
    try {
      let refusal: Buffer | undefined;
      for (const address of this.#servers()) {
        const asked = Buffer.from(query);
        asked.writeUInt16BE(randomInt(0x1_0000), 0);
        const isAnswer = (message: Buffer): boolean => answers(asked, message);
        const fd = await this.#open?.(protocol, isIPv6(address) ? 'ipv6' : 'ipv4').catch(() => NO_SOCKET);
        if (closed.aborted && fd !== undefined && fd !== NO_SOCKET) closeSync(fd);
        if (closed.aborted) return undefined;
        if (fd === NO_SOCKET) continue;
        const answer = await attempt({ address, port: this.#port, fd, query: asked, isAnswer, timeout: this.#timeout, signal: closed });
        if (closed.aborted) return undefined;
        if (!answer) continue;
        query.copy(answer, 0, 0, 2);
        const rcode = answer.readUInt8(3) & 0x0f;
        if (rcode !== SERVFAIL && rcode !== REFUSED) return answer;
        refusal = answer;
      }
      return refusal;
    } finally {
      this.#inFlight--;
    }
  }

  /** Ends every query that is out: it answers undefined. */
  close(): void {
    this.#closing.abort();
  }
}

/** Whether `message` is a response to `query`: id, QR, opcode, and the question it repeats. */
export function answers(query: Buffer, message: Buffer): boolean {
  if (message.length < HEADER || message.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  const flags = message.readUInt8(2);
  if ((flags & 0x80) === 0 || (flags & 0x78) !== (query.readUInt8(2) & 0x78)) return false;
  // A server that cannot read or will not treat a query may leave the question out; never one that has an answer.
  if (message.readUInt16BE(4) === 0) return (message.readUInt8(3) & 0x0f) !== 0 && message.readUInt16BE(6) === 0;
  const end = questionEnd(query);
  if (end === undefined || message.readUInt16BE(4) !== query.readUInt16BE(4) || message.length < end) return false;
  return lower(query.subarray(HEADER, end)).equals(lower(message.subarray(HEADER, end)));
}

/** Offset after the first question. A query's name is not compressed: nothing comes before it. */
function questionEnd(message: Buffer): number | undefined {
  let at = HEADER;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63) return undefined;
    at += 1 + length;
    if (length === 0) break;
  }
  return at + 4 <= message.length ? at + 4 : undefined;
}

/** Names compare without regard to case (RFC 4343); the other bytes of a question are the same on both sides anyway. */
function lower(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').toLowerCase(), 'latin1');
}
