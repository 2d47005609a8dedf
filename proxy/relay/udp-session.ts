/**
 * One client of a published UDP port: a socket of its own toward an endpoint, so that replies find their way back.
 * The endpoint is chosen at the first datagram, and again at the next one after it refused or went away.
 */
import { createSocket, type Socket } from 'node:dgram';
import type { EndpointConfig } from '../config/snapshot.js';
import { formatIpv4 } from '../net/addr.js';
import type { RelayCounters } from './counters.js';
import type { Targets } from './targets.js';

/** Datagrams kept while the socket is made, which takes one turn of the loop. */
const MAX_WAITING = 64;
/** Bytes that may wait in Node for room in the kernel's send buffer. */
export const MAX_SEND_QUEUE = 4 * 1024 * 1024;

/** Every address here is a literal: nothing to look up, and no thread pool to ask. */
export const literalLookup = (
  address: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void => callback(null, address, address.includes(':') ? 6 : 4);

export interface SessionContext {
  readonly targets: Targets;
  readonly targetPort: number;
  readonly counters: RelayCounters;
  /** Called for every datagram in either direction. */
  readonly touch: (session: UdpSession) => void;
  /** Sends to the session's client from the published socket. */
  readonly reply: (session: UdpSession, data: Buffer) => void;
}

export class UdpSession {
  #endpoint: EndpointConfig | undefined;
  /** Where the session is counted, while it has an endpoint. */
  #row: number | undefined;
  #socket: Socket | undefined;
  /** Filled until the socket is connected, undefined afterwards. */
  #waiting: Buffer[] | undefined;
  bytesIn = 0;
  bytesOut = 0;
  lastDatagramAt: number;

  constructor(
    readonly clientAddress: string,
    readonly clientPort: number,
    private readonly context: SessionContext,
    readonly openedAt: number,
  ) {
    this.lastDatagramAt = openedAt;
  }

  get endpoint(): EndpointConfig | undefined {
    return this.#endpoint;
  }

  /** Passes a datagram on. False when no endpoint takes it: it is dropped. */
  fromClient(data: Buffer): boolean {
    this.context.touch(this);
    if (!this.#socket) {
      this.#endpoint = this.context.targets.pick(this.clientAddress, this.clientPort);
      if (!this.#endpoint) {
        this.context.counters.count('relay_udp_dropped_no_endpoint');
        return false;
      }
      this.#open(this.#endpoint);
    }
    if (!this.#waiting) this.#send(data);
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(data);
    else this.context.counters.count('relay_udp_dropped_queue');
    return true;
  }

  endpointsChanged(): void {
    if (!this.#endpoint || this.context.targets.lives(this.#endpoint)) return;
    this.context.counters.count('relay_udp_endpoint_gone');
    this.close();
  }

  /** Lets go of the endpoint. The next datagram chooses one anew. */
  close(): void {
    const socket = this.#socket;
    if (this.#row !== undefined) this.context.targets.closed(this.#row);
    this.#row = undefined;
    this.#endpoint = this.#socket = this.#waiting = undefined;
    socket?.removeAllListeners().on('error', () => undefined).close();
  }

  #open(endpoint: EndpointConfig): void {
    const socket = createSocket({ type: 'udp4', lookup: literalLookup });
    this.#socket = socket;
    this.#row = this.context.targets.opened(endpoint);
    this.#waiting = [];
    socket.on('message', (data) => {
      this.context.touch(this);
      this.bytesOut += data.length;
      this.context.reply(this, data);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => this.#failed(socket, error));
    socket.on('connect', () => {
      const waiting = this.#waiting ?? [];
      this.#waiting = undefined;
      for (const data of waiting) this.#send(data);
    });
    socket.connect(this.context.targetPort, formatIpv4(endpoint.address));
  }

  #send(data: Buffer): void {
    const socket = this.#socket;
    // An earlier datagram of the same burst may have found the endpoint gone.
    if (!socket || socket.getSendQueueSize() > MAX_SEND_QUEUE) {
      this.context.counters.count('relay_udp_dropped_queue');
      return;
    }
    this.bytesIn += data.length;
    socket.send(data, (error: NodeJS.ErrnoException | null) => {
      if (!error) this.context.counters.count('relay_udp_datagrams_in');
      else this.#failed(socket, error);
    });
  }

  #failed(socket: Socket, error: NodeJS.ErrnoException): void {
    // ICMP port unreachable, see udp(7): it is about an earlier datagram, and the endpoint may be back by the next one.
    const refused = error.code === 'ECONNREFUSED';
    this.context.counters.count(refused ? 'relay_udp_refused' : 'relay_udp_dropped_error');
    // A datagram that cannot be sent (EMSGSIZE, …) says nothing about the endpoint.
    const fatal = refused || error.syscall === 'connect' || error.syscall === 'bind';
    if (fatal && socket === this.#socket) this.close();
  }
}
