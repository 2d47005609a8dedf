/**
 * A published TCP port: accepts connections, within a bound on how many there are, and lists them.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { DEFAULT_TIMEOUTS, type EndpointConfig, type Timeouts } from '../config/snapshot.js';
import type { FlowRecord } from '../dataplane/handle.js';
import { formatIpv4 } from '../net/addr.js';
import { formatPeer } from './peer.js';
import type { RelayChoice, RelayPort } from './relay.js';
import { KEEPALIVE_DELAY, TcpConnection, type ConnectionContext } from './tcp-connection.js';

/** Milliseconds between two looks at sockets that the event loop does not watch. */
const CHECK_INTERVAL = 30_000;

/** Connections open on all ports together. */
export interface ConnectionBudget {
  open: number;
  readonly max: number;
}

export class TcpPort {
  readonly #server: Server;
  readonly #connectionContext: ConnectionContext;
  #timeouts: Timeouts;
  readonly #connections = new Set<TcpConnection>();
  #cancelCheck: () => void = () => undefined;

  /** Connections that were accepted, and not shed. */
  opened = 0;

  private constructor(
    private readonly port: RelayPort,
    private readonly context: Omit<ConnectionContext, 'timeouts'>,
    private readonly budget: ConnectionBudget,
  ) {
    this.#timeouts = port.timeouts ?? DEFAULT_TIMEOUTS;
    this.#connectionContext = { ...context, timeouts: () => this.#timeouts };
    this.#server = createServer(
      // Paused, so what a client sends before its endpoint is connected waits in the kernel: nothing lost, nothing held.
      { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_DELAY },
      (client) => this.#accept(client),
    );
  }

  /** Takes over `fd`, a listening socket. Rejects when it is none. */
  static async open(port: RelayPort, fd: number, context: Omit<ConnectionContext, 'timeouts'>, budget: ConnectionBudget): Promise<TcpPort> {
    const opened = new TcpPort(port, context, budget);
    await new Promise<void>((resolve, reject) => {
      opened.#server.once('error', reject);
      opened.#server.listen({ fd }, () => {
        opened.#server.off('error', reject);
        // libuv sheds a connection for which there is no descriptor (uv__emfile_trick); any other failure of accept(2)
        // concerns that one connection, and the socket goes on listening.
        opened.#server.on('error', () => context.counters.count('relay_tcp_accept_errors'));
        opened.#scheduleCheck();
        resolve();
      });
    });
    return opened;
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
    const { address, port } = this.#server.address() as AddressInfo;
    const flows: FlowRecord[] = [];
    for (const connection of this.#connections) {
      if (!connection.endpoint) continue;
      flows.push({
        network: 'ingress',
        service: this.port.service,
        protocol: 'tcp',
        client: formatPeer(connection.clientAddress, connection.clientPort),
        vip: formatPeer(address, port),
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
    this.#cancelCheck();
    this.#server.close();
    for (const connection of this.#connections) connection.reset();
  }

  #scheduleCheck(): void {
    this.#cancelCheck = this.context.clock.after(CHECK_INTERVAL, () => {
      for (const connection of this.#connections) connection.checkPeers();
      this.#scheduleCheck();
    });
  }

  #accept(client: Socket): void {
    const { counters } = this.context;
    counters.count('relay_tcp_accepted');
    if (this.budget.open >= this.budget.max) {
      counters.count('relay_tcp_refused_limit');
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    this.budget.open++;
    this.opened++;
    const connection = new TcpConnection(client, this.#connectionContext, (closed) => {
      this.budget.open--;
      this.#connections.delete(closed);
    });
    // 'close' comes in a later turn, also for a connection that was refused just now.
    this.#connections.add(connection);
  }
}
