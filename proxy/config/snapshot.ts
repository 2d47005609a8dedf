/**
 * What the data plane balances, as one immutable value.
 *
 * The control plane sends a whole new snapshot for every change; a worker swaps it in between two packets. A flow caches
 * its decision together with the epoch it was made in, and checks it again on its next packet after a change; flows that
 * see no packet are found by a sweep in small steps.
 *
 * Plain data only: a snapshot crosses thread boundaries by structured clone.
 */
import type { Ipv6 } from '../net/addr6.js';

export type SchedulerName = 'rr' | 'wrr' | 'lc' | 'wlc' | 'sh' | 'mh';

/** Seconds without a packet after which a flow ends, 1 to 8000 each. */
export interface Timeouts {
  /** Established and half-closed (RFC 5382 REQ-5: at least 2 h 4 min). Half-closed too: the open half may be silent for long. */
  readonly established: number;
  /** Opening, and closing (RFC 5382 REQ-5: at least 4 min). */
  readonly transitory: number;
  /** After a RST, or both FINs and the last acknowledgement: for retransmissions still on their way. */
  readonly closed: number;
  /** RFC 4787 REQ-5: at least 2 min, 5 min recommended. */
  readonly udp: number;
  /** Echo queries (RFC 5508 REQ-1: at least 60 s). */
  readonly icmp: number;
}

export const DEFAULT_TIMEOUTS: Timeouts = { established: 7440, transitory: 240, closed: 10, udp: 300, icmp: 60 };

/** How a service's new flows are shared among its endpoints, beyond the scheduler. */
export interface BalancingPolicy {
  /** Clients go to the endpoint that they went to before. Seconds since the client's last flow began, 1 to 86,400; 0: no affinity. */
  readonly affinity: number;
  /** Endpoints of this node first; others only when none of these takes a flow. */
  readonly preferLocal: boolean;
  /** Milliseconds in which an endpoint that joins comes to its full share; 0: at once. Not for `sh` and `mh`. */
  readonly slowStart: number;
  /** Flows that an endpoint may have at once, 0: any number. */
  readonly maxConnections: number;
  /** Connect failures in a row that eject an endpoint; 0: never. */
  readonly ejectAfter: number;
  /** Milliseconds of the first ejection; the n-th lasts n times as long. */
  readonly ejectFor: number;
}

export const DEFAULT_POLICY: BalancingPolicy = {
  affinity: 0,
  preferLocal: false,
  slowStart: 0,
  maxConnections: 0,
  ejectAfter: 5,
  ejectFor: 30_000,
};

export interface EndpointConfig {
  /** The task's id. */
  readonly id: string;
  /** IPv4 address on the network, see proxy/net/addr. */
  readonly address: number;
  /** Absent on a network without IPv6. */
  readonly address6?: Ipv6;
  /** That it listens on, where this is not the port that the client asked for: `mh` hashes it, as the kernel does. Absent: the client's. */
  readonly port?: number;
  /** 0 to 65535. 0 means draining: established flows go on, no new flow is sent here. */
  readonly weight: number;
  /** Runs on another node. */
  readonly remote?: boolean;
  /** Row of the shared EndpointStats, the same for every worker; the data plane's handle gives it. Absent: counted by one worker for itself. */
  readonly row?: number;
}

export interface ServiceConfig {
  readonly id: string;
  readonly name: string;
  readonly vip: number;
  readonly vip6?: Ipv6;
  readonly scheduler: SchedulerName;
  /** Absent: DEFAULT_POLICY. */
  readonly policy?: BalancingPolicy;
  /** Absent: DEFAULT_TIMEOUTS. */
  readonly timeouts?: Timeouts;
  /** Live endpoints, draining ones included. An endpoint that is missing here is dead: its flows end. */
  readonly endpoints: readonly EndpointConfig[];
  /** The kernel balances it too, or did of late: some of its IPv4 flows are not known here, and are not refused at once (dataplane/strays.ts). */
  readonly offloaded?: boolean;
}

export interface NetworkConfig {
  /** 0 to 65535: names the network in flow keys and toward devices; never reused while the agent lives. */
  readonly index: number;
  readonly id: string;
  readonly name: string;
  /** Source address of the endpoint side of every flow on this node. */
  readonly balancer: number;
  /** Present exactly when the network has IPv6. */
  readonly balancer6?: Ipv6;
  /** Largest packet that tasks of the network can exchange, bytes. Absent: not known, nothing is clamped or cut. */
  readonly mtu?: number;
  /** IPv4 addresses of endpoints that the kernel sends flows of published ports to, or did of late: what comes from them and is not known here is not refused at once. */
  readonly offloaded?: readonly number[];
  readonly services: readonly ServiceConfig[];
}

export interface Snapshot {
  /** Grows by at least one with every snapshot; 1 to 2^31 - 1. */
  readonly epoch: number;
  readonly networks: readonly NetworkConfig[];
}
