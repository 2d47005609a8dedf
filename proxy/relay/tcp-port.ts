/**
 * A published TCP port in one thread: accepts connections, within a bound on how many there are, and lists them.
 */
import { DEFAULT_TIMEOUTS, type EndpointConfig, type Timeouts } from '../config/snapshot.js';
import type { FlowRecord } from '../dataplane/handle.js';
import { formatIpv4 } from '../net/addr.js';
import type { Crew } from './crew.js';
import { formatPeer } from './peer.js';
import type { RelayChoice, RelayPort } from './relay.js';
import { EAGAIN, ECONNABORTED, EINTR, EMFILE, ENFILE } from './sockets.js';
import { TcpConnection, type ConnectionContext } from './tcp-connection.js';

/** Connections accepted before those that are open have their turn. */
const ACCEPTED_PER_TURN = 16;
/** Milliseconds without accepting, when there is no descriptor to do it with. */
const NO_DESCRIPTOR_PAUSE = 100;

export interface PortContext extends Omit<ConnectionContext, 'timeouts'> {
  readonly crew: Crew;
  /** Connections open on all ports of all threads together. */
  readonly maxConnections: number;
  /** This thread has more connections than another: it is to accept no more for now. */
  readonly onAhead: (thread: number) => void;
}

export class TcpPort {
  readonly #connectionContext: ConnectionContext;
  readonly #vip: string;
  #timeouts: Timeouts;
  readonly #connections = new Set<TcpConnection>();
  /** Undefined while the listener is not watched. */
  #token: number | undefined;
  #spare: number;
  #isClosed = false;

  /** Connections that were accepted, and not shed. */
  opened = 0;

  /** Takes over `fd`, a listening socket. Throws when it is none. */
  constructor(
    private readonly port: RelayPort,
    private readonly fd: number,
    private readonly context: PortContext,
  ) {
    const { sockets } = context;
    const address = sockets.local(fd);
    if (!address) throw new Error('it is no socket');
    this.#vip = formatPeer(address.address, address.port);
    this.#timeouts = port.timeouts ?? DEFAULT_TIMEOUTS;
    this.#connectionContext = { ...context, timeouts: () => this.#timeouts };
    sockets.prepareListener(fd);
    this.#spare = sockets.spare();
    this.listen();
  }

  /** Accepts, from now on or again. */
  listen(): void {
    if (this.#token !== undefined || this.#isClosed) return;
    const { loop, crew } = this.context;
    const token = loop.watchInput(this.fd, { ready: () => this.accept() }, crew.isShared);
    if (token < 0) throw new Error(`it cannot be waited for: errno ${-token}`);
    this.#token = token;
  }

  /** Accepts nothing until listen(). */
  pause(): void {
    if (this.#token !== undefined) this.context.loop.unwatch(this.fd, this.#token);
    this.#token = undefined;
  }

  update(endpoints: readonly EndpointConfig[], choice?: RelayChoice): void {
    this.context.targets.update(endpoints, choice);
    if (choice) this.#timeouts = choice.timeouts ?? DEFAULT_TIMEOUTS;
    for (const connection of this.#connections) {
      connection.endpointsChanged();
      if (choice) connection.timeoutsChanged();
    }
  }

  flows(): FlowRecord[] {
    const now = this.context.clock.now();
    const flows: FlowRecord[] = [];
    for (const connection of this.#connections) {
      if (!connection.endpoint || connection.state === 'closed') continue;
      flows.push({
        network: 'ingress',
        service: this.port.service,
        protocol: 'tcp',
        client: formatPeer(connection.client.address, connection.client.port),
        vip: this.#vip,
        endpoint: `${formatIpv4(connection.endpoint.address)}:${this.port.targetPort}`,
        state: connection.state,
        bytesIn: connection.bytesIn,
        bytesOut: connection.bytesOut,
        age: now - connection.openedAt,
        idle: now - connection.lastByteAt,
        path: 'relay',
      });
    }
    return flows;
  }

  flowsTo(address: number): number {
    let count = 0;
    for (const connection of this.#connections) if (connection.endpoint?.address === address) count++;
    return count;
  }

  ejectedFor(endpoint: string): number {
    return this.context.targets.ejectedFor(endpoint);
  }

  /** Stops listening and resets what is open. */
  close(): void {
    this.pause();
    this.#isClosed = true;
    const { sockets } = this.context;
    sockets.close(this.fd);
    if (this.#spare >= 0) sockets.close(this.#spare);
    for (const connection of this.#connections) connection.reset();
  }

  /** Accepts what waits, as far as it is this thread's to do. */
  accept(): void {
    const { sockets, crew, counters, onAhead } = this.context;
    for (let i = 0; i < ACCEPTED_PER_TURN && this.#token !== undefined; i++) {
      const behind = crew.behind();
      if (behind !== undefined) {
        onAhead(behind);
        return;
      }
      const fd = sockets.accept(this.fd);
      if (fd >= 0) this.#begin(fd);
      else if (fd === -EMFILE || fd === -ENFILE) this.#shed();
      else if (fd === -EAGAIN) return;
      // Any other failure of accept(2) is of that one connection, and the socket goes on listening.
      else if (fd !== -EINTR) {
        counters.count('relay_tcp_accept_errors');
        if (fd !== -ECONNABORTED) return;
      }
    }
  }

  #begin(fd: number): void {
    const { sockets, counters, crew, maxConnections } = this.context;
    const client = sockets.acceptedFrom();
    counters.count('relay_tcp_accepted');
    if (crew.open >= maxConnections) {
      counters.count('relay_tcp_refused_limit');
      sockets.reset(fd);
      return;
    }
    crew.opened();
    this.opened++;
    const connection = new TcpConnection(fd, client, this.#connectionContext, (closed) => {
      crew.closed();
      this.#connections.delete(closed);
    });
    this.#connections.add(connection);
    connection.begin();
  }

  /** No descriptor is left for the client: the one that was kept for this makes it possible to turn the client away, which would wait for ever otherwise. */
  #shed(): void {
    const { sockets, counters, clock } = this.context;
    counters.count('relay_tcp_shed');
    if (this.#spare >= 0) {
      sockets.close(this.#spare);
      const fd = sockets.accept(this.fd);
      if (fd >= 0) sockets.reset(fd);
      this.#spare = sockets.spare();
      if (fd >= 0) return;
    }
    this.pause();
    clock.after(NO_DESCRIPTOR_PAUSE, () => {
      if (this.#spare < 0 && !this.#isClosed) this.#spare = sockets.spare();
      this.listen();
    });
  }
}
