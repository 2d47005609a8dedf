/** Whether a service has become what was asked for, judged from what is observed. Pure; the waiting is in wait.ts. */
import type { ServiceObject, TaskObject } from '../../overlay/model/object.js';
import { isCurrent, isEnded } from '../../overlay/model/task-state.js';
import type { ServiceSummary } from '../control.js';
import { errorText } from './views/tasks.js';

export type Convergence =
  | { readonly state: 'converged' }
  /** `message` is for a progress line. */
  | { readonly state: 'waiting'; readonly ready: number; readonly message: string }
  /** It will not get there by itself. */
  | { readonly state: 'failed'; readonly message: string; readonly remedy?: string };

/** A slot whose tasks failed this often without ever being ready is given up on (the agent goes on trying). */
const HOPELESS_FAILURES = 3;

/**
 * @param now milliseconds since the epoch, by this host's clock
 * @param version to which the service was updated, if it is an update that is waited for
 */
export function convergence(service: ServiceObject & Partial<Pick<ServiceSummary, 'problem' | 'wanted'>>, tasks: readonly TaskObject[], now: number, version?: number): Convergence {
  const { wanted = service.spec.replicas, updateStatus } = service;
  const isBack = version !== undefined && service.version > version && updateStatus?.state.startsWith('rollback') === true;
  const why = updateStatus?.message === undefined ? '' : `: ${updateStatus.message}`;
  if (isBack && updateStatus?.state === 'rollback_completed') return { state: 'failed', message: `the update was rolled back${why}` };
  // One that goes back when it fails is only done when it can no longer fail.
  const isUndecided = isBack || (version !== undefined && updateStatus?.state === 'updating' && service.spec.update.failureAction === 'rollback');
  const current = tasks.filter((task) => isCurrent(task, service));
  const ready = current.filter((task) => isReady(task, now)).length;
  // With a policy that does not restart, a task that has done its work is as good as one that runs.
  const done = service.spec.restart.condition === 'any' ? 0 : current.filter(({ status }) => status.state === 'complete').length;
  // A task that failed was meant to run to its end, and for ever after.
  const surplus = tasks.filter((task) => task.desired === 'running' && !isEnded(task) && (!isCurrent(task, service) || task.slot > wanted));
  if (surplus.length === 0 && ready + done >= wanted && !isUndecided) return { state: 'converged' };
  if (updateStatus?.state === 'paused' || updateStatus?.state === 'rollback_paused') return pausedUpdate(service, `${updateStatus.state === 'paused' ? 'the update' : 'the rollback'} is paused${why}`);
  const hopeless = isUndecided ? undefined : hopelessTask(service, current.filter((task) => task.version === service.version), now);
  if (hopeless) return { state: 'failed', message: failureOf(hopeless) };
  const newest = current.find(({ status }) => status.state === 'failed' && status.message !== undefined);
  return { state: 'waiting', ready, message: isBack ? `(rolling back${why})` : service.problem ?? (newest ? errorText(newest.status) : '') };
}

function pausedUpdate({ spec: { name } }: ServiceObject, message: string): Convergence {
  return { state: 'failed', message, remedy: `mend it with 'vipmesh service update', go on with 'vipmesh service update --resume ${name}', or go back with 'vipmesh service rollback ${name}'` };
}

/** A command that could not be executed: 125 to 127, with more to say than that a process ended with that code. */
function neverStarted({ exitCode = 0, message = '' }: TaskObject['status']): boolean {
  return exitCode >= 125 && exitCode <= 127 && message !== '' && !/^(exited|unhealthy)\b/.test(message);
}

function failureOf({ name, status }: TaskObject): string {
  const why = errorText(status);
  return `${name} ${neverStarted(status) ? 'does not start' : 'failed'}${why === '' ? '' : `: ${why}`}`;
}

/** Without a health check, a task that has run for this long is taken to have started. Milliseconds. */
const STABLE_AFTER = 1000;

/** Healthy, or, where that is not checked, running for long enough not to have failed at once. */
export function isReady({ desired, status }: TaskObject, now: number): boolean {
  if (desired !== 'running' || status.state !== 'running') return false;
  return status.health === 'none' ? now - Date.parse(status.since) >= STABLE_AFTER : status.health === 'healthy';
}

function hopelessTask(service: ServiceObject, current: readonly TaskObject[], now: number): TaskObject | undefined {
  const limit = service.spec.restart.condition === 'none' ? 1 : Math.min(HOPELESS_FAILURES, (service.spec.restart.maxAttempts ?? Infinity) + 1);
  for (const slot of new Set(current.map((task) => task.slot))) {
    const own = current.filter((task) => task.slot === slot);
    const failed = failedInARow(own);
    if (failed.length >= limit && !own.some((task) => isReady(task, now))) return failed[0];
  }
  return undefined;
}

/** Newest first. What had failed before a task that was stopped as asked, or did its work, is a matter of the past. */
function failedInARow(slot: readonly TaskObject[]): TaskObject[] {
  const ended = slot.filter(isEnded).sort((one, other) => Date.parse(other.createdAt) - Date.parse(one.createdAt));
  const other = ended.findIndex(({ status }) => status.state !== 'failed');
  return other < 0 ? ended : ended.slice(0, other);
}
