/**
 * A published UDP port: finds or makes the session of each datagram's client, and sends the replies from the socket that
 * the client knows.
 *
 * A socket bound to all addresses answers from the address that the route to the client prefers: Node cannot choose
 * another (IP_PKTINFO). On a host with several addresses in one network, publish on the one that clients use.
 */
import { createSocket, type Socket } from 'node:dgram';
import { DEFAULT_TIMEOUTS, type EndpointConfig, type Timeouts } from '../config/snapshot.js';
import { QUIET_MS, type FlowRecord } from '../dataplane/handle.js';
import { formatIpv4 } from '../net/addr.js';
import type { Clock } from '../time/clock.js';
import type { RelayCounters } from './counters.js';
import { formatPeer } from './peer.js';
import type { RelayChoice, RelayPort } from './relay.js';
import type { Targets } from './targets.js';
import { literalLookup, MAX_SEND_QUEUE, UdpSession, type SessionContext } from './udp-session.js';
import type { UdpTable } from './udp-table.js';

export interface UdpContext {
  readonly targets: Targets;
  readonly clock: Clock;
  readonly counters: RelayCounters;
  readonly table: UdpTable;
}

export class UdpPort {
  readonly #socket: Socket;
  readonly #sessions = new Map<string, UdpSession>();
  readonly #sessionContext: SessionContext;
  #timeouts: Timeouts;

  /** Sessions that were begun. */
  opened = 0;

  private constructor(
    private readonly port: RelayPort,
    family: 'ipv4' | 'ipv6',
    private readonly context: UdpContext,
  ) {
    this.#timeouts = port.timeouts ?? DEFAULT_TIMEOUTS;
    this.#socket = createSocket({ type: family === 'ipv6' ? 'udp6' : 'udp4', lookup: literalLookup });
    this.#socket.on('message', (data, from) => this.#receive(data, from.address, from.port));
    // An error here is about one datagram; the socket goes on.
    this.#socket.on('error', () => context.counters.count('relay_udp_dropped_error'));
    this.#sessionContext = {
      targets: context.targets,
      targetPort: port.targetPort,
      counters: context.counters,
      touch: (session) => context.table.touch(session),
      reply: (session, data) => this.#reply(session, data),
    };
  }

  /** Takes over `fd`, a bound socket of that family. Throws when it is none. */
  static open(port: RelayPort, fd: number, family: 'ipv4' | 'ipv6', context: UdpContext): UdpPort {
    const opened = new UdpPort(port, family, context);
    try {
      opened.#socket.bind({ fd });
    } catch (error) {
      opened.#socket.close();
      throw error;
    }
    return opened;
  }

  update(endpoints: readonly EndpointConfig[], choice?: RelayChoice): void {
    this.context.targets.update(endpoints, choice);
    if (choice) this.#timeouts = choice.timeouts ?? DEFAULT_TIMEOUTS;
    for (const session of this.#sessions.values()) {
      session.endpointsChanged();
      if (choice) this.context.table.timeoutChanged(session);
    }
  }

  flows(): FlowRecord[] {
    const now = this.context.clock.now();
    const { address, port } = this.#socket.address();
    const flows: FlowRecord[] = [];
    for (const session of this.#sessions.values()) {
      if (!session.endpoint) continue;
      flows.push({
        network: 'ingress',
        service: this.port.service,
        protocol: 'udp',
        client: formatPeer(session.clientAddress, session.clientPort),
        vip: formatPeer(address, port),
        endpoint: `${formatIpv4(session.endpoint.address)}:${this.port.targetPort}`,
        state: 'udp',
        bytesIn: session.bytesIn,
        bytesOut: session.bytesOut,
        age: now - session.openedAt,
        idle: now - session.lastDatagramAt,
        path: 'relay',
      });
    }
    return flows;
  }

  /** Without those that have been idle for QUIET_MS. */
  flowsTo(address: number): number {
    const now = this.context.clock.now();
    let count = 0;
    for (const session of this.#sessions.values()) if (session.endpoint?.address === address && now - session.lastDatagramAt < QUIET_MS) count++;
    return count;
  }

  ejectedFor(endpoint: string): number {
    return this.context.targets.ejectedFor(endpoint);
  }

  /** Stops receiving and ends the sessions. */
  close(): void {
    this.#socket.close();
    for (const session of this.#sessions.values()) {
      this.context.table.remove(session);
      session.close();
    }
    this.#sessions.clear();
  }

  #receive(data: Buffer, address: string, port: number): void {
    const key = `${address} ${port}`;
    const known = this.#sessions.get(key);
    const session = known ?? new UdpSession(address, port, this.#sessionContext, this.context.clock.now());
    const taken = session.fromClient(data);
    if (taken && !known) this.#begin(key, session);
    // Without an endpoint nothing is kept for the client, so a flood of datagrams cannot push live sessions out.
    if (!taken && known) this.#end(key, session);
  }

  #begin(key: string, session: UdpSession): void {
    const { counters, table } = this.context;
    const timeout = (): number => this.#timeouts.udp * 1000;
    table.add(session, timeout, (cause) => {
      counters.count(cause === 'expired' ? 'relay_udp_expired' : 'relay_udp_evicted');
      this.#sessions.delete(key);
      session.close();
    });
    this.#sessions.set(key, session);
    this.opened++;
    counters.count('relay_udp_sessions');
  }

  #end(key: string, session: UdpSession): void {
    this.context.table.remove(session);
    this.#sessions.delete(key);
  }

  #reply(session: UdpSession, data: Buffer): void {
    const { counters } = this.context;
    if (this.#socket.getSendQueueSize() > MAX_SEND_QUEUE) {
      counters.count('relay_udp_dropped_queue');
      return;
    }
    this.#socket.send(data, session.clientPort, session.clientAddress, (error) => {
      counters.count(error ? 'relay_udp_dropped_error' : 'relay_udp_datagrams_out');
    });
  }
}
