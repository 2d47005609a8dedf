/**
 * The client's end of an attached process: a WebSocket seen as an ExecSession. See frames.ts for what travels, and why
 * stdin has a window.
 */
import { Readable, Writable } from 'node:stream';
import type { ExecRequest, ExecSession, TerminalSize } from '../control.js';
import { ClientError, clientErrorOf, connectionError, lostConnection } from './client-error.js';
import type { Target } from './client-error.js';
import { chunks, dataFrame, parseDataFrame, parseServerMessage, STDERR, STDIN, STDOUT, WINDOW } from './frames.js';
import type { ClientMessage, ServerMessage } from './frames.js';
import { connectWebSocket, messageBytes, send } from './websocket.js';
import type { WebSocket } from './websocket.js';

/** Resolves when the process runs. Rejects with ClientError. */
export function openSession(target: Target, path: string, request: ExecRequest): Promise<ExecSession> {
  return new ClientSession(connectWebSocket(target.socket, path), target, request).opened;
}

class ClientSession implements ExecSession {
  readonly opened: Promise<ExecSession>;
  readonly exited: Promise<number>;
  readonly stdin: Writable | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable | undefined;
  taskId = '';
  readonly #socket: WebSocket;
  #window = WINDOW;
  #windowOpened: () => void = () => undefined;
  #resolveOpened: (session: ExecSession) => void = () => undefined;
  #rejectOpened: (error: Error) => void = () => undefined;
  #resolveExited: (code: number) => void = () => undefined;
  #rejectExited: (error: Error) => void = () => undefined;
  #failure: Error | undefined;

  constructor(socket: WebSocket, target: Target, request: ExecRequest) {
    this.#socket = socket;
    this.opened = new Promise((resolve, reject) => {
      this.#resolveOpened = resolve;
      this.#rejectOpened = reject;
    });
    this.exited = new Promise((resolve, reject) => {
      this.#resolveExited = resolve;
      this.#rejectExited = reject;
    });
    this.exited.catch(() => undefined); // whoever awaits it sees it; a session that never opened has told already
    this.stdout = this.#output();
    this.stderr = request.terminal ? undefined : this.#output();
    this.stdin = request.stdin ? this.#input() : undefined;
    socket.on('open', () => this.#tell({ type: 'start', request }));
    socket.on('message', (data, isBinary) => this.#receive(messageBytes(data), isBinary));
    let connected = false;
    socket.on('open', () => (connected = true));
    // Of a connection that breaks, 'close' tells; it follows every error.
    socket.on('error', (error) => {
      if (!connected) this.#fail(connectionError(error, target));
    });
    socket.on('close', () => {
      if (!this.#failure) void lostConnection('the process', target).then((error) => this.#fail(error));
    });
  }

  resize(size: TerminalSize): void {
    this.#tell({ type: 'resize', size });
  }

  kill(signal: NodeJS.Signals): void {
    this.#tell({ type: 'signal', signal });
  }

  #tell(message: ClientMessage): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Reading either stream lets the socket flow; a full one stops it. */
  #output(): Readable {
    return new Readable({ read: () => this.#socket.resume() });
  }

  #input(): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => void this.#write(chunk).then(() => done(), done),
      final: (done) => {
        this.#tell({ type: 'stdin-end' });
        done();
      },
    });
  }

  async #write(bytes: Buffer): Promise<void> {
    for (const piece of chunks(bytes)) {
      while (this.#window < piece.length) await new Promise<void>((resolve) => (this.#windowOpened = resolve));
      if (this.#socket.readyState !== this.#socket.OPEN) return; // the process is gone; its exit says the rest
      this.#window -= piece.length;
      await send(this.#socket, dataFrame(STDIN, piece)).catch(() => undefined);
    }
  }

  #receive(bytes: Buffer, isBinary: boolean): void {
    try {
      if (isBinary) this.#receiveData(bytes);
      else this.#receiveMessage(parseServerMessage(bytes.toString()));
    } catch (error) {
      this.#fail(new ClientError('protocol', `the agent's answer makes no sense (${(error as Error).message}): is it of the same version?`));
    }
  }

  #receiveData(frame: Buffer): void {
    const { channel, bytes } = parseDataFrame(frame);
    const stream = channel === STDOUT ? this.stdout : channel === STDERR ? this.stderr : undefined;
    if (stream && !stream.push(bytes)) this.#socket.pause();
  }

  #receiveMessage(message: ServerMessage): void {
    if (message.type === 'started') {
      this.taskId = message.taskId;
      this.#resolveOpened(this);
    } else if (message.type === 'consumed') {
      this.#window += message.bytes;
      this.#windowOpened();
    } else if (message.type === 'error') this.#fail(clientErrorOf(message));
    else void this.#end(message.code);
  }

  /** The code is known when all output was read, as the contract has it. */
  async #end(code: number): Promise<void> {
    this.#failure = new ClientError('unavailable', 'the session has ended');
    const streams = [this.stdout, this.stderr].filter((stream) => stream !== undefined);
    const ended = streams.map((stream) => new Promise<void>((resolve) => (stream.closed ? resolve() : stream.once('close', resolve))));
    for (const stream of streams) stream.push(null);
    this.#openWindow();
    await Promise.all(ended);
    this.#resolveExited(code);
  }

  #fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#rejectOpened(error);
    this.#rejectExited(error);
    this.stdout.push(null);
    this.stderr?.push(null);
    this.#openWindow();
    this.#socket.terminate();
  }

  /** Lets a writer that waits see that there is no one to write to. */
  #openWindow(): void {
    this.#window = Number.MAX_SAFE_INTEGER;
    this.#windowOpened();
  }
}
