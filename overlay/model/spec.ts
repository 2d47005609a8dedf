/**
 * What a user asked for. A spec is stored as it was given (with defaults filled in) and never modified by us: what is
 * observed lives in object.ts. Durations are milliseconds. validate.ts checks and completes user input.
 */

export type EndpointMode = 'vip' | 'dnsrr';
export type Protocol = 'tcp' | 'udp';
export type PublishMode = 'ingress' | 'host';
export type Labels = Readonly<Record<string, string>>;

export interface NetworkSpec {
  readonly name: string;
  readonly driver: 'overlay';
  /** CIDR text; absent: the next free /24 of 10.0.0.0/8. */
  readonly subnet?: string;
  /** Absent: the subnet's first host address. */
  readonly gateway?: string;
  /** Tasks and VIPs have an IPv6 address as well. */
  readonly ipv6: boolean;
  /** IPv6 prefix text; absent: the next free /64 of the mesh's own unique local prefix. Only with `ipv6`. */
  readonly subnet6?: string;
  /** Absent: the prefix's first host address. */
  readonly gateway6?: string;
  /** What goes between nodes is encrypted. Absent: not. */
  readonly encrypted?: boolean;
  /** Tasks on an internal network alone get no name resolution beyond the mesh. */
  readonly internal: boolean;
  readonly labels: Labels;
}

export interface NetworkAttachment {
  /** Network name or id. */
  readonly network: string;
  /** Further names of the service on that network. */
  readonly aliases: readonly string[];
}

export interface PortSpec {
  /** Port on every node, 1 to 65535. Absent: one from 30000 to 32767 is chosen. */
  readonly published?: number;
  /** Port in the task, 1 to 65535. */
  readonly target: number;
  readonly protocol: Protocol;
  readonly mode: PublishMode;
  /** Host address to listen on. Absent: all. */
  readonly address?: string;
  /** TCP: connections to the tasks begin with a header that names the client, in this version of the PROXY protocol. */
  readonly proxyProtocol?: 'v2';
}

/** A port that tasks listen to on their networks. */
export interface ExposedPort {
  /** 1 to 65535. */
  readonly port: number;
  readonly protocol: Protocol;
}

export interface HealthCheckSpec {
  /** argv, run inside the task. Exit 0 is healthy. */
  readonly command: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  /** Consecutive failures that make a task unhealthy; at least 1. */
  readonly retries: number;
  /** Failures in this time after the start do not count. */
  readonly startPeriod: number;
}

export interface RestartPolicy {
  readonly condition: 'any' | 'on-failure' | 'none';
  /** First delay before a restart; doubles for each failure in a row, up to 30 s. */
  readonly delay: number;
  /** Absent: no limit. */
  readonly maxAttempts?: number;
}

/** What a task runs. Shared by services and one-off runs. */
export interface TaskSpec {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path. Absent: `/`. */
  readonly workdir?: string;
  readonly healthcheck?: HealthCheckSpec;
  /** From SIGTERM to SIGKILL. */
  readonly stopGracePeriod: number;
}

/** Silence after which a flow ends. Whole seconds (in milliseconds, as all durations); for the bounds see balancing.ts. */
export interface FlowTimeouts {
  /** TCP, established and half-closed. */
  readonly established: number;
  /** TCP, opening and closing. */
  readonly transitory: number;
  /** TCP, after a RST or both FINs. */
  readonly closed: number;
  readonly udp: number;
  /** Echo queries. */
  readonly icmp: number;
}

/** How new flows are shared among the endpoints, and how long flows live. */
export interface BalancingSpec {
  readonly scheduler: 'rr' | 'wrr' | 'lc' | 'wlc' | 'sh' | 'mh';
  /** Of every replica that `slotWeights` does not name, 0 to 65535; 0 takes no new flow. */
  readonly weight: number;
  /** By slot, 1 to 1000. One that the service has no replica for at present waits for it. */
  readonly slotWeights: Readonly<Record<string, number>>;
  /** `client-ip`: a client goes where it went before. */
  readonly affinity: 'none' | 'client-ip';
  /** Since the client's last flow began; whole seconds, up to a day. */
  readonly affinityTimeout: number;
  /** `local`: tasks of the node that the client is on, as long as one of them takes flows. */
  readonly prefer: 'none' | 'local';
  /** In which an endpoint that joins comes to its full share; 0: at once. */
  readonly slowStart: number;
  /** Flows that an endpoint may have at once; 0: any number. */
  readonly maxConns: number;
  /** Connect failures in a row that eject an endpoint; 0: never. */
  readonly ejectAfter: number;
  /** For the first ejection, the n-th lasts n times as long; 0: never. */
  readonly ejectFor: number;
  readonly timeouts: FlowTimeouts;
  /** How long flows of a stopping task may go on before they are ended and the task is told. Absent: the task's stop grace period. */
  readonly drainTimeout?: number;
  /** Whether the kernel may balance it, once its flows are stable (`auto`), at once (`always`), or not. Absent: as the node says. */
  readonly offload?: OffloadMode;
}

export type OffloadMode = 'auto' | 'always' | 'never';

/** `global`: one task on every node that may have one. */
export type ServiceMode = 'replicated' | 'global';

export interface PlacementSpec {
  /** All of them hold on a node that gets a task: `node.labels.zone==a` (model/placement.ts). */
  readonly constraints: readonly string[];
  /** Tasks are spread evenly over the values of the first, within each of the second, and so on: `spread=node.labels.zone`. */
  readonly preferences: readonly string[];
}

/** How tasks are replaced when what they run has changed. */
export interface UpdatePolicy {
  /** Slots at a time; 0: all. */
  readonly parallelism: number;
  /** From when a slot serves again until the next one is begun in its place. */
  readonly delay: number;
  /** `start-first`: the new task serves before the old one is told to stop. */
  readonly order: 'stop-first' | 'start-first';
  /** A new task that ends within this time after it began to serve, or before it ever did, is a failure of the update. */
  readonly monitor: number;
  readonly failureAction: 'pause' | 'continue' | 'rollback';
  /** The part of the slots, 0 to 1, that may fail before the action is taken. */
  readonly maxFailureRatio: number;
}

export type RollbackPolicy = UpdatePolicy & { readonly failureAction: 'pause' | 'continue' };

export interface ServiceSpec {
  readonly name: string;
  readonly labels: Labels;
  readonly task: TaskSpec;
  readonly networks: readonly NetworkAttachment[];
  readonly mode: ServiceMode;
  /** 0 to 1000. In mode global it means nothing, and is 1. */
  readonly replicas: number;
  readonly placement: PlacementSpec;
  readonly update: UpdatePolicy;
  readonly rollback: RollbackPolicy;
  readonly endpointMode: EndpointMode;
  readonly ports: readonly PortSpec[];
  /** Beside the target ports of `ports`. Where a VIP has packets it has every port, and this says nothing; where it has sockets, these. Absent: none. */
  readonly expose?: readonly ExposedPort[];
  readonly restart: RestartPolicy;
  readonly balancing: BalancingSpec;
}

/** Labels that we set ourselves. */
export const STACK_LABEL = 'vipmesh.stack';
/** The service's name inside its stack (`vote` of `demo_vote`): also its alias on the stack's networks. */
export const STACK_SERVICE_LABEL = 'vipmesh.stack.service';
