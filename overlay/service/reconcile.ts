/**
 * From what services ask for, what tasks there are and which nodes, to what is to be done: pure, and called again after every
 * change and at `wakeAt`. It answers actions for the agent to carry out; carrying one out twice, or not at all, is harmless,
 * since the next call looks at what is there.
 *
 * Each slot of a service (slots.ts) has one task that is meant to run; placement.ts says where. A task gives way to another when
 * its service was updated, as rollout.ts says; when its node is drained, or fulfils the constraints no more; and when its node
 * has been down for longer than its grace. Stop-first, the new task is made when the old one has ended, and of those that leave
 * their nodes one goes at a time, the next when no other slot of the service is on its way. Start-first, the new one is made at
 * once, and the old one is told to stop when the new one serves. A task that is merely pending or starting is left alone,
 * however long it takes.
 *
 * Tasks of no service (one-off runs) are none of its business, and neither is health by itself: an unhealthy task gets no
 * traffic, but it is not replaced.
 */
import type { ServiceObject, TaskObject } from '../model/object.js';
import { isEnded, isServing } from '../model/task-state.js';
import type { PlacementNode } from './placement.js';
import { NODE_GRACE } from './placement.js';
import type { Memory, Reconciled, Remembered } from './plan.js';
import { Plan } from './plan.js';
import { decideRestart, remember } from './restart.js';
import type { Standing } from './rollout.js';
import { isPaused, observe, outlook, policyOf } from './rollout.js';
import type { Due, Slot } from './slots.js';
import { Fleet, newestFirst, slotsOf } from './slots.js';

export type { Action, Memory, Reconciled, StopReason } from './plan.js';

/** Ended tasks that stay on record, for each slot. */
export const KEEP_ENDED = 5;

/** @param now milliseconds since the epoch @param grace how long a node may be down until its tasks are made elsewhere, milliseconds */
export function reconcile(
  services: readonly ServiceObject[], tasks: readonly TaskObject[], memory: Memory, now: number, nodes: readonly PlacementNode[], grace = NODE_GRACE,
): Reconciled {
  const plan = new Plan(new Fleet(nodes, now, grace), tasks, memory);
  const tasksOf = groupByService(tasks);
  for (const service of services) {
    const own = tasksOf.get(service.id) ?? [];
    plan.look(service, own, () => planService(plan, service, own));
    tasksOf.delete(service.id);
  }
  for (const orphan of [...tasksOf.values()].flat()) {
    if (isEnded(orphan)) plan.forget(orphan);
    else if (orphan.desired === 'running') plan.stop(orphan, 'service-removed');
  }
  return plan.result;
}

function planService(plan: Plan, service: ServiceObject, tasks: readonly TaskObject[]): void {
  const slots = slotsOf(service, tasks, plan.fleet);
  for (const { ended, node } of slots) {
    const isOfNobody = node !== undefined && plan.fleet.node(node) === undefined;
    for (const task of ended.slice(isOfNobody ? 0 : KEEP_ENDED)) plan.forget(task);
  }
  for (const { lost } of slots) for (const task of lost) if (task.desired === 'running') plan.stop(task, 'node-down');
  for (const { good, due, node } of slots.filter(({ wanted }) => wanted === 'no').reverse()) {
    for (const task of good) plan.stop(task, 'scaled-down');
    for (const { task, reason } of due) plan.stop(task, node === undefined ? 'scaled-down' : reason);
  }
  const startFirst = policyOf(service).order === 'start-first';
  const looked = slots.filter(({ wanted }) => wanted === 'yes').map((slot) => look(plan, service, slot, startFirst));
  for (const { slot, due, decision } of looked) if (due === undefined) goOn(plan, service, slot, decision);
  const moved = planMoves(plan, service, looked, startFirst);
  planUpdate(plan, service, looked, startFirst, moved);
}

/** A slot, and what is to be known of it. */
interface Looked {
  readonly slot: Slot;
  /** It has no other task. */
  readonly due?: Due;
  readonly decision: SlotDecision;
  /** Its tasks end again and again. */
  readonly failing: boolean;
  readonly standing: Standing;
}

/** Ends what is too many in a slot, and says how it stands. */
function look(plan: Plan, service: ServiceObject, slot: Slot, startFirst: boolean): Looked {
  const { now } = plan.fleet;
  const [kept, ...doubles] = slot.good;
  const [outgoing, ...others] = slot.due;
  const serves = kept !== undefined && isServing(kept);
  for (const task of [...doubles, ...others.map((due) => due.task)]) plan.stop(task, 'surplus');
  if (kept && outgoing) {
    if (serves) plan.stop(outgoing.task, outgoing.reason);
    else if (startFirst) plan.discount(outgoing.task);
    else plan.stop(outgoing.task, 'surplus');
  }
  const due = kept ? undefined : outgoing;

  const before = plan.recall(slot.key);
  const latest = latestOf(slot, startFirst);
  const restart = latest && remember(before?.restart, latest, slot.ended.filter((task) => task !== latest));
  const progress = observe(before?.progress, service, slot, serves, now);
  const remembered: Remembered = { ...(restart && { restart }), ...(progress && { progress }) };
  if (restart ?? progress) plan.remember(slot.key, remembered);
  const decision = latest ? decide(service, slot, latest, remembered, startFirst, now) : 'create';

  const isRetried = due !== undefined && latest !== undefined && latest !== due.task && latest.version === service.version;
  const isDone = serves || (kept === undefined && due === undefined && decision === 'complete');
  const standing: Standing = {
    state: isDone ? 'settled' : due && !isRetried ? 'due' : 'begun',
    ...(serves && kept.version === service.version && progress?.serving && { madeSince: progress.serving.since }),
    ...(progress?.failure && { failure: progress.failure.task }),
  };
  return { slot, decision, failing: decision === 'gave-up' || endsAgainAndAgain(slot), standing, ...(due && { due }) };
}

function endsAgainAndAgain({ ended }: Slot): boolean {
  return ended.length > 1 && ended.slice(0, 2).every(({ status }) => status.state !== 'shutdown');
}

/** The task whose life says whether the slot gets another one; none: it gets one at once. */
function latestOf({ good, due, leaving, lost, ended }: Slot, startFirst: boolean): TaskObject | undefined {
  const [kept] = good;
  const [outgoing] = due;
  if (kept) return kept;
  if (outgoing) return startFirst ? ended.find((task) => newestFirst(task, outgoing.task) < 0) : outgoing.task;
  if (leaving[0] && !startFirst) return leaving[0];
  return [...leaving, ...lost, ...ended].sort(newestFirst)[0];
}

type SlotDecision = 'occupied' | 'create' | 'complete' | 'gave-up' | number;

/** Whether a slot gets another task: now, at a time, or not. */
function decide(service: ServiceObject, slot: Slot, latest: TaskObject, { restart }: Remembered, startFirst: boolean, now: number): SlotDecision {
  if (!isEnded(latest)) return slot.lost.includes(latest) || (startFirst && slot.leaving.includes(latest)) ? 'create' : 'occupied';
  if (latest.version !== service.version || !restart) return 'create';
  const decision = decideRestart(service.spec.restart, latest, restart, now);
  switch (decision.type) {
    case 'now':
      return 'create';
    case 'at':
      return decision.time;
    default:
      return decision.type;
  }
}

/** @param outgoing the task that is told to stop when the new one serves */
function goOn(plan: Plan, service: ServiceObject, slot: Slot, decision: SlotDecision, outgoing?: TaskObject): void {
  if (decision === 'create') plan.create(service, slot, outgoing);
  else if (typeof decision === 'number') plan.wake(decision);
}

/** Has tasks leave nodes that are no longer theirs. Answers how many were told to stop. */
function planMoves(plan: Plan, service: ServiceObject, looked: readonly Looked[], startFirst: boolean): number {
  const moves = looked.flatMap(({ slot, due, decision }) => (due && due.reason !== 'updated' ? [{ slot, due, decision }] : []));
  if (moves.length === 0) return 0;
  // Where there is no other place for them, nothing is gained by waiting.
  const hasPlace = plan.hasPlace(service);
  const now = moves.filter(({ due }) => !hasPlace || !isServing(due.task));
  const later = moves.filter(({ due }) => hasPlace && isServing(due.task));
  if (startFirst) for (const { slot, due, decision } of later) goOn(plan, service, slot, decision, due.task);
  else if (now.length === 0 && !looked.some(isOnItsWay)) now.push(...later.slice(0, 1));
  for (const { due } of now) plan.stop(due.task, due.reason);
  return now.length;
}

/** It will serve again, as far as is known. */
function isOnItsWay({ due, failing, standing }: Looked): boolean {
  return !failing && standing.state !== 'settled' && !(due && isServing(due.task));
}

/** @param moved slots that are begun for another reason */
function planUpdate(plan: Plan, service: ServiceObject, looked: readonly Looked[], startFirst: boolean, moved: number): void {
  const { budget, wakeAt, status, rollback } = outlook(service, looked.map(({ standing }) => standing), plan.fleet.now);
  const { id: serviceId, version } = service;
  if (status) plan.note({ type: 'note-update', serviceId, version, status });
  if (rollback !== undefined) plan.note({ type: 'roll-back', serviceId, version, reason: rollback });
  plan.wake(wakeAt);
  if (status || rollback !== undefined || isPaused(service)) return;
  const updates = looked.flatMap(({ slot, due, decision, standing }) => (due?.reason === 'updated' ? [{ slot, task: due.task, decision, isBegun: standing.state === 'begun' }] : []));
  for (const { slot, task, decision } of updates.filter(({ isBegun }) => isBegun)) goOn(plan, service, slot, decision, task);
  const waiting = updates.filter(({ isBegun }) => !isBegun);
  // What serves nobody goes first: replacing it costs nothing, and may be what the update is for.
  const inOrder = [...waiting.filter(({ task }) => !isServing(task)), ...waiting.filter(({ task }) => isServing(task))];
  for (const { slot, task, decision } of inOrder.slice(0, Math.max(0, budget - moved))) {
    if (startFirst && isServing(task)) goOn(plan, service, slot, decision, task);
    else plan.stop(task, 'updated');
  }
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
