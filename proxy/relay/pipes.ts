/**
 * The pipes through which one thread splices: taken while bytes are on their way and given back empty, so that a few are
 * enough for many connections. Whoever gets none copies.
 */
import type { Pipe, StreamSockets } from './sockets.js';

export class Pipes {
  readonly #idle: Pipe[] = [];
  #count = 0;

  /** @param most pipes at a time: each holds two descriptors, and the memory of all is the user's (pipe(7), pipe-user-pages-soft) */
  constructor(
    private readonly sockets: Pick<StreamSockets, 'makePipe' | 'close'>,
    private readonly most: number,
  ) {}

  take(): Pipe | undefined {
    const idle = this.#idle.pop();
    if (idle || this.#count >= this.most) return idle;
    const made = this.sockets.makePipe();
    if (made) this.#count++;
    return made;
  }

  /** Gives an empty pipe back. */
  give(pipe: Pipe): void {
    this.#idle.push(pipe);
  }

  /** Closes a pipe that has bytes in it, which nobody will read. */
  discard(pipe: Pipe): void {
    this.#count--;
    this.sockets.close(pipe.read);
    this.sockets.close(pipe.write);
  }

  close(): void {
    for (const pipe of this.#idle.splice(0)) this.discard(pipe);
  }
}
