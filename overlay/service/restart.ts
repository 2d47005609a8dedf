/**
 * When does a slot whose task ended by itself get another? Pure: the restart policy and what is remembered of the slot's
 * earlier failures decide. An end counts as a failure of the slot whatever its exit code; the delay doubles with every one
 * in a row, and begins anew after a task that ran for long enough.
 */
import type { TaskObject } from '../model/object.js';
import type { RestartPolicy } from '../model/spec.js';
import { isEnded } from '../model/task-state.js';

/** Longest delay between restarts, unless the policy's first delay is longer. Milliseconds. */
export const MAX_DELAY = 30_000;
/** A task that ran for this long has not failed to start: its slot's failures are forgotten. Milliseconds. */
export const STABLE_AFTER = 10_000;

/** What is remembered of a slot between two looks. */
export interface SlotMemory {
  /** Task that was looked at last. */
  readonly task: string;
  /** The task's version: failures of another version do not count. */
  readonly version: number;
  /** When it was first seen running, in milliseconds since the epoch. */
  readonly runningSince?: number;
  /** True once its end was counted. */
  readonly counted: boolean;
  /** Ends in a row, without one after a stable run. */
  readonly failures: number;
}

export type RestartDecision =
  | { readonly type: 'now' }
  /** `time` is in milliseconds since the epoch. */
  | { readonly type: 'at'; readonly time: number }
  /** The slot's work is done, as far as the policy goes. */
  | { readonly type: 'complete' }
  /** It failed more often than the policy allows. */
  | { readonly type: 'gave-up' };

/**
 * What to remember of a slot, given what was remembered and the slot's newest task. Without memory (a new agent) the ended
 * records that are still there are counted, `earlier` being those before `latest`, newest first.
 */
export function remember(memory: SlotMemory | undefined, latest: TaskObject, earlier: readonly TaskObject[]): SlotMemory {
  const before = memory === undefined ? countFailures(earlier, latest.version) : memory.version === latest.version ? memory.failures : 0;
  const same = memory?.task === latest.id ? memory : undefined;
  const runningSince = latest.status.state === 'running' ? Date.parse(latest.status.since) : same?.runningSince;
  const current = { task: latest.id, version: latest.version, ...(runningSince === undefined ? {} : { runningSince }) };
  if (!endedByItself(latest)) return { ...current, counted: false, failures: before };
  if (same?.counted) return same;
  return { ...current, counted: true, failures: isStable(latest, runningSince) ? 1 : before + 1 };
}

/** When to make the next task of a slot whose newest task, `latest`, has ended. @param now milliseconds since the epoch */
export function decideRestart(policy: RestartPolicy, latest: TaskObject, memory: SlotMemory, now: number): RestartDecision {
  if (!endedByItself(latest)) return { type: 'now' };
  if (policy.condition === 'none' || (policy.condition === 'on-failure' && latest.status.state === 'complete')) return { type: 'complete' };
  if (policy.maxAttempts !== undefined && memory.failures > policy.maxAttempts) return { type: 'gave-up' };
  const delay = backOff(policy.delay, memory.failures);
  // A clock that was set back must not hold a slot empty for longer than the delay.
  const time = Math.min(Date.parse(latest.status.since), now) + delay;
  return time <= now ? { type: 'now' } : { type: 'at', time };
}

/** @param failures at least 1 */
export function backOff(delay: number, failures: number): number {
  return Math.min(delay * 2 ** Math.min(failures - 1, 32), Math.max(MAX_DELAY, delay));
}

/** It ended, and nobody had asked it to. */
function endedByItself(task: TaskObject): boolean {
  return isEnded(task) && task.status.state !== 'shutdown' && task.desired === 'running';
}

/** A task that was never seen running is taken to have run since it was made. */
function isStable(task: TaskObject, runningSince = Date.parse(task.createdAt)): boolean {
  return Date.parse(task.status.since) - runningSince >= STABLE_AFTER;
}

function countFailures(earlier: readonly TaskObject[], version: number): number {
  let failures = 0;
  for (const task of earlier) {
    if (!endedByItself(task) || task.version !== version) break;
    failures += 1;
    if (isStable(task)) break;
  }
  return failures;
}
