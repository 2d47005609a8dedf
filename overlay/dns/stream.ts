/**
 * DNS over one TCP connection (RFC 1035 section 4.2.2, RFC 7766): framing, pipelining, and limits against clients that
 * are slow to send or to read. What a message means is the responder's affair.
 *
 * Time: a connection on which nothing is being answered has IDLE_TIMEOUT to bring its next whole query and to read what
 * it was sent. Bytes of half a message do not extend it.
 * Memory: at most one unfinished message, the whole messages of one read, MAX_IN_FLIGHT queries, and what the client has
 * not read of their answers. Reading stops when there is more to do than that, and TCP holds the client back.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../proxy/time/clock.js';
import type { Response } from './responder.js';

/** Milliseconds. RFC 7766 section 6.2.3 asks for some seconds. */
export const IDLE_TIMEOUT = 10_000;
/** Queries of one connection that wait for their answer. */
export const MAX_IN_FLIGHT = 32;

/** Cuts a byte stream into messages by their 2-byte length. */
export class MessageSplitter {
  #chunks: Buffer[] = [];
  #size = 0;
  /** Bytes before which there is no use in looking. */
  #need = 2;

  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#need) return [];

    const data = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#size);
    const messages: Buffer[] = [];
    let offset = 0;
    this.#need = 2;
    while (data.length - offset >= 2) {
      this.#need = 2 + data.readUInt16BE(offset);
      if (data.length - offset < this.#need) break;
      messages.push(data.subarray(offset + 2, offset + this.#need));
      offset += this.#need;
      this.#need = 2;
    }
    this.#chunks = offset < data.length ? [data.subarray(offset)] : [];
    this.#size = data.length - offset;
    return messages;
  }
}

/** Answers what comes over `socket` until either side ends it. Answers may overtake one another (RFC 7766 section 7). */
export class StreamConnection {
  readonly #socket: Socket;
  readonly #respond: (message: Buffer) => Response;
  readonly #clock: Clock;
  readonly #splitter = new MessageSplitter();
  readonly #queue: Buffer[] = [];
  #inFlight = 0;
  #blocked = false;
  #ended = false;
  #cancelTimer: (() => void) | undefined;

  /** The socket must allow half-open: a client may send its queries, end its side, and wait. */
  constructor(socket: Socket, respond: (message: Buffer) => Response, clock: Clock) {
    this.#socket = socket;
    this.#respond = respond;
    this.#clock = clock;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('drain', () => {
      this.#blocked = false;
      this.#pump();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#pump();
    });
    // A reset is one of the ways in which a client goes away; 'close' follows.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#cancelTimer?.());
    this.#restartTimer();
  }

  #receive(chunk: Buffer): void {
    const messages = this.#splitter.push(chunk);
    if (messages.length === 0) return;
    this.#queue.push(...messages);
    this.#pump();
  }

  #pump(): void {
    if (this.#socket.destroyed) return;
    let taken = 0;
    while (taken < this.#queue.length && this.#inFlight < MAX_IN_FLIGHT && !this.#blocked) {
      const response = this.#respond(this.#queue[taken++] as Buffer);
      if (response instanceof Promise) this.#wait(response);
      else if (response) this.#write(response);
    }
    if (taken > 0) {
      this.#queue.splice(0, taken);
      this.#restartTimer();
    }

    if (this.#ended && this.#queue.length === 0 && this.#inFlight === 0) this.#socket.end();
    else if (this.#queue.length > 0 || this.#blocked) this.#socket.pause();
    else this.#socket.resume();
  }

  #wait(response: Promise<Buffer>): void {
    this.#inFlight++;
    void response.then((bytes) => {
      this.#inFlight--;
      if (this.#socket.destroyed) return;
      this.#write(bytes);
      this.#restartTimer();
      this.#pump();
    });
  }

  #write(response: Buffer): void {
    const prefix = Buffer.alloc(2);
    prefix.writeUInt16BE(response.length);
    if (!this.#socket.write(Buffer.concat([prefix, response]))) this.#blocked = true;
  }

  #restartTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#clock.after(IDLE_TIMEOUT, () => {
      if (this.#inFlight === 0) this.#socket.destroy();
    });
  }
}
