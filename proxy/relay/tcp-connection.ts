/**
 * One relayed TCP connection: two sockets, the client's and the endpoint's, with every byte of one written to the other.
 *
 *   opening      the client is accepted and not read from; endpoints are tried one after the other, each once
 *   established  both directions are copied (direction.ts); what one side does not take is not read from the other. Where the service
 *                asks for it, the endpoint gets a header first that names the client, also when the client says nothing
 *   closing      one side has sent its FIN and the other was given one; the second direction goes on
 *   closed       both sides are done
 *
 * What happens to one side happens to the other: FIN becomes FIN, reset becomes reset. No endpoint: the client is reset.
 * Silence for longer than the service allows: both are reset.
 * How many connections there may be and where endpoints come from is for others.
 */
import type { EndpointConfig, Timeouts } from '../config/snapshot.js';
import type { FlowState } from '../dataplane/handle.js';
import type { Clock } from '../time/clock.js';
import type { RelayCounter, RelayCounters } from './counters.js';
import { Direction, type Copying, type Side } from './direction.js';
import { IdleTimer } from './idle-timer.js';
import type { Loop, Worker } from './loop.js';
import { proxyHeader, type Address } from './proxy-protocol.js';
import { ECONNREFUSED, ECONNRESET, EHOSTUNREACH, EMFILE, ENETUNREACH, ENFILE, ETIMEDOUT, Ready, type StreamSockets } from './sockets.js';
import type { Targets } from './targets.js';

/** Errors of connect(2) that the endpoint, or the way to it, is to blame for; others are this host's own. */
const ENDPOINT_ERRORS = new Set([ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH]);

export interface ConnectionContext {
  readonly sockets: StreamSockets;
  readonly loop: Loop;
  readonly copying: Copying;
  readonly targets: Targets;
  readonly targetPort: number;
  readonly proxyProtocol: 'v2' | undefined;
  readonly connectTimeout: number;
  readonly clock: Clock;
  readonly counters: RelayCounters;
  /** The service's, as they are now. */
  readonly timeouts: () => Timeouts;
}

/** A side, and the number by which the loop knows it. */
interface Socket extends Side {
  token: number;
}

export class TcpConnection implements Worker {
  readonly openedAt: number;
  /** Asked at once: of a client that has gone the system tells nothing any more. */
  readonly #header: Uint8Array | undefined;
  readonly #client: Socket;
  #server: Socket | undefined;
  #up: Direction | undefined;
  #down: Direction | undefined;
  #moves = 0;
  #state: FlowState = 'opening';
  #lastByte: number;
  #endpoint: EndpointConfig | undefined;
  /** Where the flow is counted, while it is. */
  #row: number | undefined;
  #cancelTimeout: () => void = () => undefined;
  #tried: Set<string> | undefined;
  readonly #idle: IdleTimer;

  /** `fd` is the client's, owned from here on. Nothing happens before begin(). `onClosed` is called once, when nothing of the connection is left. */
  constructor(
    fd: number,
    readonly client: Address,
    private readonly context: ConnectionContext,
    private readonly onClosed: (connection: TcpConnection) => void,
  ) {
    this.#client = { fd, token: -1, readable: true, writable: true, finished: false };
    this.#header = context.proxyProtocol && proxyHeader(client, context.sockets.local(fd) ?? { address: '', port: 0 });
    this.openedAt = this.#lastByte = context.clock.now();
    this.#idle = new IdleTimer(context.clock, { lastSeen: () => this.#lastByte, timeout: () => this.#timeout(), end: () => this.#expire() });
  }

  begin(): void {
    const { loop } = this.context;
    const token = loop.watch(this.#client.fd, { ready: (events) => this.#clientReady(events) });
    if (token < 0) {
      this.reset();
      return;
    }
    this.#client.token = token;
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
    return this.#up?.bytes ?? 0;
  }

  /** Payload bytes toward the client. */
  get bytesOut(): number {
    return this.#down?.bytes ?? 0;
  }

  get lastByteAt(): number {
    return this.#lastByte;
  }

  /** The endpoints changed: one that is gone takes its connections with it; an attempt goes on with the next endpoint. */
  endpointsChanged(): void {
    if (!this.#endpoint || this.context.targets.lives(this.#endpoint)) return;
    if (this.#state === 'opening') {
      this.#abandonAttempt();
      this.#tryNext();
      return;
    }
    this.context.counters.count('relay_tcp_endpoint_gone');
    this.reset();
  }

  timeoutsChanged(): void {
    if (this.#state !== 'closed') this.#idle.reset();
  }

  /** Resets both sides. */
  reset(): void {
    if (this.#state !== 'closed') this.#close((fd) => this.context.sockets.reset(fd));
  }

  /** Moves what can be moved. */
  work(): void {
    const [up, down] = [this.#up, this.#down];
    if (!up || !down || this.#state === 'closed') return;
    const [first, second] = [up.pump(down.isDone), down.pump(up.isDone)];
    if (first === 'broken' || second === 'broken') {
      this.#resetByPeer();
      return;
    }
    const moves = up.moves + down.moves;
    if (moves !== this.#moves) this.#lastByte = this.context.clock.now();
    this.#moves = moves;
    if (up.isDone && down.isDone) {
      // Both FINs are on their way and nothing is unread: the rest is the kernel's.
      this.#close((fd) => this.context.sockets.close(fd));
      return;
    }
    if (this.#state === 'established' && (up.ended || down.ended)) {
      this.#state = 'closing';
      this.#lastByte = this.context.clock.now();
    }
    if (first === 'more' || second === 'more') this.context.loop.ask(this);
  }

  #tryNext(): void {
    const { targets, counters, sockets, loop } = this.context;
    for (;;) {
      this.#endpoint = this.#endpoint ? targets.next(this.#endpoint, (this.#tried ??= new Set())) : targets.pick(this.client.address, this.client.port);
      const endpoint = this.#endpoint;
      if (!endpoint) {
        counters.count(this.#tried === undefined ? 'relay_tcp_refused_no_endpoint' : 'relay_tcp_refused_unreachable');
        this.reset();
        return;
      }
      (this.#tried ??= new Set()).add(endpoint.id);
      const fd = sockets.connect(endpoint.address, this.context.targetPort);
      const server: Socket = { fd, token: -1, readable: true, writable: true, finished: false };
      if (fd >= 0) server.token = loop.watch(fd, { ready: (events) => this.#serverReady(server, events) });
      const error = fd < 0 ? -fd : server.token < 0 ? -server.token : 0;
      if (error === 0) {
        this.#server = server;
        this.#row = targets.opened(endpoint);
        this.#cancelTimeout = this.context.clock.after(this.context.connectTimeout, () => this.#failed('relay_tcp_connect_timeouts', true));
        return;
      }
      if (fd >= 0) sockets.close(fd);
      this.#note(endpoint, causeOf(error), ENDPOINT_ERRORS.has(error));
    }
  }

  /** The attempt under way has come to nothing: on to the next. */
  #failed(cause: RelayCounter, isEndpoints: boolean): void {
    const endpoint = this.#endpoint;
    this.#abandonAttempt();
    if (endpoint) this.#note(endpoint, cause, isEndpoints);
    this.#tryNext();
  }

  #note(endpoint: EndpointConfig, cause: RelayCounter, isEndpoints: boolean): void {
    this.context.counters.count(cause);
    if (isEndpoints && this.context.targets.failed(endpoint)) this.context.counters.count('relay_tcp_ejections');
  }

  #abandonAttempt(): void {
    this.#cancelTimeout();
    this.#uncount();
    const server = this.#server;
    this.#server = undefined;
    if (server) this.#drop(server, (fd) => this.context.sockets.close(fd));
  }

  #clientReady(events: number): void {
    this.#ready(this.#client, events);
  }

  #serverReady(server: Socket, events: number): void {
    if (server !== this.#server) return;
    if (this.#state !== 'opening') {
      this.#ready(server, events);
      return;
    }
    if ((events & Ready.error) !== 0) {
      const error = this.context.sockets.takeError(server.fd);
      if (error !== 0) {
        this.#failed(causeOf(error), ENDPOINT_ERRORS.has(error));
        return;
      }
    }
    if ((events & Ready.write) !== 0) this.#join(server, events);
  }

  #join(server: Socket, events: number): void {
    this.#cancelTimeout();
    if (this.#endpoint) this.context.targets.succeeded(this.#endpoint);
    this.#state = 'established';
    this.#lastByte = this.context.clock.now();
    this.#idle.reset();
    this.#up = new Direction(this.#client, server, this.context.copying, this.#header);
    this.#down = new Direction(server, this.#client, this.context.copying);
    this.#ready(server, events);
  }

  #ready(side: Socket, events: number): void {
    if (this.#state === 'closed') return;
    if ((events & Ready.error) !== 0 && this.context.sockets.takeError(side.fd) !== 0) {
      this.#resetByPeer();
      return;
    }
    if ((events & (Ready.read | Ready.peerFinished | Ready.hangUp)) !== 0) side.readable = true;
    if ((events & (Ready.peerFinished | Ready.hangUp)) !== 0) side.finished = true;
    if ((events & Ready.write) !== 0) side.writable = true;
    if (this.#up) this.context.loop.ask(this);
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

  #close(how: (fd: number) => void): void {
    this.#state = 'closed';
    this.#idle.cancel();
    this.#cancelTimeout();
    this.#up?.abandon();
    this.#down?.abandon();
    this.#uncount();
    this.#drop(this.#client, how);
    if (this.#server) this.#drop(this.#server, how);
    this.onClosed(this);
  }

  #drop({ fd, token }: Socket, how: (fd: number) => void): void {
    if (token >= 0) this.context.loop.forget(token);
    how(fd);
  }

  #uncount(): void {
    if (this.#row !== undefined) this.context.targets.closed(this.#row);
    this.#row = undefined;
  }
}

function causeOf(error: number): RelayCounter {
  return error === EMFILE || error === ENFILE ? 'relay_tcp_no_descriptor' : 'relay_tcp_connect_failures';
}
