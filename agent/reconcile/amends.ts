/**
 * Where the store is wrong about tasks of this node, when it is as new as what the node has told it. That is after it was restored from a copy
 * which is older than their end or their start: nothing else would tell it again, and every node would send traffic to who is gone. Pure.
 */
import type { TaskObject } from '../../overlay/model/object.js';
import { isEnded } from '../../overlay/model/task-state.js';
import type { ObservedStatus } from './task-runner.js';

/** What this node knows of its tasks. */
export interface Known {
  /** What was told last of a task that has a runner; undefined: there is no runner. */
  told(taskId: string): ObservedStatus | 'nothing yet' | undefined;
  /** It has, or had, a runner. */
  begun(taskId: string): boolean;
}

export interface Amend {
  readonly task: TaskObject;
  readonly observed: ObservedStatus;
}

/** @param self host name of this node */
export function amends(tasks: Iterable<TaskObject>, self: string, known: Known): Amend[] {
  const found: Amend[] = [];
  for (const task of tasks) {
    if (task.node !== self || isEnded(task)) continue;
    const told = known.told(task.id);
    if (told === 'nothing yet') continue;
    if (told) {
      if (told.state !== task.status.state) found.push({ task, observed: told });
    } else if (task.status.state !== 'pending' || known.begun(task.id)) {
      // Not `failed`: that would count against an update which was under way when the copy was made.
      found.push({ task, observed: { state: 'shutdown', message: 'it had ended before the store was restored from a copy' } });
    }
  }
  return found;
}
