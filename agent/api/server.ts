/**
 * The agent's API on a unix socket: HTTP for requests, WebSockets for attached processes. The only import of fastify.
 * What each route does is in routes.ts; this file owns the socket file, errors, and the way out.
 *
 * Who may open the socket may run commands as the agent: its mode is 0660 from the moment it exists.
 */
import { lstat, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { fastify } from 'fastify';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { systemClock } from '../../proxy/time/clock.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { Control } from '../control.js';
import type { Logger } from '../log.js';
import { failureOf } from './errors.js';
import { addRoutes, sessionRoute } from './routes.js';
import { serveSession } from './sessions.js';
import { webSocketServer } from './websocket.js';
import type { WebSocketServer } from './websocket.js';

/** Longest request body, in bytes: a stack of many services fits many times over. */
const BODY_LIMIT = 4 * 1024 * 1024;

/** What the store has, or had when it was last in reach. */
const LISTED = /^\/v1\/(networks|services|tasks|stacks|nodes)\b/;

/** The socket path cannot be used; the message says by what it is taken. */
export class SocketError extends Error {
  override readonly name = 'SocketError';
}

/** What routes.ts is written against. */
export type App = FastifyInstance;
export type Reply = FastifyReply;

export interface ApiOptions {
  readonly control: Control;
  readonly socketPath: string;
  readonly log?: Pick<Logger, 'error'>;
  readonly clock?: Clock;
  /** Milliseconds since what is listed was current; undefined: it is. */
  readonly age?: () => number | undefined;
}

export interface ApiServer {
  /** Ends every request and session and removes the socket. Idempotent. */
  close(): Promise<void>;
}

/** Rejects with SocketError when something answers on the path already, or when what is there is not a socket. */
export async function serveApi(options: ApiOptions): Promise<ApiServer> {
  const { control, socketPath, log, clock = systemClock, age = () => undefined } = options;
  await removeStaleSocket(socketPath);
  const app = fastify({ bodyLimit: BODY_LIMIT, logger: false, forceCloseConnections: true, return503OnClosing: false });
  const closing = new AbortController();
  app.setErrorHandler((error, request, reply) => {
    const { status, error: body } = failureOf(error, request.url);
    if (status === 500) log?.error('request failed', { err: error, method: request.method, url: request.url });
    return reply.status(status).send({ error: body });
  });
  app.setNotFoundHandler((request, reply) =>
    reply.status(404).send({ error: { code: 'not-found', message: `no such request: ${request.method} ${request.url}` } }),
  );
  app.addHook('onSend', async (request, reply) => {
    const milliseconds = request.method === 'GET' && LISTED.test(request.url) ? age() : undefined;
    // RFC 9111 §5.1.
    if (milliseconds !== undefined) void reply.header('age', String(Math.floor(milliseconds / 1000)));
  });
  addRoutes(app, control, closing.signal, (error) => log?.error('shutdown failed', { err: error }));
  await app.ready();
  const sockets = webSocketServer();
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgrade(sockets, control, clock, request, socket, head);
  });
  await listenPrivately(app.server, socketPath);
  let closed: Promise<void> | undefined;
  return {
    close: () => (closed ??= close(app, sockets, closing)),
  };
}

function upgrade(sockets: WebSocketServer, control: Control, clock: Clock, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.on('error', () => socket.destroy());
  const start = sessionRoute(control, request.url ?? '');
  if (!start) {
    socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    return;
  }
  sockets.handleUpgrade(request, socket, head, (webSocket) => void serveSession(webSocket, start, clock));
}

async function close(app: App, sockets: WebSocketServer, closing: AbortController): Promise<void> {
  closing.abort();
  const ended = new Promise<void>((resolve) => app.server.close(() => resolve())); // removes the socket file as well
  for (const socket of sockets.clients) socket.terminate();
  // A reply that is on its way (that of `down` itself) is let out first.
  app.server.closeIdleConnections();
  const late = setTimeout(() => app.server.closeAllConnections(), 1000);
  await ended;
  clearTimeout(late);
  await app.close();
}

/** bind(2) makes the socket file with the process's umask, synchronously within listen(): there is no moment with another mode. */
async function listenPrivately(server: Server, path: string): Promise<void> {
  const listening = once(server, 'listening');
  const umask = process.umask(0o117);
  try {
    server.listen(path);
  } finally {
    process.umask(umask);
  }
  await listening;
}

async function removeStaleSocket(path: string): Promise<void> {
  const status = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!status) return;
  if (!status.isSocket()) throw new SocketError(`${path} is in the way and is not a socket: remove it`);
  if (await answers(path)) throw new SocketError(`another agent answers on ${path}: stop it, or give this one its own --state-dir`);
  await rm(path, { force: true });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
