/**
 * One DNS query to one resolver, over UDP or TCP: the answer, or undefined after silence, an error or an abort. Never
 * rejects. Whether a message is the answer is the caller's to say.
 */
import { createSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { connect, Socket } from 'node:net';
import { beginConnect } from '../../kernel/netns/sockets.js';

export interface AttemptOptions {
  readonly address: string;
  readonly port: number;
  /** An unbound socket to ask with, closed afterwards; undefined: a new one of this process's namespace. */
  readonly fd: number | undefined;
  readonly query: Buffer;
  readonly isAnswer: (message: Buffer) => boolean;
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

export type Attempt = (options: AttemptOptions) => Promise<Buffer | undefined>;

export const tryUdp: Attempt = (options) =>
  settled(options, (finish) => {
    const socket = createSocket(options.address.includes(':') ? 'udp6' : 'udp4');
    let open = true;
    // A resolver that is not there shows as ECONNREFUSED, at once.
    socket.on('error', () => finish());
    socket.on('message', (message) => {
      // Anything else is stray or forged: the true answer may still come (RFC 5452 section 9.1).
      if (options.isAnswer(message)) finish(message);
    });
    // Not as connect()'s callback: that is called with the error of a failed connect too (no route), and no 'error' comes then.
    socket.once('connect', () => {
      if (open) socket.send(options.query, (error) => error && finish());
    });
    if (options.fd !== undefined) socket.bind({ fd: options.fd });
    socket.connect(options.port, options.address);
    return () => {
      open = false;
      socket.close();
    };
  });

export const tryTcp: Attempt = (options) =>
  settled(options, (finish) => {
    const socket = connectionOf(options);
    let received: Buffer = Buffer.alloc(0);
    socket.on('error', () => finish());
    socket.on('end', () => finish());
    // RFC 1035 section 4.2.2: two bytes of length before each message. It goes out as soon as there is a connection.
    const length = Buffer.alloc(2);
    length.writeUInt16BE(options.query.length);
    socket.write(Buffer.concat([length, options.query]));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2) return;
      const end = 2 + received.readUInt16BE(0);
      if (received.length < end) return;
      const message = received.subarray(2, end);
      finish(options.isAnswer(message) ? Buffer.from(message) : undefined);
    });
    return () => void socket.destroy();
  });

function connectionOf({ fd, address, port }: AttemptOptions): Socket {
  if (fd === undefined) return connect({ host: address, port, noDelay: true });
  // Node connects none that it has not made itself; one that is about to be connected is to it a slow one.
  beginConnect(fd, address, port);
  return new Socket({ fd });
}

/** Runs `start` until it calls `finish`, time is up or the signal comes, then what `start` returned to clean up. */
function settled(options: AttemptOptions, start: (finish: (answer?: Buffer) => void) => () => void): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    let cleanUp = (): void => undefined;
    let over = false;
    const finish = (answer?: Buffer): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      options.signal.removeEventListener('abort', onAbort);
      cleanUp();
      resolve(answer);
    };
    const onAbort = (): void => finish();
    const timer = setTimeout(finish, options.timeout);
    options.signal.addEventListener('abort', onAbort);
    try {
      cleanUp = start(finish);
    } catch {
      // No route to it: nothing has the socket yet.
      if (options.fd !== undefined) closeSync(options.fd);
      finish();
    }
    if (over) cleanUp();
  });
}
