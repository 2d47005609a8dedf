/**
 * The name server of every task sandbox: 127.0.0.11 port 53, UDP and TCP, on descriptors that the agent made inside the
 * sandboxes. Sockets and their lives are here; what is answered is the responder's.
 */
import { closeSync, fstatSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { systemClock } from '../../proxy/time/clock.js';
import type { Clock } from '../../proxy/time/clock.js';
import { Forwarder } from './forward.js';
import type { ForwardFunction } from './forward.js';
import { Responder } from './responder.js';
import { StreamConnection } from './stream.js';
import type { DnsView } from './view.js';
import { compileZone } from './zone.js';
import type { Zone } from './zone.js';

/** TCP connections of one sandbox at once; more are closed as they come. Idle ones end by themselves (stream.ts). */
export const MAX_CONNECTIONS = 64;

export interface DnsServerOptions {
  /** Forwards a raw query to the host's resolvers; undefined when none answered. */
  readonly forward: ForwardFunction;
  /** From 0 to below 1; orders the answers. */
  readonly random?: () => number;
  readonly clock?: Clock;
  /** Forwarded queries at once, of all sandboxes together; default 1024. */
  readonly maxForwards?: number;
}

/** Why a sandbox is not being served. */
export class DnsServeError extends Error {
  override readonly name = 'DnsServeError';
}

export class DnsServer {
  readonly #responder: Responder;
  readonly #clock: Clock;
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #counters: SocketCounters = { tcpConnections: 0, tcpConnectionsRefused: 0, socketErrors: 0 };

  constructor(options: DnsServerOptions) {
    this.#responder = new Responder(new Forwarder(options.forward, options.maxForwards), options.random ?? Math.random);
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Serves one task's sandbox. `udpFd` is a bound UDP socket, `tcpFd` a bound TCP socket, listening or not; both are
   * ours from here on, and closed when this rejects with DnsServeError.
   */
  async serve(taskId: string, udpFd: number, tcpFd: number, view: DnsView): Promise<void> {
    if (this.#sandboxes.has(taskId)) {
      closeQuietly(udpFd);
      closeQuietly(tcpFd);
      throw new DnsServeError(`task ${taskId} already has a name server: remove it first`);
    }
    const sandbox = new Sandbox(this.#responder, this.#clock, this.#counters);
    this.#sandboxes.set(taskId, sandbox);
    try {
      await sandbox.open(udpFd, tcpFd, view);
    } catch (error) {
      if (this.#sandboxes.get(taskId) === sandbox) this.#sandboxes.delete(taskId);
      await sandbox.close();
      const cause = error instanceof Error ? error.message : String(error);
      throw new DnsServeError(`the name server of task ${taskId} did not start: ${cause}`, { cause: error });
    }
  }

  /** Decides every query from now on by `view`. A task that is not served is left alone: it may be on its way out. */
  update(taskId: string, view: DnsView): void {
    this.#sandboxes.get(taskId)?.show(view);
  }

  /** Resolves when the sockets are closed, at once when there are none. Answers still awaited are dropped. */
  async remove(taskId: string): Promise<void> {
    const sandbox = this.#sandboxes.get(taskId);
    this.#sandboxes.delete(taskId);
    await sandbox?.close();
  }

  /** Since the start, of all sandboxes, by cause; `forwardsPending` and `sandboxes` are of this moment. */
  counters(): Record<string, number> {
    return { sandboxes: this.#sandboxes.size, ...this.#responder.counters(), ...this.#counters };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sandboxes.keys()].map((taskId) => this.remove(taskId)));
  }
}

interface SocketCounters {
  tcpConnections: number;
  tcpConnectionsRefused: number;
  socketErrors: number;
}

/** The two sockets of one sandbox. */
class Sandbox {
  #zone: Zone = compileZone({ networks: [] });
  readonly #responder: Responder;
  readonly #counters: SocketCounters;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #connections = new Set<Socket>();
  #opened: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(responder: Responder, clock: Clock, counters: SocketCounters) {
    this.#responder = responder;
    this.#counters = counters;

    this.#udp = createSocket('udp4');
    this.#udp.on('message', (message, client) => this.#receive(message, client.port, client.address));
    this.#udp.on('error', () => this.#counters.socketErrors++);

    this.#tcp = createServer({ allowHalfOpen: true }, (socket) => {
      this.#counters.tcpConnections++;
      this.#connections.add(socket);
      socket.on('close', () => this.#connections.delete(socket));
      new StreamConnection(socket, (message) => this.#responder.respond(message, 'tcp', this.#zone), clock);
    });
    this.#tcp.maxConnections = MAX_CONNECTIONS;
    this.#tcp.on('drop', () => this.#counters.tcpConnectionsRefused++);
    this.#tcp.on('error', () => this.#counters.socketErrors++);
  }

  show(view: DnsView): void {
    this.#zone = compileZone(view);
  }

  /** The view is in place before the first query can arrive. */
  open(udpFd: number, tcpFd: number, view: DnsView): Promise<void> {
    this.#opened = this.#open(udpFd, tcpFd, view);
    return this.#opened;
  }

  /** Also while the sockets are being opened: then they are opened first, so that there is something to close. */
  close(): Promise<void> {
    this.#closed ??= this.#opened.catch(() => undefined).then(() => this.#close());
    return this.#closed;
  }

  async #open(udpFd: number, tcpFd: number, view: DnsView): Promise<void> {
    try {
      this.show(view);
      await new Promise<void>((resolve, reject) => {
        this.#udp.once('error', reject);
        this.#udp.bind({ fd: udpFd, exclusive: true }, () => {
          this.#udp.off('error', reject);
          resolve();
        });
      });
    } catch (error) {
      // Node takes a descriptor over only when it has accepted it.
      closeQuietly(udpFd);
      closeQuietly(tcpFd);
      throw error;
    }
    if (!fstatSync(tcpFd).isSocket()) {
      closeQuietly(tcpFd);
      throw new TypeError(`descriptor ${tcpFd} is not a TCP socket`);
    }
    await new Promise<void>((resolve, reject) => {
      this.#tcp.once('error', reject);
      this.#tcp.listen({ fd: tcpFd, exclusive: true }, () => {
        this.#tcp.off('error', reject);
        resolve();
      });
    });
  }

  async #close(): Promise<void> {
    const closing = [
      new Promise<void>((resolve) => this.#udp.close(() => resolve())),
      new Promise<void>((resolve) => this.#tcp.close(() => resolve())),
    ];
    for (const connection of this.#connections) connection.destroy();
    await Promise.all(closing);
  }

  #receive(message: Buffer, port: number, address: string): void {
    const response = this.#responder.respond(message, 'udp', this.#zone);
    if (response instanceof Promise) void response.then((bytes) => this.#send(bytes, port, address));
    else if (response) this.#send(response, port, address);
  }

  /**
   * A client that has gone, or a full socket buffer, is what UDP allows for: the client asks again. Port 0, which a raw
   * socket can send from, is nobody's.
   */
  #send(response: Buffer, port: number, address: string): void {
    if (this.#closed || port === 0) return;
    this.#udp.send(response, port, address, (error) => {
      if (error) this.#counters.socketErrors++;
    });
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // It was no descriptor in the first place, which is the error already being reported.
  }
}
