/** What reconcile.ts decides, as it is gathered: the actions, what is to be remembered, and where tasks are by then. */
import type { ServiceObject, TaskObject, UpdateStatus } from '../model/object.js';
import { chooseNode, Occupancy } from './placement.js';
import type { SlotMemory } from './restart.js';
import type { Progress } from './rollout.js';
import type { DueReason, Fleet, Slot } from './slots.js';

export type StopReason = DueReason | 'service-removed' | 'scaled-down' | 'surplus' | 'node-down';

export type Action =
  | { readonly type: 'create'; readonly serviceId: string; readonly slot: number; readonly node: string }
  | { readonly type: 'stop'; readonly taskId: string; readonly reason: StopReason }
  /** Remove the record of an ended task. */
  | { readonly type: 'forget'; readonly taskId: string }
  /** What the update to `version` has come to. */
  | { readonly type: 'note-update'; readonly serviceId: string; readonly version: number; readonly status: UpdateStatus }
  /** Back from `version` to the previous spec, for a reason: one sentence. */
  | { readonly type: 'roll-back'; readonly serviceId: string; readonly version: number; readonly reason: string };

/** What is remembered of a slot from one call to the next. */
export interface Remembered {
  readonly restart?: SlotMemory;
  readonly progress?: Progress;
}

/** What is remembered of a service. */
export interface ServiceMemory {
  /** By the slot's key. */
  readonly slots: ReadonlyMap<string, Remembered>;
  /** Nothing was to be done, nor will be at any later time, with just these objects, on nodes that stood so. */
  readonly idle?: { readonly service: ServiceObject; readonly tasks: readonly TaskObject[]; readonly fleet: string };
}

/** What one call leaves for the next, by the service's id. Empty at the start. */
export type Memory = ReadonlyMap<string, ServiceMemory>;

export interface Reconciled {
  /** Stops, then forgets, then creations, then what is to be noted of services. */
  readonly actions: readonly Action[];
  /** When to call again even if nothing changes, in milliseconds since the epoch. */
  readonly wakeAt?: number;
  readonly memory: Memory;
  /** Why a service has fewer tasks than it should, by the service's id. */
  readonly problems: ReadonlyMap<string, string>;
}

export class Plan {
  readonly #stops: Action[] = [];
  readonly #forgets: Action[] = [];
  readonly #creations: Action[] = [];
  readonly #notes: Action[] = [];
  readonly #remembered = new Map<string, ServiceMemory>();
  readonly #problems = new Map<string, string>();
  /** Counted when it is first asked for. */
  #counted: Occupancy | undefined;
  #wakeAt: number;
  /** Of the service that is looked at: its slots before, and now; and whether all is as it should be. */
  #before: ServiceMemory['slots'] = new Map();
  #slots = new Map<string, Remembered>();
  #isIdle = true;

  constructor(
    readonly fleet: Fleet,
    private readonly tasks: readonly TaskObject[],
    private readonly memory: Memory,
  ) {
    this.#wakeAt = fleet.nextLoss;
  }

  /** Plans a service, unless all is as it was when nothing was to be done. */
  look(service: ServiceObject, tasks: readonly TaskObject[], planService: () => void): void {
    const before = this.memory.get(service.id);
    const { idle } = before ?? {};
    if (before && idle && idle.service === service && idle.fleet === this.fleet.standing && isSame(idle.tasks, tasks)) {
      this.#remembered.set(service.id, before);
      return;
    }
    this.#before = before?.slots ?? new Map<string, Remembered>();
    this.#slots = new Map();
    this.#isIdle = true;
    planService();
    this.#remembered.set(service.id, { slots: this.#slots, ...(this.#isIdle && { idle: { service, tasks, fleet: this.fleet.standing } }) });
  }

  get #occupancy(): Occupancy {
    this.#isIdle = false;
    return (this.#counted ??= new Occupancy(this.tasks.filter(({ node }) => !this.fleet.isLost(node))));
  }

  get result(): Reconciled {
    const actions = [...this.#stops, ...this.#forgets, ...this.#creations, ...this.#notes];
    return { actions, memory: this.#remembered, problems: this.#problems, ...(this.#wakeAt === Infinity ? {} : { wakeAt: this.#wakeAt }) };
  }

  /** A task that is meant to run. */
  stop(task: TaskObject, reason: StopReason): void {
    this.#isIdle = false;
    this.#stops.push({ type: 'stop', taskId: task.id, reason });
    if (!this.fleet.isLost(task.node)) this.#occupancy.remove(task);
  }

  forget(task: TaskObject): void {
    this.#isIdle = false;
    this.#forgets.push({ type: 'forget', taskId: task.id });
  }

  note(action: Action & { readonly type: 'note-update' | 'roll-back' }): void {
    this.#isIdle = false;
    this.#notes.push(action);
  }

  /** @param outgoing the task that is told to stop when the new one serves */
  create(service: ServiceObject, slot: Slot, outgoing?: TaskObject): void {
    if (outgoing) this.discount(outgoing);
    const choice = slot.node === undefined ? chooseNode(service, this.fleet.nodes, this.#occupancy) : { node: { hostname: slot.node } };
    if ('problem' in choice) {
      this.#problems.set(service.id, choice.problem);
      return;
    }
    const node = choice.node.hostname;
    this.#creations.push({ type: 'create', serviceId: service.id, slot: slot.number, node });
    this.#occupancy.add({ serviceId: service.id, node });
  }

  /** A task that has a successor, and takes no room any more. */
  discount(task: TaskObject): void {
    this.#occupancy.remove(task);
  }

  /** A task of the service would find a node, or will when those are back that may be. */
  hasPlace(service: ServiceObject): boolean {
    return !('problem' in chooseNode(service, this.fleet.expected, this.#occupancy));
  }

  /** @param time milliseconds since the epoch, or Infinity */
  wake(time: number): void {
    if (time === Infinity) return;
    this.#isIdle = false;
    this.#wakeAt = Math.min(this.#wakeAt, time);
  }

  /** Of a slot of the service that is looked at. */
  recall(key: string): Remembered | undefined {
    return this.#before.get(key);
  }

  remember(key: string, remembered: Remembered): void {
    this.#slots.set(key, remembered);
  }
}

function isSame(a: readonly TaskObject[], b: readonly TaskObject[]): boolean {
  return a.length === b.length && a.every((task, index) => task === b[index]);
}
