/**
 * What every composition root has of the control plane: the mirror of the store, who is told by it, and what goes back into the store.
 *
 *   store ─► mirror ─► leadership, members, orchestrator   services → tasks
 *                  └─► onChange, the node's                tasks → processes
 */
import type { Context } from '../overlay/model/context.js';
import type { TaskObject } from '../overlay/model/object.js';
import { markTask } from '../overlay/service/tasks.js';
import { troublesKey } from '../overlay/store/keys.js';
import type { Store } from '../overlay/store/store.js';
import { Leadership } from './cluster/leader.js';
import { Members } from './cluster/members.js';
import type { Presence } from './cluster/registration.js';
import type { StaticInfo } from './intent/daemon-control.js';
import type { TaskLogs } from './intent/logs.js';
import type { DaemonOptions } from './lifecycle/program.js';
import type { Lifetime } from './lifetime.js';
import type { Logger } from './log.js';
import { OutageLog } from './outage-log.js';
import { Mirror } from './reconcile/mirror.js';
import { NodeProblems } from './reconcile/node-problems.js';
import { Orchestrator } from './reconcile/orchestrator.js';
import { StatusWriter } from './reconcile/status-writer.js';
import type { ObservedStatus } from './reconcile/task-runner.js';

export interface ControlPlaneParts {
  readonly nodeId: string;
  readonly store: Store;
  readonly presence: Presence;
  readonly logs: TaskLogs;
  readonly context: Context;
  readonly log: Logger;
  readonly lifetime: Pick<Lifetime, 'undo'>;
  /** What is wanted of this node may have changed, or who is its neighbour. Not called before `start`. */
  readonly onChange: () => void;
}

export class ControlPlane {
  readonly mirror: Mirror;
  readonly members: Members;
  readonly leadership: Leadership;
  readonly statuses: StatusWriter;
  readonly problems: NodeProblems;
  readonly #orchestrator: Orchestrator;
  readonly #following = new AbortController();

  constructor(private readonly parts: ControlPlaneParts) {
    const { nodeId, store, presence, logs, context, log, lifetime, onChange } = parts;
    const { clock } = context;
    this.leadership = new Leadership({ store, nodeId, context, log, onChange: () => this.#orchestrator.request() });
    lifetime.undo.push(() => this.leadership.close());
    const changed = (): void => {
      this.#orchestrator.request();
      onChange();
    };
    const outages = new OutageLog(log, clock, 'the store cannot be followed, trying again', 'the store is followed again');
    this.mirror = new Mirror(
      store,
      clock,
      () => {
        outages.works();
        presence.observe(this.mirror.nodes.has(nodeId) && this.mirror.alive.has(nodeId), this.mirror.revision);
        this.leadership.observe(this.mirror.leader);
        this.members.observe();
        changed();
        logs.keepOnly((id) => this.mirror.tasks.has(id));
      },
      (error) => outages.failed(error),
    );
    this.members = new Members({ own: nodeId, mirror: this.mirror, store, clock, onChange: changed });
    lifetime.undo.push(() => this.members.close());
    this.#orchestrator = new Orchestrator(this.leadership, this.mirror, this.members, context, log);
    this.statuses = new StatusWriter(
      (taskId, observed) => markTask(store, taskId, observed, context),
      clock,
      (error) => log.error('the state of a task cannot be stored, trying again', { err: error }),
    );
    this.problems = new NodeProblems({ clock, log, write: (all) => presence.put(troublesKey(nodeId), all) });
  }

  /** What the node sees of a task of its own. */
  noteStatus(task: TaskObject, observed: ObservedStatus): void {
    this.statuses.write(task, observed);
    if (observed.state === 'failed' || observed.state === 'complete' || observed.state === 'shutdown') this.parts.logs.ended(task.id);
  }

  /** The mirror shows all that was noted of a task here. */
  isShown(taskId: string): boolean {
    return !this.statuses.isWriting(taskId) && this.mirror.revision >= this.parts.store.committed;
  }

  /** Leaves the cluster when the lifetime ends, before what was built until now is taken down. */
  leaveFirst(): void {
    const { presence, lifetime } = this.parts;
    lifetime.undo.push(
      () => this.#orchestrator.close(),
      // Others are to know it before the tasks stop, and to have a leader.
      () => presence.close(),
      () => this.problems.close(),
      () => this.leadership.close(),
      () => this.#following.abort(),
    );
  }

  /** Resolves when the mirror has all that the store has. Rejects with StoreError. */
  start(): Promise<void> {
    return this.mirror.start(this.#following.signal);
  }
}

/** What `status` tells of every agent. */
export function ownInfo({ nodeName, nodeId, version, mode, pid, startedAt, paths, cluster }: DaemonOptions): Omit<StaticInfo, 'maxFlows' | 'workers'> {
  return {
    name: nodeName,
    nodeId,
    version,
    mode,
    pid,
    startedAt,
    stateDirectory: paths.stateDirectory,
    socket: paths.socket,
    store: cluster === undefined ? { kind: 'embedded' } : { kind: 'etcd', cluster: cluster.cluster, members: cluster.members },
  };
}

/** Counters under one name: `{ 'relay.connections': 3 }`. */
export function prefixed(prefix: string, counters: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).map(([name, value]) => [`${prefix}.${name}`, value]));
}
