/**
 * What keeps the processes of a task together: how a further one gets in, and how all of them are ended. Either the kernel does, with a
 * PID namespace whose process 1 is the task's shell; or nobody does, and they are told by a variable of their environment.
 */
import { removeTaskFiles } from './name-files.js';
import { killChain, type LaunchedProcesses } from './launch.js';
import { killMarked, TASK_MARK } from './marked.js';
import { isAlive, signalProcess } from './process-tree.js';

export interface Confinement {
  /** Words before the shell of a further process. Empty: it starts as any other. */
  readonly enter: readonly string[];
  /** SIGKILL to every process of the task. */
  killAll(): void;
  /** Resolves when nothing is left of the task, once its command has ended. */
  emptied(): Promise<void>;
}

const GONE_POLL_MS = 5;
/** What SIGKILL may take, of processes that wait for a disk. */
const KILL_MS = 5000;

/** @param enter see tools.ts for nsenter @param directory the task's files, which go with it */
export function namespaced({ helper, shell }: LaunchedProcesses, enter: readonly string[], directory: string): Confinement {
  return {
    enter,
    // The end of process 1 is everybody's end: the kernel sees to that before it reports it (zap_pid_ns_processes).
    killAll: () => {
      const victim = [shell, helper].find(isAlive);
      if (victim) signalProcess(victim.pid, 'SIGKILL');
    },
    emptied: async () => {
      // The helper waits for the shell, unless somebody killed the helper: then the shell's end is yet to come.
      while (isAlive(shell)) await new Promise((resolve) => setTimeout(resolve, GONE_POLL_MS));
      removeTaskFiles(directory);
    },
  };
}

/** @param id of the task, by which its processes are marked */
export function marked({ shell }: LaunchedProcesses, id: string): Confinement {
  return {
    enter: [],
    killAll: () => {
      if (isAlive(shell)) killChain(shell.pid, true);
      void killMarked(TASK_MARK, id, KILL_MS);
    },
    emptied: async () => {
      await killMarked(TASK_MARK, id, KILL_MS);
    },
  };
}
