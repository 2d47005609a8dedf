/**
 * Services and tasks in memory, with a reconciler that is called as the agent calls it: at every step, and at `wakeAt`.
 * Tasks do as they are told by the test; `step` answers what the reconciler wanted, as text.
 */
import type { ServiceObject, TaskObject, TaskStatus } from '../../../../overlay/model/object.js';
import type { ServiceSpec } from '../../../../overlay/model/spec.js';
import { isEnded } from '../../../../overlay/model/task-state.js';
import type { Memory } from '../../../../overlay/service/reconcile.js';
import { reconcile } from '../../../../overlay/service/reconcile.js';
import { EPOCH, serviceObject } from '../fixtures.js';

export class SmallWorld {
  now = EPOCH;
  services: ServiceObject[] = [];
  tasks: TaskObject[] = [];
  memory: Memory = new Map();
  wakeAt: number | undefined;
  #made = 0;

  add(name: string, more: Partial<ServiceSpec> = {}): void {
    this.services.push(serviceObject(name, more));
  }

  /** @param newVersion what tasks run has changed */
  update(name: string, more: Partial<ServiceSpec>, newVersion: boolean): void {
    this.services = this.services.map((service) => (service.id === name ? { ...service, spec: { ...service.spec, ...more }, version: service.version + (newVersion ? 1 : 0) } : service));
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
      if (isEnded(task)) continue;
      if (task.desired === 'shutdown') this.mark(task.id, { state: 'shutdown' });
      else if (task.status.state === 'pending' || task.status.state === 'starting') this.mark(task.id, { state: 'running' });
    }
  }

  /** Time passes, then the reconciler is asked once and obeyed. Ids are t1, t2, … in the order of creation. */
  step(milliseconds = 0): string[] {
    this.now += milliseconds;
    const { actions, memory, wakeAt } = reconcile(this.services, this.tasks, this.memory, this.now);
    this.memory = memory;
    this.wakeAt = wakeAt;
    return actions.map((action) => {
      switch (action.type) {
        case 'create':
          return `create ${action.serviceId}.${action.slot} ${this.#create(action.serviceId, action.slot)}`;
        case 'stop':
          this.tasks = this.tasks.map((task) => (task.id === action.taskId ? { ...task, desired: 'shutdown' } : task));
          return `stop ${action.taskId} ${action.reason}`;
        case 'forget':
          this.tasks = this.tasks.filter(({ id }) => id !== action.taskId);
          return `forget ${action.taskId}`;
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

  #create(serviceId: string, slot: number): string {
    const service = this.services.find(({ id }) => id === serviceId);
    if (!service) throw new Error(`no service ${serviceId}`);
    const id = `t${++this.#made}`;
    const at = new Date(this.now).toISOString();
    const { task: spec } = service.spec;
    this.tasks.push({
      id, name: id, serviceId, slot, spec, version: service.version, labels: {}, node: 'n', addresses: [], desired: 'running',
      status: { state: 'pending', since: at, health: spec.healthcheck ? 'starting' : 'none' }, createdAt: at,
    });
    return id;
  }
}
