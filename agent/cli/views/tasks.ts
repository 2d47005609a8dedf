/** Tasks as rows: Docker's columns of `service ps`, and what a network engineer asks next. */
import type { TaskObject, TaskState } from '../../../overlay/model/object.js';
import { isEnded } from '../../../overlay/model/task-state.js';
import type { TaskSummary } from '../../control.js';
import { ago } from '../io/units.js';
import { addressText, truncated, type View } from './view.js';

const STATE_WORD: Readonly<Record<TaskState, string>> = {
  pending: 'Pending',
  starting: 'Starting',
  running: 'Running',
  stopping: 'Stopping',
  complete: 'Complete',
  failed: 'Failed',
  shutdown: 'Shutdown',
};

/** @param wall milliseconds since the epoch, for the ages @param noTrunc errors in full, as that of a row without a task always is (problems.ts) */
export function taskView(wall: number, noTrunc = false): View<TaskSummary> {
  return {
    columns: [
      { heading: 'ID', cell: ({ id }) => id },
      { heading: 'NAME', cell: ({ name }) => name },
      { heading: 'NODE', cell: ({ node }) => node },
      { heading: 'DESIRED', cell: (task) => (isWanted(task) ? 'Running' : 'Shutdown') },
      { heading: 'CURRENT STATE', cell: (task) => `${stateText(task)} ${ago(task.status.since, wall)}${ejectionText(task)}` },
      { heading: 'HEALTH', cell: (task) => (task.status.health === 'none' || isEnded(task) ? '' : task.status.health) },
      // What has ended has given its addresses back: they may be another's.
      { heading: 'ADDRESS', cell: (task) => (isEnded(task) ? '' : task.addresses.map(addressText).join(',')) },
      { heading: 'PID', cell: ({ status }) => (status.pid === undefined ? '' : String(status.pid)) },
      { heading: 'ERROR', cell: (task) => (noTrunc || task.id === '' ? troubleText(task) : truncated(troubleText(task))) },
    ],
    id: ({ id }) => id,
    raw: (task) => task,
  };
}

function stateText({ status, flows }: TaskSummary): string {
  if (status.state !== 'stopping' || flows === undefined) return STATE_WORD[status.state];
  return `Draining (${flows} ${flows === 1 ? 'flow' : 'flows'})`;
}

function ejectionText({ status, ejectedFor = 0 }: TaskSummary): string {
  return status.state === 'running' && ejectedFor > 0 ? `, ejected for ${Math.ceil(ejectedFor / 1000)} s` : '';
}

/** A task that has ended is not started again, whatever was wanted of it: another takes its place. */
export function isWanted(task: TaskObject): boolean {
  return task.desired === 'running' && !isEnded(task);
}

/** Why it is to stop is told as long as it cannot: its node is down. */
function troubleText({ desired, status }: TaskObject): string {
  return errorText(status) || (desired === 'shutdown' && status.state === 'running' ? (status.message ?? '') : '');
}

/** Nothing for a task that is well, or that was told to stop. */
export function errorText({ state, message, exitCode }: TaskObject['status']): string {
  if (state === 'running' || state === 'shutdown' || state === 'complete') return '';
  if (message !== undefined) return message;
  return state === 'failed' && exitCode !== undefined ? `exit code ${exitCode}` : '';
}
