/**
 * One relayed TCP connection: two sockets, the client's and the endpoint's, with every byte of one written to the other.
 *
 *   opening      the client is accepted and not read from; endpoints are tried one after the other, each once
 *   established  both directions are copied; a slow writer pauses the reader, so at most a few buffers are held
 *   closing      one side has sent its FIN and the other was given one; the second direction goes on
 *   closed       both sides are done
 *
 * What happens to one side happens to the other: FIN becomes FIN, reset becomes reset. No endpoint: the client is reset.
 * Silence for longer than the service allows: both are reset.
 * How many connections there may be and where endpoints come from is for others.
 */
import { connect, type Socket } from 'node:net';
import type { EndpointConfig, Timeouts } from '../config/snapshot.js';
import type { FlowState } from '../dataplane/handle.js';
import { formatIpv4 } from '../net/addr.js';
import type { Clock } from '../time/clock.js';
import type { RelayCounter, RelayCounters } from './counters.js';
import { IdleTimer } from './idle-timer.js';
import type { Targets } from './targets.js';

/** Idle milliseconds until TCP asks whether the other side still lives. Finds a dead peer; one that lives may be silent for as long as the service allows. */
export const KEEPALIVE_DELAY = 300_000;

/** Errors of connect(2) that the endpoint, or the way to it, is to blame for; others are this host's own. */
const ENDPOINT_ERRORS = new Set(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);

export interface ConnectionContext {
  readonly targets: Targets;
  readonly targetPort: number;
  readonly connectTimeout: number;
  readonly clock: Clock;
  readonly counters: RelayCounters;
  /** The service's, as they are now. */
  readonly timeouts: () => Timeouts;
  /**
   * Whether the kernel has an error for the socket that nobody was told of. Asked when a stream ends, because libuv reports
   * end of file for a reset that finds data still unread (uv__stream_io, "short-circuit iff POLLHUP").
   */
  readonly wasReset: (socket: Socket) => boolean;
}

export class TcpConnection {
  readonly clientAddress: string;
  readonly clientPort: number;
  readonly openedAt: number;
  #state: FlowState = 'opening';
  #isOver = false;
  #lastByte: number;
  #endpoint: EndpointConfig | undefined;
  /** Where the flow is counted, while it is. */
  #row: number | undefined;
  #endpointSocket: Socket | undefined;
  #abandonAttempt: (() => void) | undefined;
  readonly #tried = new Set<string>();
  readonly #idle: IdleTimer;

  /** `client` is paused. `onClosed` is called once, when nothing of the connection is left. */
  constructor(
    private readonly client: Socket,
    private readonly context: ConnectionContext,
    private readonly onClosed: (connection: TcpConnection) => void,
  ) {
    this.clientAddress = client.remoteAddress ?? '';
    this.clientPort = client.remotePort ?? 0;
    this.openedAt = this.#lastByte = context.clock.now();
    this.#idle = new IdleTimer(context.clock, { lastSeen: () => this.#lastByte, timeout: () => this.#timeout(), end: () => this.#expire() });
    client.on('error', () => this.#resetByPeer());
    client.on('close', () => this.#sideClosed());
    this.#tryNext();
  }

  get state(): FlowState {
    return this.#state;
  }

  /** Where it goes, or is trying to go. */
  get endpoint(): EndpointConfig | undefined {
    return this.#endpoint;
  }

  /** Payload bytes from the client. */
  get bytesIn(): number {
    return this.client.bytesRead;
  }

  /** Payload bytes toward the client. */
  get bytesOut(): number {
    return this.#endpointSocket?.bytesRead ?? 0;
  }

  get lastByteAt(): number {
    return this.#lastByte;
  }

  /** The endpoints changed: one that is gone takes its connections with it; an attempt goes on with the next endpoint. */
  endpointsChanged(): void {
    if (!this.#endpoint || this.context.targets.lives(this.#endpoint)) return;
    if (this.#state === 'opening') {
      this.#abandonAttempt?.();
      this.#tryNext();
      return;
    }
    this.context.counters.count('relay_tcp_endpoint_gone');
    this.reset();
  }

  timeoutsChanged(): void {
    if (this.#state !== 'closed') this.#idle.reset();
  }

  /**
   * To be called now and then. The event loop does not watch a socket that is not being read (paused, or after its FIN), so
   * a reset or a keepalive that failed is found by asking.
   */
  checkPeers(): void {
    const unread = [this.client, this.#endpointSocket].filter((socket) => socket && (socket.readableEnded || socket.isPaused()));
    if (this.#state !== 'opening' && unread.some((socket) => socket && this.context.wasReset(socket))) this.#resetByPeer();
  }

  /** Resets both sides. */
  reset(): void {
    this.#state = 'closed';
    this.#idle.cancel();
    this.#abandonAttempt?.();
    resetSocket(this.client);
    if (this.#endpointSocket) resetSocket(this.#endpointSocket);
  }

  #tryNext(): void {
    const { targets, counters } = this.context;
    this.#endpoint = this.#endpoint
      ? targets.next(this.#endpoint, this.#tried)
      : targets.pick(this.clientAddress, this.clientPort);
    if (!this.#endpoint) {
      counters.count(this.#tried.size === 0 ? 'relay_tcp_refused_no_endpoint' : 'relay_tcp_refused_unreachable');
      this.reset();
      return;
    }
    this.#tried.add(this.#endpoint.id);
    this.#attempt(this.#endpoint);
  }

  #attempt(endpoint: EndpointConfig): void {
    const { targets, counters } = this.context;
    this.#row = targets.opened(endpoint);
    const socket = connect({
      host: formatIpv4(endpoint.address),
      port: this.context.targetPort,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_DELAY,
    });
    const settle = (): void => {
      this.#abandonAttempt = undefined;
      cancelTimer();
      socket.off('error', onError).off('connect', onConnect);
    };
    const abandon = (): void => {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      this.#uncount();
    };
    const fail = (cause: RelayCounter, isEndpoints: boolean): void => {
      abandon();
      counters.count(cause);
      if (isEndpoints && targets.failed(endpoint)) counters.count('relay_tcp_ejections');
      this.#tryNext();
    };
    const onError = (error: NodeJS.ErrnoException): void => {
      const isFull = error.code === 'EMFILE' || error.code === 'ENFILE';
      fail(isFull ? 'relay_tcp_no_descriptor' : 'relay_tcp_connect_failures', ENDPOINT_ERRORS.has(error.code ?? ''));
    };
    const onConnect = (): void => {
      settle();
      targets.succeeded(endpoint);
      this.#join(socket);
    };
    const cancelTimer = this.context.clock.after(this.context.connectTimeout, () => fail('relay_tcp_connect_timeouts', true));
    this.#abandonAttempt = abandon;
    socket.on('error', onError).on('connect', onConnect);
  }

  #join(socket: Socket): void {
    this.#state = 'established';
    this.#lastByte = this.context.clock.now();
    this.#endpointSocket = socket;
    this.#idle.reset();
    socket.on('error', () => this.#resetByPeer());
    socket.on('close', () => this.#sideClosed());
    this.#copy(this.client, socket);
    this.#copy(socket, this.client);
    this.client.resume();
  }

  #copy(from: Socket, to: Socket): void {
    from.on('data', (chunk: Buffer) => {
      this.#lastByte = this.context.clock.now();
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => {
      // Who reads slowly is not silent.
      this.#lastByte = this.context.clock.now();
      from.resume();
    });
    from.on('end', () => {
      if (this.context.wasReset(from)) {
        this.#resetByPeer();
        return;
      }
      this.#lastByte = this.context.clock.now();
      this.#state = 'closing';
      to.end();
    });
  }

  /**
   * Half-closed counts as established: the open half may be silent for long. After both FINs what little is unread has that
   * time too; the rest of closing is the kernel's.
   */
  #timeout(): number {
    const { established, transitory } = this.context.timeouts();
    return (this.#state === 'opening' ? transitory : established) * 1000;
  }

  #expire(): void {
    this.context.counters.count('relay_tcp_expired');
    this.reset();
  }

  #resetByPeer(): void {
    if (this.#state === 'closed') return;
    this.context.counters.count('relay_tcp_resets');
    this.reset();
  }

  #sideClosed(): void {
    if (this.#isOver || !this.client.destroyed || this.#endpointSocket?.destroyed === false) return;
    this.#isOver = true;
    this.#state = 'closed';
    this.#idle.cancel();
    this.#uncount();
    this.onClosed(this);
  }

  #uncount(): void {
    if (this.#row !== undefined) this.context.targets.closed(this.#row);
    this.#row = undefined;
  }
}

/** Closes with a reset, also when a FIN is on its way. */
function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.writableEnded && !socket.writableFinished && socket.writableLength === 0) {
    // shutdown(2) is due in this turn of the loop, and libuv refuses a reset until it is done (uv_tcp_close_reset).
    socket.once('finish', () => resetSocket(socket));
    return;
  }
  socket.resetAndDestroy();
}
