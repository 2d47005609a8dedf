/**
 * How an update goes on, given how each slot stands: how many slots may be begun, and when the update is over: completed, paused,
 * or to be rolled back. Pure.
 *
 * A slot fails an update when a task that was made in it ends by itself within `monitor` after it began to serve, or without ever
 * having served. It counts once, however often its tasks fail.
 */
import type { ServiceObject, TaskObject, UpdateStatus } from '../model/object.js';
import type { UpdatePolicy } from '../model/spec.js';
import { isEnded } from '../model/task-state.js';
import type { Slot } from './slots.js';

/** What is remembered of a slot for updates. */
export interface Progress {
  /** The task that was seen to serve, and since when by this node's clock. */
  readonly serving?: { readonly task: string; readonly since: number };
  /** The newest task that was looked at while it lived. */
  readonly watched?: string;
  /** What failed the update to `version`. */
  readonly failure?: { readonly version: number; readonly task: TaskObject };
}

/** How one slot stands. */
export interface Standing {
  readonly state: 'settled' | 'begun' | 'due';
  /** The task of this very version that serves, since when. */
  readonly madeSince?: number;
  readonly failure?: TaskObject;
}

export interface Outlook {
  /** How many slots may be begun now. */
  readonly budget: number;
  /** When to look again, milliseconds since the epoch, or Infinity. */
  readonly wakeAt: number;
  /** What the update has come to. */
  readonly status?: UpdateStatus;
  /** It is to be rolled back, for this reason. */
  readonly rollback?: string;
}

/** Nothing more is replaced for the sake of an update. */
export function isPaused({ updateStatus }: ServiceObject): boolean {
  return updateStatus?.state === 'paused' || updateStatus?.state === 'rollback_paused';
}

/** An update or a rollback goes on, and what fails is counted. */
export function isInProgress({ updateStatus }: ServiceObject): boolean {
  return updateStatus?.state === 'updating' || updateStatus?.state === 'rollback_started';
}

/** The one that holds now. */
export function policyOf({ spec, updateStatus }: ServiceObject): UpdatePolicy {
  return updateStatus?.state.startsWith('rollback') === true ? spec.rollback : spec.update;
}

/** @param now milliseconds since the epoch */
export function outlook(service: ServiceObject, slots: readonly Standing[], now: number): Outlook {
  if (isPaused(service)) return { budget: 0, wakeAt: Infinity };
  const policy = policyOf(service);
  const failures = slots.flatMap(({ failure }) => failure ?? []);
  const [failure] = failures;
  if (isInProgress(service) && failure && failures.length / slots.length > policy.maxFailureRatio && policy.failureAction !== 'continue') {
    const why = `${failures.length > 1 ? `${failures.length} of ${slots.length} tasks failed, ` : ''}${failureText(failure)}`;
    if (policy.failureAction === 'rollback' && service.previousSpec) return { budget: 0, wakeAt: Infinity, rollback: why };
    return { budget: 0, wakeAt: Infinity, status: statusOf(service, service.updateStatus?.state === 'updating' ? 'paused' : 'rollback_paused', now, why) };
  }
  const waits = slots.flatMap(({ madeSince }) => (madeSince === undefined ? [] : [madeSince + policy.delay]));
  const cooling = waits.filter((until) => until > now);
  // What has failed, and is borne with, holds nothing up.
  const begun = slots.filter((slot) => slot.state === 'begun' && !(isInProgress(service) && slot.failure)).length;
  const isLeft = slots.some(({ state }) => state === 'due');
  const budget = Math.max(0, (policy.parallelism === 0 ? Infinity : policy.parallelism) - begun - cooling.length);
  if (isLeft) return { budget, wakeAt: Math.min(Infinity, ...cooling) };
  return { budget, ...completion(service, slots, begun, now, policy.monitor) };
}

function completion(service: ServiceObject, slots: readonly Standing[], begun: number, now: number, monitor: number): Pick<Outlook, 'wakeAt' | 'status'> {
  if (!isInProgress(service) || begun > 0) return { wakeAt: Infinity };
  const over = Math.max(...slots.map(({ madeSince }) => (madeSince === undefined ? -Infinity : madeSince + monitor)));
  if (over > now) return { wakeAt: over };
  return { wakeAt: Infinity, status: statusOf(service, service.updateStatus?.state === 'updating' ? 'completed' : 'rollback_completed', now, service.updateStatus?.message) };
}

function statusOf({ updateStatus }: ServiceObject, state: UpdateStatus['state'], now: number, message?: string): UpdateStatus {
  const at = new Date(now).toISOString();
  return { state, startedAt: updateStatus?.startedAt ?? at, completedAt: at, ...(message !== undefined && { message }) };
}

/** `vote.1.7d… failed: no such program` */
function failureText({ name, status }: TaskObject): string {
  const { message, exitCode, state } = status;
  if (message !== undefined) return `${name} failed: ${message}`;
  return exitCode === undefined ? `${name} ended (${state})` : `${name} failed: exit code ${exitCode}`;
}

/** What to remember of a slot after this look; undefined: nothing. @param serves the slot's good task does @param now milliseconds since the epoch */
export function observe(before: Progress | undefined, service: ServiceObject, { good: [task], ended }: Pick<Slot, 'good' | 'ended'>, serves: boolean, now: number): Progress | undefined {
  const failed = before?.failure?.version === service.version ? before.failure.task : ended.findLast((each) => hasFailed(each, service, before));
  if (!task && !failed) return undefined;
  return {
    ...(task && serves && { serving: before?.serving?.task === task.id ? before.serving : { task: task.id, since: servingSince(task, now) } }),
    ...(task && { watched: task.id }),
    ...(failed && { failure: { version: service.version, task: failed } }),
  };
}

/** With a health check, when it was first seen to be healthy; a clock of another node that is ahead lengthens nothing. */
function servingSince({ spec, status }: TaskObject, now: number): number {
  return spec.healthcheck ? now : Math.min(Date.parse(status.since), now);
}

function hasFailed(task: TaskObject, service: ServiceObject, before: Progress | undefined): boolean {
  const { state, since } = task.status;
  if (!isEnded(task) || task.version !== service.version || state === 'shutdown' || task.desired === 'shutdown') return false;
  if (state === 'complete' && service.spec.restart.condition !== 'any') return false;
  const isKnown = before?.watched === task.id;
  if (isKnown && before.serving?.task !== task.id) return true;
  const start = isKnown && before.serving ? before.serving.since : Date.parse(task.createdAt);
  return Date.parse(since) - start <= policyOf(service).monitor;
}

