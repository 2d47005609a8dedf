/**
 * What exists: stored objects, each a spec together with what was allocated for it and what is observed of it.
 * Ids are 12 lower-case hexadecimal digits. Times are ISO 8601 text (UTC). Addresses are dotted-quad text; those whose name
 * ends in 6 are IPv6 text in the form of RFC 5952, present exactly when the network has IPv6.
 */
import type { Labels, NetworkSpec, PortSpec, ServiceSpec, TaskSpec } from './spec.js';

export interface NetworkObject {
  readonly id: string;
  readonly spec: NetworkSpec;
  /** True for the network that carries published ports; made by the agent, cannot be removed. */
  readonly ingress: boolean;
  readonly subnet: string;
  readonly gateway: string;
  /** Source address of this node's balancer on the network. */
  readonly balancer: string;
  readonly subnet6?: string;
  readonly gateway6?: string;
  readonly balancer6?: string;
  /** From 4096 on. */
  readonly vni: number;
  readonly createdAt: string;
}

export interface VirtualIp {
  readonly networkId: string;
  readonly address: string;
  readonly address6?: string;
}

/** A published port with every choice made. */
export type ResolvedPort = PortSpec & { readonly published: number };

export interface ServiceObject {
  readonly id: string;
  readonly spec: ServiceSpec;
  /** Counts updates of what a task runs: a task of an older version is replaced. Scaling alone does not count. */
  readonly version: number;
  /** One per network in endpoint mode vip; none in dnsrr. */
  readonly vips: readonly VirtualIp[];
  readonly ports: readonly ResolvedPort[];
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** In the order in which a task passes through them. */
export const TASK_STATES = ['pending', 'starting', 'running', 'stopping', 'complete', 'failed', 'shutdown'] as const;
export type TaskState = (typeof TASK_STATES)[number];

export type Health = 'none' | 'starting' | 'healthy' | 'unhealthy';

export interface TaskAddress {
  readonly networkId: string;
  readonly address: string;
  readonly address6?: string;
  /** eth0, eth1, … in the task. */
  readonly interface: string;
  /** Further names of a one-off task on that network; a service's are in its spec. */
  readonly aliases?: readonly string[];
}

export interface TaskStatus {
  readonly state: TaskState;
  /** When `state` was entered. */
  readonly since: string;
  readonly health: Health;
  /** Process id of the task's main process, in the agent's pid namespace. */
  readonly pid?: number;
  /** 0 to 255, or 128 + signal. */
  readonly exitCode?: number;
  /** Why it is not running: one sentence. */
  readonly message?: string;
}

export interface TaskObject {
  readonly id: string;
  /** `vote.2.<id>`; a one-off task is `run.<id>`. */
  readonly name: string;
  /** Absent for a one-off task. */
  readonly serviceId?: string;
  /** From 1; 0 for a one-off task. */
  readonly slot: number;
  readonly spec: TaskSpec;
  /** The service's version that this task was made from. */
  readonly version: number;
  readonly labels: Labels;
  /** Name of the node that runs it. */
  readonly node: string;
  readonly addresses: readonly TaskAddress[];
  readonly desired: 'running' | 'shutdown';
  /** Its record goes with its end: a one-off task of which nothing is to stay. */
  readonly removeAtEnd?: true;
  readonly status: TaskStatus;
  readonly createdAt: string;
}

export interface NodeObject {
  readonly id: string;
  readonly hostname: string;
  readonly status: 'ready' | 'down';
  readonly availability: 'active' | 'pause' | 'drain';
  readonly mode: 'root' | 'rootless';
  readonly address: string;
  readonly version: string;
}
