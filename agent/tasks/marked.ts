/**
 * Processes by a variable of their environment (proc(5), /proc/PID/environ): what tells a task's processes where nothing else holds
 * them together. Every descendant has what its task was started with, unless it was given another environment, or has written over
 * its own. Only processes of this user can be read, and none is ours that cannot.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { signalProcess, statOf } from './process-tree.js';

/** Names the task, and the node that runs it: 12 hexadecimal digits each. */
export const TASK_MARK = 'VIPMESH_TASK_ID';
export const NODE_MARK = 'VIPMESH_NODE_ID';

const POLL_MS = 5;

/** Pids of those that live, but for this process itself. */
export function markedProcesses(name: string, value: string): number[] {
  const entry = `${name}=${value}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid && isMarked(name, entry))
    .map(Number)
    .filter((pid) => !['Z', 'X', undefined].includes(statOf(pid)?.state));
}

/** Kills them until none is left, or the time is over. Answers how many there were. @param deadline milliseconds */
export async function killMarked(name: string, value: string, deadline: number): Promise<number> {
  const killed = new Set<number>();
  const end = performance.now() + deadline;
  for (let pids = markedProcesses(name, value); pids.length > 0 && performance.now() < end; pids = markedProcesses(name, value)) {
    for (const pid of pids) {
      killed.add(pid);
      signalProcess(pid, 'SIGKILL');
    }
    await wait(POLL_MS);
  }
  return killed.size;
}

function isMarked(pid: string, entry: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(entry);
  } catch {
    // Another user's, or gone.
    return false;
  }
}
