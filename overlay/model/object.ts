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
  /** Older versions whose tasks run just the same, and stay: those before an update that was rolled back. */
  readonly sameVersions?: readonly number[];
  /** What it was before the last update; an update that was not completed is passed over. */
  readonly previousSpec?: ServiceSpec;
  /** Versions of the tasks that run `previousSpec`. */
  readonly previousVersions?: readonly number[];
  /** Of the last update. Absent: there was none. */
  readonly updateStatus?: UpdateStatus;
  /** One per network in endpoint mode vip; none in dnsrr. */
  readonly vips: readonly VirtualIp[];
  readonly ports: readonly ResolvedPort[];
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** Swarm's words. */
export type UpdateState = 'updating' | 'paused' | 'completed' | 'rollback_started' | 'rollback_paused' | 'rollback_completed';

export interface UpdateStatus {
  readonly state: UpdateState;
  readonly startedAt: string;
  /** Of a state that is an end. */
  readonly completedAt?: string;
  /** Why it was paused or rolled back: one sentence. */
  readonly message?: string;
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
  /** Something was seen to listen in it. */
  readonly listens?: true;
  /** Why it is not running: one sentence. */
  readonly message?: string;
}

export interface TaskObject {
  readonly id: string;
  /** `vote.2.<id>`; of a global service `vote.<host name of its node>.<id>`; a one-off task is `run.<id>`. */
  readonly name: string;
  /** Absent for a one-off task. */
  readonly serviceId?: string;
  /** From 1; 0 for a one-off task, and for one of a global service, whose place is its node. */
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

/** What a node says of itself, and what was decided about it. Stays until `node rm`; whether the node is there is another key's to say (Alive). */
export interface NodeRecord {
  readonly id: string;
  /** Unique in a cluster. Tasks name their node by it. */
  readonly hostname: string;
  readonly availability: Availability;
  readonly labels: Labels;
  readonly mode: 'root' | 'rootless' | 'sockets';
  /** Where other nodes reach it, IPv4; on a node that is alone, loopback. */
  readonly address: string;
  /** UDP port of its VXLAN; absent on a node that is alone. Encrypted networks use the port after it. */
  readonly vxlanPort?: number;
  /** Who carries its VXLAN. In userspace no network can be encrypted. Absent with `vxlanPort`, and of older versions, which have the kernel's. */
  readonly vxlan?: 'kernel' | 'userspace';
  /** Largest packet that tasks on it can send over the underlay, bytes: its underlay's MTU less VXLAN's headers. */
  readonly mtu: number;
  readonly version: string;
  readonly createdAt: string;
}

/** `active`: gets tasks; `pause`: keeps those that it has; `drain`: they go elsewhere. */
export type Availability = 'active' | 'pause' | 'drain';

/** A node as it is shown. */
export interface NodeObject extends NodeRecord {
  /** `down`: not heard of for longer than its lease. */
  readonly status: 'ready' | 'down';
  /** It places tasks now. */
  readonly leader: boolean;
  /** What does not work on it now. Absent: nothing that is known of, or it is down. */
  readonly problems?: readonly NodeProblem[];
}

/** Something that does not work on one node, and is tried again. */
export interface NodeProblem {
  /** `network backend`, `port 9000/tcp`, `other nodes` */
  readonly about: string;
  /** Why, and what can be done about it: one sentence. */
  readonly message: string;
  /** ISO 8601. */
  readonly since: string;
  /** Name of the service, of whose published port it is. */
  readonly service?: string;
}

/**
 * What one node has of its own on a network, drawn from the network's pool. The first node on a network has the addresses of the
 * NetworkObject itself.
 */
export interface NodeAddresses {
  /** Local in the node's sandbox: answers pings, source of its ICMP errors and of the relay's connections. */
  readonly gateway: string;
  /** Source of the endpoint side of flows that the node balances; next hop of other nodes on the way to its tasks. */
  readonly balancer: string;
  readonly gateway6?: string;
  readonly balancer6?: string;
}
