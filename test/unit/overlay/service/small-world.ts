/**
 * Services and tasks in memory, with a reconciler that is called as the agent calls it: at every step, and at `wakeAt`.
 * Tasks do as they are told by the test; `step` answers what the reconciler wanted, as text.
 */
import type { ServiceObject, TaskObject, TaskStatus } from '../../../../overlay/model/object.js';
import type { ServiceSpec } from '../../../../overlay/model/spec.js';
import { isEnded } from '../../../../overlay/model/task-state.js';
import type { PlacementNode } from '../../../../overlay/service/placement.js';
import type { Action, Memory } from '../../../../overlay/service/reconcile.js';
import { reconcile } from '../../../../overlay/service/reconcile.js';
import { EPOCH, serviceObject } from '../fixtures.js';

/** Up and active, unless `more` says otherwise. */
export function placementNode(hostname: string, more: Partial<PlacementNode> = {}): PlacementNode {
  return { id: `id-${hostname}`, hostname, labels: {}, mode: 'root', availability: 'active', up: true, ...more };
}

export class SmallWorld {
  now = EPOCH;
  services: ServiceObject[] = [];
  tasks: TaskObject[] = [];
  nodes: PlacementNode[] = [placementNode('n')];
  memory: Memory = new Map();
  wakeAt: number | undefined;
  problems: ReadonlyMap<string, string> = new Map();
  #made = 0;

  add(name: string, more: Partial<ServiceSpec> = {}): void {
    this.services.push(serviceObject(name, more));
  }

  /** @param newVersion what tasks run has changed */
  update(name: string, more: Partial<ServiceSpec>, newVersion: boolean): void {
    this.services = this.services.map((service) => (service.id === name ? { ...service, spec: { ...service.spec, ...more }, version: service.version + (newVersion ? 1 : 0) } : service));
  }

  /** As services.ts does it: everything that runs is replaced. */
  updateTasks(name: string, more: Partial<ServiceSpec> = {}): void {
    const { spec, version } = this.#service(name);
    const updateStatus = { state: 'updating' as const, startedAt: new Date(this.now).toISOString() };
    this.#replace(name, { spec: { ...spec, ...more }, version: version + 1, previousSpec: spec, previousVersions: [version], updateStatus });
  }

  rollBack(name: string): void {
    const { spec, version, previousSpec = spec, previousVersions = [] } = this.#service(name);
    const updateStatus = { state: 'rollback_started' as const, startedAt: new Date(this.now).toISOString() };
    this.#replace(name, { spec: previousSpec, version: version + 1, sameVersions: previousVersions, previousSpec: spec, previousVersions: [version], updateStatus });
  }

  /** @param more of the node with that host name */
  node(hostname: string, more: Partial<PlacementNode>): void {
    this.nodes = this.nodes.map((node) => (node.hostname === hostname ? { ...node, ...more } : node));
  }

  /** `1:n1 2:n2`: the live tasks that are meant to run, by slot. */
  where(serviceId: string): string {
    const live = this.tasks.filter((task) => task.serviceId === serviceId && task.desired === 'running' && !isEnded(task));
    return live.sort((a, b) => a.slot - b.slot || (a.node < b.node ? -1 : 1)).map(({ slot, node }) => `${slot}:${node}`).join(' ');
  }

  #service(name: string): ServiceObject {
    const found = this.services.find(({ id }) => id === name);
    if (!found) throw new Error(`no service ${name}`);
    return found;
  }

  #replace(name: string, more: Partial<ServiceObject>): void {
    this.services = this.services.map((service) => (service.id === name ? { ...service, ...more } : service));
  }

  mark(id: string, status: Partial<TaskStatus>): void {
    const at = new Date(this.now).toISOString();
    this.tasks = this.tasks.map((task) =>
      task.id === id ? { ...task, status: { ...task.status, ...status, since: status.state !== undefined && status.state !== task.status.state ? at : task.status.since } } : task,
    );
  }

  /** The live task of a slot. */
  live(serviceId: string, slot: number): TaskObject {
    const found = this.tasks.find((task) => task.serviceId === serviceId && task.slot === slot && !isEnded(task));
    if (!found) throw new Error(`no live task in ${serviceId}.${slot}`);
    return found;
  }

  /** Everything that is pending or starting runs, and what was told to stop has stopped. */
  obey(): void {
    for (const task of this.tasks) {
      // A node that is down does nothing.
      if (isEnded(task) || this.nodes.some(({ hostname, up }) => hostname === task.node && !up)) continue;
      if (task.desired === 'shutdown') this.mark(task.id, { state: 'shutdown' });
      else if (task.status.state === 'pending' || task.status.state === 'starting') this.mark(task.id, { state: 'running' });
    }
  }

  /** Time passes, then the reconciler is asked once and obeyed. Ids are t1, t2, … in the order of creation. */
  step(milliseconds = 0): string[] {
    this.now += milliseconds;
    const { actions, memory, wakeAt, problems } = reconcile(this.services, this.tasks, this.memory, this.now, this.nodes);
    this.memory = memory;
    this.wakeAt = wakeAt;
    this.problems = problems;
    return actions.map((action) => {
      switch (action.type) {
        case 'create':
          return `create ${action.serviceId}.${action.slot} ${this.#create(action)}`;
        case 'stop':
          this.tasks = this.tasks.map((task) => (task.id === action.taskId ? { ...task, desired: 'shutdown' } : task));
          return `stop ${action.taskId} ${action.reason}`;
        case 'forget':
          this.tasks = this.tasks.filter(({ id }) => id !== action.taskId);
          return `forget ${action.taskId}`;
        case 'note-update':
          this.#replace(action.serviceId, { updateStatus: action.status });
          return `note ${action.serviceId} ${action.status.state}${action.status.message === undefined ? '' : `: ${action.status.message}`}`;
        case 'roll-back':
          this.rollBack(action.serviceId);
          return `roll back ${action.serviceId}: ${action.reason}`;
      }
    });
  }

  /** Steps, obeying, until nothing more is wanted; answers everything that was. */
  settle(): string[] {
    const all: string[] = [];
    for (let steps = 0; steps < 1000; steps++) {
      this.obey();
      const actions = this.step();
      if (actions.length === 0) return all;
      all.push(...actions);
    }
    throw new Error(`it does not settle: ${all.slice(-10).join(', ')}`);
  }

  #create({ serviceId, slot, node }: Action & { readonly type: 'create' }): string {
    const service = this.#service(serviceId);
    const id = `t${++this.#made}`;
    const at = new Date(this.now).toISOString();
    const { task: spec } = service.spec;
    this.tasks.push({
      id, name: id, serviceId, slot, spec, version: service.version, labels: {}, node, addresses: [], desired: 'running',
      status: { state: 'pending', since: at, health: spec.healthcheck ? 'starting' : 'none' }, createdAt: at,
    });
    return id;
  }
}
