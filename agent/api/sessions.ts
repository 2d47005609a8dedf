/**
 * The agent's end of an attached process: one WebSocket, one process. It moves bytes and nothing else; the process is
 * started and ended by the Control behind the API.
 *
 * A client that goes away hangs up: the process gets SIGHUP, as from a lost terminal, and SIGKILL when it is still there
 * after HANGUP_GRACE.
 */
import type { Clock } from '../../proxy/time/clock.js';
import type { ExecSession } from '../control.js';
import { failureOf, RequestError } from './errors.js';
import { chunks, dataFrame, parseClientMessage, parseDataFrame, STDERR, STDIN, STDOUT, WINDOW } from './frames.js';
import type { Channel, ClientMessage, ServerMessage } from './frames.js';
import { messageBytes, send } from './websocket.js';
import type { WebSocket } from './websocket.js';

/** Milliseconds between SIGHUP and SIGKILL. */
export const HANGUP_GRACE = 5000;

/** Starts what the client's `start` message asks for. Rejects as a Control method does. */
export type StartSession = (request: unknown) => Promise<ExecSession>;

/** Resolves when the session and its socket have ended. Never rejects: a failure is told to the client. */
export async function serveSession(socket: WebSocket, start: StartSession, clock: Clock): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => socket.terminate());
  try {
    await new Session(socket, start, clock).run();
    socket.close(1000);
  } catch (error) {
    await tell(socket, { type: 'error', error: failureOf(error).error });
    socket.close(1011);
  }
  await closed;
}

async function tell(socket: WebSocket, message: ServerMessage): Promise<void> {
  await send(socket, JSON.stringify(message)).catch(() => undefined);
}

class Session {
  #process: ExecSession | undefined;
  #gone = false;
  /** Stdin bytes received and not yet taken by the process. */
  #pending = 0;
  #started = false;
  /** Rejects when the client breaks the protocol; otherwise never settles. */
  readonly #broken: Promise<never>;
  #break: (error: Error) => void = () => undefined;
  #request: (request: unknown) => void = () => undefined;
  readonly #requested: Promise<unknown>;
  readonly #left: Promise<void>;
  #queued: ClientMessage[] = [];

  constructor(
    readonly socket: WebSocket,
    readonly start: StartSession,
    readonly clock: Clock,
  ) {
    this.#broken = new Promise((_, reject) => (this.#break = reject));
    this.#broken.catch(() => undefined);
    this.#requested = new Promise((resolve) => (this.#request = resolve));
    this.#left = new Promise((resolve) => socket.once('close', resolve));
    socket.on('message', (data, isBinary) => this.#receive(messageBytes(data), isBinary));
  }

  async run(): Promise<void> {
    const request = await Promise.race([this.#requested, this.#broken, this.#left.then(() => undefined)]);
    if (request === undefined) return;
    const process = await this.start(request);
    this.#process = process;
    process.stdin?.on('error', () => undefined); // the process closed its input: it loses what was on the way, as in a pipe
    const hangUp = this.#hangUpWhenGone(process);
    try {
      await tell(this.socket, { type: 'started', taskId: process.taskId });
      for (const message of this.#queued.splice(0)) this.#obey(process, message);
      const finished = Promise.all([this.#pump(process.stdout, STDOUT), this.#pump(process.stderr, STDERR), process.exited]);
      const [, , code] = await Promise.race([finished, this.#broken]).catch((error: unknown) => this.#abandon(process, finished, error));
      await tell(this.socket, { type: 'exit', code });
    } finally {
      hangUp.cancel();
    }
  }

  #receive(bytes: Buffer, isBinary: boolean): void {
    try {
      if (isBinary) this.#receiveData(bytes);
      else this.#receiveMessage(parseClientMessage(bytes.toString()));
    } catch (error) {
      this.#break(error as Error);
    }
  }

  #receiveMessage(message: ClientMessage): void {
    if (message.type === 'start') {
      if (this.#started) throw new RequestError('a session starts once');
      this.#started = true;
      this.#request(message.request ?? {});
    } else if (this.#process) this.#obey(this.#process, message);
    else this.#queued.push(message);
    if (this.#queued.length > 64) throw new RequestError('too many messages before the process has started');
  }

  #obey(process: ExecSession, message: ClientMessage): void {
    if (message.type === 'resize') process.resize(message.size);
    else if (message.type === 'signal') process.kill(message.signal);
    else if (message.type === 'stdin-end') process.stdin?.end();
  }

  #receiveData(frame: Buffer): void {
    const { channel, bytes } = parseDataFrame(frame);
    const process = this.#process;
    if (channel !== STDIN || !process?.stdin) throw new RequestError('data on a channel that is not open');
    this.#pending += bytes.length;
    if (this.#pending > WINDOW) throw new RequestError(`more than ${WINDOW} bytes of stdin are under way`);
    // Also after an error: a writer that waits for a window must not wait for ever.
    process.stdin.write(bytes, () => {
      this.#pending -= bytes.length;
      void tell(this.socket, { type: 'consumed', bytes: bytes.length });
    });
  }

  /** Once the client is gone the rest is read and thrown away, so that the process can end. */
  async #pump(stream: NodeJS.ReadableStream | undefined, channel: Channel): Promise<void> {
    if (!stream) return;
    for await (const chunk of stream) {
      if (this.#gone) continue;
      for (const piece of chunks(Buffer.from(chunk))) {
        await send(this.socket, dataFrame(channel, piece)).catch(() => (this.#gone = true));
      }
    }
  }

  #hangUpWhenGone(process: ExecSession): { cancel(): void } {
    let cancelKill: (() => void) | undefined;
    let over = false;
    void this.#left.then(() => {
      this.#gone = true;
      if (over) return;
      process.kill('SIGHUP');
      cancelKill = this.clock.after(HANGUP_GRACE, () => process.kill('SIGKILL'));
    });
    return {
      cancel: () => {
        over = true;
        cancelKill?.();
      },
    };
  }

  async #abandon(process: ExecSession, finished: Promise<unknown>, error: unknown): Promise<never> {
    this.#gone = true;
    process.kill('SIGKILL');
    await finished.catch(() => undefined);
    throw error;
  }
}
