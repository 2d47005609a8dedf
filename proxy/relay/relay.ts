/**
 * The relay: published ports without any kernel table. A listening socket on the host side; every connection (TCP) or
 * client (UDP) is forwarded to an endpoint that the service's scheduler picks.
 */
import type { BalancingPolicy, EndpointConfig, SchedulerName, Timeouts } from '../config/snapshot.js';
import type { FlowRecord } from '../dataplane/handle.js';

export interface RelayPort {
  /** Unique while published, e.g. `tcp/0.0.0.0:8080`. */
  readonly id: string;
  readonly protocol: 'tcp' | 'udp';
  readonly service: string;
  readonly scheduler: SchedulerName;
  /** Absent: DEFAULT_POLICY. Connects count as they do in the data path; a UDP session counts as a flow. */
  readonly policy?: BalancingPolicy;
  /**
   * Absent: DEFAULT_TIMEOUTS. `established`, `transitory` (opening) and `udp` matter here. The relay sees payload, not packets:
   * keepalives of client and endpoint are answered by this host's kernel, and do not make a connection less silent.
   */
  readonly timeouts?: Timeouts;
  readonly targetPort: number;
  /** TCP: the endpoint is first told who the client is (proxy-protocol.ts). */
  readonly proxyProtocol?: 'v2';
  /** Weight 0 (draining) takes no new connection; one that is missing is dead and its connections are ended. */
  readonly endpoints: readonly EndpointConfig[];
}

/** How a port's endpoints are chosen, and when its flows end: may change while connections go on. */
export type RelayChoice = Pick<RelayPort, 'scheduler' | 'policy' | 'timeouts'>;

export interface Relay {
  /** `fd`: a listening TCP socket or a bound UDP socket; the relay owns it from here on and closes it. */
  publish(port: RelayPort, fd: number): Promise<void>;
  /** Replaces the endpoints and, where it is given, how they are chosen and when flows end. Resolves when every connection from now on is decided by them. */
  update(id: string, endpoints: readonly EndpointConfig[], choice?: RelayChoice): Promise<void>;
  /** Stops listening and ends the port's connections. */
  unpublish(id: string): Promise<void>;
  flows(): Promise<FlowRecord[]>;
  /** Open connections to an endpoint, and UDP sessions that had a datagram in the last QUIET_MS. */
  flowsTo(address: number): Promise<number>;
  /** Connections accepted and UDP sessions begun on each port that is published, by its id, since it is. */
  opened(): Promise<Record<string, number>>;
  /** Milliseconds for which an endpoint (EndpointConfig.id) is still ejected from some port; 0: it is not. */
  ejectedFor(endpoint: string): Promise<number>;
  counters(): Promise<Record<string, number>>;
  close(): Promise<void>;
}
