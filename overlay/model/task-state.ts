/** Questions about where a task is in its life. */
import type { Health, ServiceObject, TaskObject } from './object.js';
import type { TaskSpec } from './spec.js';

/** It has no process and never will again. */
export function isEnded(task: Pick<TaskObject, 'status'>): boolean {
  return task.status.state === 'complete' || task.status.state === 'failed' || task.status.state === 'shutdown';
}

/** It may be sent traffic: running, meant to run, and healthy as far as is asked. */
export function isServing(task: Pick<TaskObject, 'status' | 'desired'>): boolean {
  return task.status.state === 'running' && task.desired === 'running' && (task.status.health === 'none' || task.status.health === 'healthy');
}

/** It runs what the service says now. */
export function isCurrent(task: Pick<TaskObject, 'version'>, service: Pick<ServiceObject, 'version' | 'sameVersions'>): boolean {
  return task.version === service.version || service.sameVersions?.includes(task.version) === true;
}

/** Health of a task whose process has just begun. */
export function initialHealth(spec: TaskSpec): Health {
  return spec.healthcheck ? 'starting' : 'none';
}
