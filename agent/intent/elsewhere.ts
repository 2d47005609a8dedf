/** What can only be had on the node that runs a task: its processes, and what it has written. */
import type { TaskObject } from '../../overlay/model/object.js';
import { ControlError } from '../control.js';

/** @param node host name of this node @param what `a command in it can be run`; throws ControlError that names the right node */
export function assertHere(task: Pick<TaskObject, 'name' | 'node'>, node: string, what: string): void {
  if (task.node !== node) throw new ControlError('conflict', `task ${task.name} is on node ${task.node}, and ${what} only there`, `repeat the command on ${task.node}`);
}
