/**
 * WebSockets: the only import of `ws`. Both ends of an attached session (sessions.ts, client-session.ts) use what is
 * re-exported here; what travels in the messages is frames.ts.
 */
import { connect } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import type { RawData } from 'ws';

export { WebSocket, WebSocketServer };

/** Longest message accepted, in bytes. Data frames are cut to far less (frames.ts). */
export const MAX_MESSAGE = 1024 * 1024;

/** A client on a unix socket. Compression is of no use on one machine. */
export function connectWebSocket(socketPath: string, path: string): WebSocket {
  return new WebSocket(`ws://localhost${path}`, {
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE,
    createConnection: () => connect(socketPath),
  });
}

/** A server that takes sockets from an HTTP server's `upgrade` event. */
export function webSocketServer(): WebSocketServer {
  return new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: MAX_MESSAGE, clientTracking: true });
}

/** A message as one buffer, however the library delivers it. */
export function messageBytes(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}

/** Resolves when the message was handed to the kernel: awaiting it is what keeps a fast writer from filling memory. */
export function send(socket: WebSocket, message: Buffer | string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(message, (error) => (error ? reject(error) : resolve()));
  });
}
