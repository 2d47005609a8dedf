/**
 * What the data plane balances, as one immutable value.
 *
 * The control plane sends a whole new snapshot for every change; a worker swaps it in between two packets. A flow caches
 * its decision together with the epoch it was made in, and checks it again on its next packet after a change, so nothing
 * ever walks the flow table because of a configuration change.
 *
 * Plain data only: a snapshot crosses thread boundaries by structured clone.
 */

export type SchedulerName = 'rr';

export interface EndpointConfig {
  /** The task's id. */
  readonly id: string;
  /** IPv4 address on the network, see proxy/net/addr. */
  readonly address: number;
  /** 0 to 65535. 0 means draining: established flows go on, no new flow is sent here. */
  readonly weight: number;
}

export interface ServiceConfig {
  readonly id: string;
  readonly name: string;
  readonly vip: number;
  readonly scheduler: SchedulerName;
  /** Live endpoints, draining ones included. An endpoint that is missing here is dead: its flows end. */
  readonly endpoints: readonly EndpointConfig[];
}

export interface NetworkConfig {
  /** 0 to 65535: names the network in flow keys and toward devices; never reused while the agent lives. */
  readonly index: number;
  readonly id: string;
  readonly name: string;
  /** Source address of the endpoint side of every flow on this node. */
  readonly balancer: number;
  readonly services: readonly ServiceConfig[];
}

export interface Snapshot {
  /** Grows by at least one with every snapshot; 1 to 2^31 - 1. */
  readonly epoch: number;
  readonly networks: readonly NetworkConfig[];
}
