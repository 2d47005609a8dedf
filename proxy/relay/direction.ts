/**
 * One direction of a relayed connection: what comes from one side is given to the other, and after the last byte its FIN.
 *
 * Few bytes are read into a buffer that all directions share and written at once; what the other side does not take is kept, one
 * buffer at most, and nothing more is read until it is gone. A direction that fills the buffer again and again is a stream: its bytes are
 * moved by splice(2) through a pipe, from one socket to the other without a copy. The pipe is held only while bytes are in it.
 */
import type { Pipes } from './pipes.js';
import { EAGAIN, type Pipe, type StreamSockets } from './sockets.js';

/** Bytes of the shared buffer. More than most requests and answers have, and little to keep for one who does not read. */
export const COPY_BYTES = 16 * 1024;
/** Bytes that a direction may move before others have their turn. */
const TURN_BYTES = 1024 * 1024;
/** Full buffers in a row, less those that were not, from which on it is a stream. */
const STREAM = 3;
const MOST_SCORE = 8;

/** One socket of a connection, and what is known of it: a change from not ready to ready is told once. */
export interface Side {
  fd: number;
  readable: boolean;
  writable: boolean;
  /** FIN has come, perhaps behind bytes that are not read yet. */
  finished: boolean;
}

export interface Copying {
  readonly sockets: Pick<StreamSockets, 'read' | 'write' | 'splice' | 'finish'>;
  readonly pipes: Pipes;
  /** COPY_BYTES, of no content between two calls. */
  readonly buffer: Uint8Array;
}

export type Pumped =
  /** A side is not ready: go on when it is. */
  | 'waits'
  /** There is more, and others are to have their turn. */
  | 'more'
  /** FIN was passed on. */
  | 'done'
  /** A side failed. */
  | 'broken';

export class Direction {
  /** Read so far. */
  bytes = 0;
  /** Grows whenever a byte moves, in or out. */
  moves = 0;
  /** FIN was read. */
  ended = false;
  #passedOn = false;
  #held: Uint8Array | undefined;
  #pipe: Pipe | undefined;
  #inPipe = 0;
  #score = 0;

  /** @param first what the receiver is to get before anything else */
  constructor(
    private readonly from: Side,
    private readonly to: Side,
    private readonly copying: Copying,
    first?: Uint8Array,
  ) {
    this.#held = first;
  }

  get isDone(): boolean {
    return this.#passedOn;
  }

  /** @param closing the other direction is done: both sockets will be closed after this one, which sends the FIN by itself */
  pump(closing = false): Pumped {
    if (this.#passedOn) return 'done';
    const { from, to } = this;
    const until = this.bytes + TURN_BYTES;
    for (;;) {
      const left = this.#flush();
      if (left < 0) return left === -EAGAIN ? 'waits' : 'broken';
      if (this.ended) {
        this.#passedOn = true;
        this.#letGo();
        return !closing && this.copying.sockets.finish(to.fd) < 0 ? 'broken' : 'done';
      }
      if (!from.readable || !to.writable) {
        this.#letGo();
        return 'waits';
      }
      if (this.bytes >= until) return 'more';
      const read = this.#read();
      if (read > 0) this.bytes += read;
      else if (read === 0) this.ended = true;
      else if (read === -EAGAIN) from.readable = false;
      else return 'broken';
    }
  }

  /** Gives up what is on its way. */
  abandon(): void {
    this.#held = undefined;
    this.#letGo();
  }

  /** Gives the other side what is held. 0 when nothing is left, else -errno. */
  #flush(): number {
    const { to, copying } = this;
    while (this.#held !== undefined || this.#inPipe > 0) {
      if (!to.writable) return -EAGAIN;
      const held = this.#held;
      const sent = held ? copying.sockets.write(to.fd, held, held.length) : copying.sockets.splice(this.#pipe!.read, to.fd, this.#inPipe);
      if (sent < 0) {
        if (sent === -EAGAIN) to.writable = false;
        return sent;
      }
      this.moves++;
      if (held) this.#held = sent === held.length ? undefined : held.subarray(sent);
      else this.#inPipe -= sent;
    }
    return 0;
  }

  /** Bytes read, 0 at the end, else -errno. Nothing is held before. */
  #read(): number {
    if (this.#score >= STREAM) {
      this.#pipe ??= this.copying.pipes.take();
      if (this.#pipe) return this.#fill(this.#pipe);
    }
    return this.#copy();
  }

  #fill(pipe: Pipe): number {
    const read = this.copying.sockets.splice(this.from.fd, pipe.write, pipe.size);
    if (read <= 0) return read;
    this.moves++;
    this.#inPipe = read;
    this.#judge(read);
    return read;
  }

  #copy(): number {
    const { from, to, copying } = this;
    const { sockets, buffer } = copying;
    const read = sockets.read(from.fd, buffer, COPY_BYTES);
    if (read <= 0) return read;
    this.moves++;
    this.#judge(read);
    // Less than was asked for is all there is, and what comes next is told; but the FIN was told already.
    if (read < COPY_BYTES && !from.finished) from.readable = false;
    const written = sockets.write(to.fd, buffer, read);
    if (written < 0 && written !== -EAGAIN) return written;
    if (written < 0) to.writable = false;
    if (written < read) this.#held = buffer.slice(Math.max(0, written), read);
    return read;
  }

  #judge(read: number): void {
    this.#score = read >= COPY_BYTES ? Math.min(this.#score + 1, MOST_SCORE) : Math.max(this.#score - 1, 0);
  }

  #letGo(): void {
    if (!this.#pipe) return;
    if (this.#inPipe > 0) this.copying.pipes.discard(this.#pipe);
    else this.copying.pipes.give(this.#pipe);
    this.#pipe = undefined;
    this.#inPipe = 0;
  }
}
