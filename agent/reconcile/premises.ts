/**
 * Where tasks and VIPs live on a node: in sandboxes with a TUN each (sandbox-premises.ts), or among the sockets of a host that allows
 * nothing else (agent/sockets). What should be is the node's to say; this makes it so, and answers what it sees.
 */
import type { NetworkObject, ServiceObject, TaskObject } from '../../overlay/model/object.js';
import type { FlowRecord } from '../../proxy/dataplane/handle.js';
import type { ReadinessOptions } from '../tasks/readiness.js';
import type { Survivor } from '../tasks/survivors.js';
import type { TaskOutput, TaskProcess } from '../tasks/task.js';
import type { DesiredPort, World } from './project.js';

export interface Premises {
  /** Revision of the keys by which this node receives from others; 0: none. */
  readonly appliedKeys: number;
  /** What is made is looked after from now on, until `close`. */
  start(): void;
  /** The network as this node has it, or as it is in itself where the node is not on it. */
  localized(network: NetworkObject): NetworkObject;
  /** Makes ready what tasks on these networks need here, and every VIP. Answers what failed: it must not keep the others from being made. */
  prepare(needed: readonly NetworkObject[]): Promise<unknown[]>;
  /** A place for a task. `world`: what there is at that time; `survivor`: what an earlier agent left of it. */
  home(task: TaskObject, world: () => World, survivor: Survivor | undefined): TaskHome;
  /** Resolves when new flows to VIPs are decided by `world`, and names are answered by it. @param running tasks here that have a process */
  apply(world: World, running: readonly TaskObject[]): Promise<void>;
  /** What the relay is to listen to, by key. */
  ports(world: World): ReadonlyMap<string, DesiredPort>;
  flows(): Promise<FlowRecord[]>;
  /** Flows toward a task, as far as a drain waits for them. @param pid of its process, while there is one */
  flowsTo(task: TaskObject, pid: number | undefined): Promise<number>;
  /** Milliseconds for which a task gets no new flow somewhere because connects to it failed; 0: it is not ejected. */
  ejectedFor(task: TaskObject, service: ServiceObject): Promise<number>;
  /** Removes what no network needs any more; `busy`: a task is there still. Answers when to look again, on the clock. */
  removeUnneeded(busy: (networkId: string) => boolean): Promise<number | undefined>;
  close(): Promise<void>;
}

/** Where one task lives. Removed with the task. */
export interface TaskHome {
  /** Which sockets are the task's, where others' are in the same tables. */
  readonly sockets?: ReadinessOptions['within'];
  /** Makes it, connects it and starts the task's process. Rejects with TaskStartError, or why it could not be connected. */
  start(options: { readonly output: TaskOutput; readonly outlives: boolean }): Promise<TaskProcess>;
  /** Takes over what the survivor left; when it runs, rejects unless everything is as it was. */
  reopen(): Promise<void>;
  /** The steps that remove it, each to be taken whatever the others come to. */
  leave(): readonly (() => unknown)[];
}
