/**
 * What the API can ask of the running agent: the seam between the HTTP front and the daemon behind it.
 * A `ref` is an id, a unique prefix of one (at least 4 digits), or a name. Every method rejects with a ControlError when
 * the request cannot be met.
 */
import type { Availability, NetworkObject, NodeObject, NodeProblem, ServiceObject, TaskObject } from '../overlay/model/object.js';
import type { Labels, NetworkSpec, OffloadMode, ServiceSpec, NetworkAttachment } from '../overlay/model/spec.js';
import type { DriverName } from '../kernel/offload/driver.js';
import type { OffloadState } from '../kernel/offload/state.js';
import type { UplinkStatus } from './uplink/uplink.js';
import type { FlowRecord, PacketIo } from '../proxy/dataplane/handle.js';

export type ControlErrorCode = 'not-found' | 'conflict' | 'invalid' | 'unavailable' | 'internal';

/** `message` names the cause; `remedy`, when there is one, what the user can do. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
  constructor(
    readonly code: ControlErrorCode,
    message: string,
    readonly remedy?: string,
    /** Of a command that could not be executed, as a shell has it: 126, 127. */
    readonly exitCode?: number,
  ) {
    super(message);
  }
}

/** Where the mesh's state is. */
export interface StoreInfo {
  readonly kind: 'embedded' | 'etcd';
  readonly cluster?: string;
  /** `host:port` */
  readonly members?: readonly string[];
  readonly reachable: boolean;
  /** Milliseconds that its last answer took. */
  readonly latency?: number;
  /** Since when it has been out of reach, ISO 8601, and why. */
  readonly unreachableSince?: string;
  readonly problem?: string;
}

export interface AgentInfo {
  readonly name: string;
  readonly nodeId: string;
  readonly version: string;
  readonly mode: 'root' | 'rootless' | 'sockets';
  readonly pid: number;
  readonly startedAt: string;
  readonly stateDirectory: string;
  readonly socket: string;
  readonly store: StoreInfo;
  readonly networks: number;
  readonly services: number;
  readonly tasksRunning: number;
  readonly tasksDesired: number;
  readonly flows: number;
  /** Flows that can be balanced at a time, and the threads that do it. */
  readonly maxFlows: number;
  readonly workers: number;
  /** How packets get to them, and why not by io_uring where that was wanted. Absent: there are only sockets (mode sockets), and no workers. */
  readonly packetIo?: PacketIo;
  /** Where names are answered in mode sockets: `127.0.0.1:10053`. In the other modes each task has a name server of its own. */
  readonly dns?: string;
  /** Who carries packets between nodes; absent on a node that is alone. */
  readonly vxlan?: 'kernel' | 'userspace';
  /** Why the driver of kernel offload that `up` was told to use does not work here. Absent: it does, or `up` was told none. */
  readonly offloadProblem?: string;
  /** Why idle clients of an endpoint in the kernel are not told when it is gone. Absent: they are. */
  readonly resetsProblem?: string;
  /** What does not work on this node now. */
  readonly problems: readonly NodeProblem[];
  /** How tasks reach the outside. Absent: as the host does, in mode sockets. */
  readonly uplink?: UplinkStatus;
  readonly counters: Readonly<Record<string, number>>;
}

export interface LogQuery {
  /** Only the last n lines of each task; absent: all that is kept. */
  readonly tail?: number;
  readonly follow: boolean;
}

export interface LogLine {
  readonly task: string;
  readonly line: string;
}

/** Terminal of an interactive session; absent: three separate streams. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface ExecRequest {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly workdir?: string;
  /** Keep stdin open and deliver it. */
  readonly stdin: boolean;
  readonly terminal?: TerminalSize;
}

export interface RunRequest extends ExecRequest {
  readonly name?: string;
  readonly networks: readonly NetworkAttachment[];
  /** Forget the task when it has ended; otherwise it stays in the list until `vipmesh task rm`. */
  readonly remove: boolean;
}

/** A process being attached to. With a terminal everything arrives on `stdout`. */
export interface ExecSession {
  readonly taskId: string;
  readonly stdin: NodeJS.WritableStream | undefined;
  readonly stdout: NodeJS.ReadableStream;
  readonly stderr: NodeJS.ReadableStream | undefined;
  resize(size: TerminalSize): void;
  /** Sends a signal to the process (`SIGINT`, `SIGTERM`, …). */
  kill(signal: NodeJS.Signals): void;
  /** 0 to 255, or 128 + signal. Resolves after the streams have ended. */
  readonly exited: Promise<number>;
}

export interface StackRequest {
  readonly networks: readonly NetworkSpec[];
  readonly services: readonly ServiceSpec[];
}

export interface StackResult {
  /** `network overlay1 created`, `service vote updated`, `service old removed`, `… unchanged`. */
  readonly changes: readonly string[];
}

/** What is absent stays as it is. */
export interface NodeUpdate {
  readonly availability?: Availability;
  readonly labelsAdd?: Labels;
  /** Keys of labels. */
  readonly labelsRemove?: readonly string[];
}

export interface StackInfo {
  readonly name: string;
  readonly services: number;
  readonly networks: number;
}

export interface ServiceSummary extends ServiceObject {
  readonly running: number;
  /** As many tasks as it is to have: its replicas, or one for each node that may have one. */
  readonly wanted: number;
  /** Of its tasks that are to stop: how many wait for flows to end, and for how many flows. */
  readonly draining: { readonly tasks: number; readonly flows: number };
  /** Why it has fewer tasks than it should: one sentence. Absent when that is only a matter of time. */
  readonly problem?: string;
  /** Published ports of it that a node does not serve, and why: one sentence each. Absent: none that is known of. */
  readonly portProblems?: readonly { readonly node: string; readonly port: string; readonly message: string }[];
}

export interface TaskSummary extends TaskObject {
  /** Flows that it still has, while it is to stop and waits for them. */
  readonly flows?: number;
  /** Milliseconds for which it still gets no new flow, because connects to it failed. Absent: it is not ejected. */
  readonly ejectedFor?: number;
}

/** A flow of either way of balancing. What the kernel does not tell of its own is absent. */
export interface FlowSummary extends Omit<FlowRecord, 'bytesIn' | 'bytesOut' | 'age' | 'idle' | 'path'>, Partial<Pick<FlowRecord, 'bytesIn' | 'bytesOut' | 'age' | 'idle'>> {
  readonly path: FlowRecord['path'] | 'kernel';
  /** Of both directions together, where nothing else is known. */
  readonly bytes?: number;
}

/** A service on a network, or one of its published ports, and who balances it. */
export interface OffloadRecord {
  readonly service: string;
  readonly serviceId: string;
  readonly network: string;
  /** `8080/tcp`; absent: the VIP. */
  readonly port?: string;
  readonly mode: OffloadMode;
  readonly state: OffloadState;
  /** Packet mark; absent while nothing is installed. */
  readonly mark?: number;
  /** Absent: this host has none. */
  readonly driver?: DriverName;
  /** When the state began, milliseconds since the epoch. */
  readonly since?: number;
  /** Flows that userspace ever opened toward the endpoints that it has now. */
  readonly opened: number;
  /** Flows that the kernel has now. */
  readonly kernelFlows: number;
  /** Why it is not offloaded, or what failed. */
  readonly reason?: string;
}

/** What is installed for a service in the sandbox of one network, or on the host for its published ports, as commands that do it by hand. */
export interface OffloadCommands {
  readonly network: string;
  /** Absent: in the network's sandbox. */
  readonly place?: 'host';
  /** Of a sandbox: what a command is to be preceded by, to be carried out there. */
  readonly enter?: string;
  readonly commands: readonly string[];
}

export interface DoctorCheck {
  readonly name: string;
  readonly status: 'ok' | 'partial' | 'missing';
  /** What was found. */
  readonly detail: string;
  /** What it is for. */
  readonly need: string;
  readonly remedy?: string;
}

export interface Control {
  info(): Promise<AgentInfo>;
  shutdown(): Promise<void>;

  networks(): Promise<NetworkObject[]>;
  network(ref: string): Promise<NetworkObject>;
  createNetwork(spec: NetworkSpec): Promise<NetworkObject>;
  removeNetwork(ref: string): Promise<void>;

  services(): Promise<ServiceSummary[]>;
  service(ref: string): Promise<ServiceSummary>;
  createService(spec: ServiceSpec): Promise<ServiceObject>;
  /** Whole new spec; the name cannot change. */
  updateService(ref: string, spec: ServiceSpec): Promise<ServiceObject>;
  scaleService(ref: string, replicas: number): Promise<ServiceObject>;
  /** To what it was before its last update. */
  rollBackService(ref: string): Promise<ServiceObject>;
  removeService(ref: string): Promise<void>;
  /** Newest first within a slot; ended tasks included (the last 5 of a slot are kept). */
  serviceTasks(ref: string): Promise<TaskSummary[]>;
  serviceLogs(ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>;

  tasks(): Promise<TaskSummary[]>;
  task(ref: string): Promise<TaskSummary>;
  removeTask(ref: string): Promise<void>;
  taskLogs(ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>;
  exec(ref: string, request: ExecRequest): Promise<ExecSession>;
  run(request: RunRequest): Promise<ExecSession>;

  deployStack(name: string, request: StackRequest): Promise<StackResult>;
  stacks(): Promise<StackInfo[]>;
  removeStack(name: string): Promise<StackResult>;

  nodes(): Promise<NodeObject[]>;
  node(ref: string): Promise<NodeObject>;
  updateNode(ref: string, update: NodeUpdate): Promise<NodeObject>;
  /** Of a node that is down; with `force` also while it has tasks that have not ended, as far as is known. */
  removeNode(ref: string, force: boolean): Promise<void>;
  flows(): Promise<FlowSummary[]>;
  /** By service, then network, then port. */
  offloads(): Promise<OffloadRecord[]>;
  /** One for each network on which something is installed. */
  offloadCommands(ref: string): Promise<OffloadCommands[]>;
  doctor(): Promise<DoctorCheck[]>;
}
