/**
 * Tasks of other nodes as this one balances and names them: from the store, as long as their node is there. Pure.
 */
import type { TaskObject } from '../../overlay/model/object.js';
import type { LiveTask } from './project.js';

/** @param self host name of this node @param up host names of the nodes that are there */
export function remoteTasks(tasks: Iterable<TaskObject>, self: string, up: ReadonlySet<string>): LiveTask[] {
  const live: LiveTask[] = [];
  for (const task of tasks) if (task.node !== self && up.has(task.node)) live.push(...remoteTask(task));
  return live;
}

/**
 * What its own node has noted. It notes `running` when the task takes part there, and `stopping` before anything is done to it;
 * whoever has told a task to stop has told everyone. One that begins again (its agent was restarted) may have flows still.
 */
function remoteTask(task: TaskObject): LiveTask[] {
  const { state, health, listens } = task.status;
  if (state !== 'running' && state !== 'stopping' && state !== 'starting') return [];
  return [
    {
      task,
      phase: state === 'running' && task.desired === 'running' ? 'up' : 'draining',
      healthy: health === 'none' || health === 'healthy',
      ready: true,
      listens: listens === true,
      remote: true,
    },
  ];
}
