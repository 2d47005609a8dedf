/**
 * From what services ask for and what tasks there are to what is to be done: pure, and called again after every change and
 * at `wakeAt`. It answers actions for the agent to carry out; carrying one out twice, or not at all, is harmless, since the
 * next call looks at what is there.
 *
 * Slots 1 to `replicas` of a service each have one task that is meant to run. Within a slot things are stop-first: a new
 * task is made when the old one has ended. After an update, slots are replaced one at a time, and the next only when every
 * slot that was begun serves. A task that is merely pending or starting is left alone, however long it takes.
 *
 * Tasks of no service (one-off runs) are none of its business, and neither is health by itself: an unhealthy task gets no
 * traffic, but it is not replaced.
 */
import type { ServiceObject, TaskObject } from '../model/object.js';
import { isEnded, isServing } from '../model/task-state.js';
import type { SlotMemory } from './restart.js';
import { decideRestart, remember } from './restart.js';

/** Ended tasks that stay on record, for each slot. */
export const KEEP_ENDED = 5;

export type StopReason = 'service-removed' | 'scaled-down' | 'updated' | 'surplus';

export type Action =
  | { readonly type: 'create'; readonly serviceId: string; readonly slot: number }
  | { readonly type: 'stop'; readonly taskId: string; readonly reason: StopReason }
  /** Remove the record of an ended task. */
  | { readonly type: 'forget'; readonly taskId: string };

/** What one call leaves for the next, by `<service id>/<slot>`. Empty at the start. */
export type Memory = ReadonlyMap<string, SlotMemory>;

export interface Reconciled {
  /** Stops, then forgets, then creations. */
  readonly actions: readonly Action[];
  /** When to call again even if nothing changes, in milliseconds since the epoch. */
  readonly wakeAt?: number;
  readonly memory: Memory;
}

interface Slot {
  readonly number: number;
  /** Meant to run and not ended; the one to keep first. */
  readonly current: readonly TaskObject[];
  /** Told to stop, and not ended yet. */
  readonly leaving: readonly TaskObject[];
  /** Newest first. */
  readonly ended: readonly TaskObject[];
}

/** @param now milliseconds since the epoch */
export function reconcile(services: readonly ServiceObject[], tasks: readonly TaskObject[], memory: Memory, now: number): Reconciled {
  const plan: Plan = { stops: [], forgets: [], creations: [], remembered: new Map(), wakeAt: Infinity };
  const tasksOf = groupByService(tasks);
  for (const service of services) {
    planService(plan, service, slotsOf(service, tasksOf.get(service.id) ?? []), memory, now);
    tasksOf.delete(service.id);
  }
  for (const orphan of [...tasksOf.values()].flat()) {
    if (isEnded(orphan)) forget(plan, orphan);
    else if (orphan.desired === 'running') stop(plan, orphan, 'service-removed');
  }
  const actions = [...plan.stops, ...plan.forgets, ...plan.creations];
  return { actions, memory: plan.remembered, ...(plan.wakeAt === Infinity ? {} : { wakeAt: plan.wakeAt }) };
}

interface Plan {
  readonly stops: Action[];
  readonly forgets: Action[];
  readonly creations: Action[];
  readonly remembered: Map<string, SlotMemory>;
  wakeAt: number;
}

function stop(plan: Plan, task: TaskObject, reason: StopReason): void {
  plan.stops.push({ type: 'stop', taskId: task.id, reason });
}

function forget(plan: Plan, task: TaskObject): void {
  plan.forgets.push({ type: 'forget', taskId: task.id });
}

function planService(plan: Plan, service: ServiceObject, slots: readonly Slot[], memory: Memory, now: number): void {
  const { replicas } = service.spec;
  for (const { ended } of slots) for (const task of ended.slice(KEEP_ENDED)) forget(plan, task);
  for (const { current } of slots.filter(({ number }) => number > replicas).reverse()) for (const task of current) stop(plan, task, 'scaled-down');

  const outdated: TaskObject[] = [];
  let settled = true;
  for (const slot of slots.filter(({ number }) => number <= replicas)) {
    const [kept, ...surplus] = slot.current;
    for (const task of surplus) stop(plan, task, 'surplus');
    const decision = decideSlot(service, slot, memory, plan.remembered, now);
    if (decision === 'create') plan.creations.push({ type: 'create', serviceId: service.id, slot: slot.number });
    else if (typeof decision === 'number') plan.wakeAt = Math.min(plan.wakeAt, decision);
    if (kept && kept.version !== service.version) outdated.push(kept);
    else if (decision !== 'complete' && !(kept && isServing(kept))) settled = false;
  }
  // What serves nobody goes first: replacing it costs nothing, and may be what the update is for.
  const next = outdated.find((task) => !isServing(task)) ?? outdated[0];
  if (next && settled) stop(plan, next, 'updated');
}

type SlotDecision = 'occupied' | 'create' | 'complete' | 'gave-up' | number;

/** Whether the slot gets a new task: now, at a time, or not. Adds to `remembered` what to know of it next time. */
function decideSlot(service: ServiceObject, slot: Slot, memory: Memory, remembered: Map<string, SlotMemory>, now: number): SlotDecision {
  const latest = slot.current[0] ?? slot.leaving[0] ?? slot.ended[0];
  if (!latest) return 'create';
  const key = `${service.id}/${slot.number}`;
  const known = remember(memory.get(key), latest, slot.ended.filter((task) => task !== latest));
  remembered.set(key, known);
  if (!isEnded(latest)) return 'occupied';
  if (latest.version !== service.version) return 'create';
  const decision = decideRestart(service.spec.restart, latest, known, now);
  switch (decision.type) {
    case 'now':
      return 'create';
    case 'at':
      return decision.time;
    default:
      return decision.type;
  }
}

/** Slots 1 to replicas, and any other that has tasks, in order. */
function slotsOf(service: ServiceObject, tasks: readonly TaskObject[]): Slot[] {
  const bySlot = new Map<number, TaskObject[]>();
  for (let number = 1; number <= service.spec.replicas; number++) bySlot.set(number, []);
  for (const task of tasks) {
    const found = bySlot.get(task.slot);
    if (found) found.push(task);
    else bySlot.set(task.slot, [task]);
  }
  return [...bySlot]
    .sort(([a], [b]) => a - b)
    .map(([number, all]) => ({
      number,
      current: all.filter((task) => !isEnded(task) && task.desired === 'running').sort(bestFirst),
      leaving: all.filter((task) => !isEnded(task) && task.desired === 'shutdown').sort(newestFirst),
      ended: all.filter(isEnded).sort(newestFirst),
    }));
}

function groupByService(tasks: readonly TaskObject[]): Map<string, TaskObject[]> {
  const groups = new Map<string, TaskObject[]>();
  for (const task of tasks) {
    if (task.serviceId === undefined) continue;
    const group = groups.get(task.serviceId);
    if (group) group.push(task);
    else groups.set(task.serviceId, [task]);
  }
  return groups;
}

/** The newest version, of that one that serves, of these the oldest. */
function bestFirst(a: TaskObject, b: TaskObject): number {
  return b.version - a.version || Number(isServing(b)) - Number(isServing(a)) || -newestFirst(a, b);
}

/** By creation; ISO times of one form sort as text. Ids only make the order definite. */
function newestFirst(a: TaskObject, b: TaskObject): number {
  return compareText(b.createdAt, a.createdAt) || compareText(b.status.since, a.status.since) || compareText(b.id, a.id);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
