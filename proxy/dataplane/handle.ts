/**
 * The data plane as the rest of the agent sees it, whatever thread it runs on.
 */
import type { Snapshot } from '../config/snapshot.js';
import type { Ipv6 } from '../net/addr6.js';

/**
 * Milliseconds without a packet after which a UDP flow or an ICMP query no longer holds up the drain of its endpoint. Such
 * flows have no end that could be seen, and most are over after a question and its answer; one that is not has its next
 * packet taken by another endpoint.
 */
export const QUIET_MS = 5000;

export type FlowState = 'opening' | 'established' | 'closing' | 'closed' | 'udp' | 'icmp';

/**
 * One flow as a user sees it. Plain data; addresses are text with a port: `10.0.1.5:40112`, `[fd00::5]:40112`. An ICMP query has
 * its identifier for the client's port, and no port on the other sides.
 */
export interface FlowRecord {
  readonly network: string;
  readonly service: string;
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  readonly client: string;
  readonly vip: string;
  readonly endpoint: string;
  readonly state: FlowState;
  /** Bytes of IP packets (relay: of payload) from the client and toward it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Milliseconds since the flow's first packet, and since its last. */
  readonly age: number;
  readonly idle: number;
  /** How it was carried. */
  readonly path: 'tun' | 'relay';
}

/** A flow by both of its sides. Addresses are IPv4, see proxy/net/addr. */
export interface VipFlow {
  readonly protocol: 'tcp' | 'udp';
  readonly client: number;
  readonly clientPort: number;
  readonly vipPort: number;
  readonly endpoint: number;
  readonly endpointPort: number;
  /** On the balancer address. */
  readonly balancerPort: number;
}

/** A connection that nobody has any more, by its client's side. Addresses are IPv4, see proxy/net/addr. */
export interface EndedFlow {
  readonly client: number;
  readonly clientPort: number;
  readonly vip: number;
  readonly vipPort: number;
}

export interface EndpointAddress {
  /** IPv4, see proxy/net/addr. */
  readonly address: number;
  readonly address6?: Ipv6;
}

/** How frames reach the workers and leave them (io.ts). */
export interface PacketIo {
  readonly kind: 'io_uring' | 'poll';
  /** Why it is not io_uring, where that would have been taken. */
  readonly because?: string;
}

export interface Dataplane {
  readonly packetIo: PacketIo;
  /** How many queues a TUN needs to have. */
  readonly workers: number;
  /** Starts serving a TUN: one descriptor for each worker. They stay the caller's to close, after detach. */
  attach(network: number, fds: readonly number[]): Promise<void>;
  /** Resolves when no worker touches the descriptors any more. */
  detach(network: number): Promise<void>;
  /** Resolves when every packet from now on is decided by `snapshot` (or a later one). */
  apply(snapshot: Snapshot): Promise<void>;
  /** Segments of these connections of network `network` are refused from now on, and not held for the kernel (strays.ts). */
  refuse(network: number, flows: readonly EndedFlow[]): Promise<void>;
  /** Reads shared memory; no worker stops for it. */
  flows(): FlowRecord[];
  /** Flows to an endpoint of network `network` that go on: not closed; UDP and ICMP: not silent for QUIET_MS. */
  flowsTo(network: number, endpoint: EndpointAddress): number;
  /** TCP and UDP flows to an IPv4 VIP of network `network` that go on, but had no packet for `silent` ms. */
  silentFlows(network: number, vip: number, silent: number): VipFlow[];
  /** Flows that ever began toward an endpoint (EndpointConfig.id) of network `network` while it was balanced, modulo 2^32. */
  opened(network: number, endpoint: string): number;
  /** Milliseconds for which an endpoint (EndpointConfig.id) of network `network` is still ejected; 0: it is not. */
  ejectedFor(network: number, endpoint: string): number;
  /** Packets, bytes and drops by cause, since the start. */
  counters(): Record<string, number>;
  close(): Promise<void>;
}
