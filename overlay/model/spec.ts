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

export interface ServiceSpec {
  readonly name: string;
  readonly labels: Labels;
  readonly task: TaskSpec;
  readonly networks: readonly NetworkAttachment[];
  /** 0 to 1000. */
  readonly replicas: number;
  readonly endpointMode: EndpointMode;
  readonly ports: readonly PortSpec[];
  readonly restart: RestartPolicy;
}

/** Labels that we set ourselves. */
export const STACK_LABEL = 'vipmesh.stack';
/** The service's name inside its stack (`vote` of `demo_vote`): also its alias on the stack's networks. */
export const STACK_SERVICE_LABEL = 'vipmesh.stack.service';
