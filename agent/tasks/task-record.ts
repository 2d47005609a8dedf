/**
 * What is kept of a task that may outlive its agent, in two files of its runtime directory. Pure: their text, and what
 * follows from it; survivors.ts reads and writes them.
 *
 *   process.json   by the agent, in one step, before the command may run: which processes it is, and what a further process in
 *                  it needs to know
 *   fate           by process 1 of the task: nothing yet, then a line `begun`, then a line with the command's exit code
 *
 * A task without `begun` never ran: its agent was killed in the middle of the start. One that began and left no exit code
 * was killed with its process 1.
 */
import { isSameAlive, type ProcessIdentity, type ProcessStat } from './process-tree.js';

export interface TaskRecord {
  /** See `bootId`: of another boot, its pids are anybody's. */
  readonly boot: string;
  /** Parent of the shell; ends with it. */
  readonly helper: ProcessIdentity;
  /** Process 1 of the task. */
  readonly shell: ProcessIdentity;
  /** The command. */
  readonly main: ProcessIdentity;
  /** The command's whole environment, and where it started: an exec gets the same. */
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  /** Between SIGTERM and SIGKILL, for whoever ends it without knowing its service. Milliseconds. */
  readonly stopGracePeriod: number;
}

export interface Fate {
  /** The command was let go. */
  readonly begun: boolean;
  /** 0 to 255, or 128 + signal. */
  readonly exitCode?: number;
}

/** `running`: it is there. `ended`: it ran, and is no more. `nothing`: there is nothing to adopt. */
export type Condition = 'running' | 'ended' | 'nothing';

/** Exit code of a command that was killed with all of its task: nobody was left to note one. */
export const KILLED = 128 + 9;

export function formatRecord(record: TaskRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/** Undefined for what no agent of this version wrote. */
export function parseRecord(text: string): TaskRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { boot, helper, shell, main, env, workdir, stopGracePeriod } = value;
  if (typeof boot !== 'string' || typeof workdir !== 'string' || !isCount(stopGracePeriod)) return undefined;
  if (!isIdentity(helper) || !isIdentity(shell) || !isIdentity(main) || !isEnvironment(env)) return undefined;
  return { boot, helper, shell, main, env, workdir, stopGracePeriod };
}

/** A line counts once its end is there. */
export function parseFate(text: string): Fate {
  const [first, second] = text.split('\n').slice(0, -1);
  if (first !== 'begun') return { begun: false };
  return second !== undefined && /^\d{1,3}$/.test(second) ? { begun: true, exitCode: Number(second) } : { begun: true };
}

/** @param boot of now @param shell what /proc shows under the pid of the record's shell */
export function conditionOf(record: TaskRecord | undefined, fate: Fate, boot: string, shell: ProcessStat | undefined): Condition {
  if (record === undefined || record.boot !== boot || !fate.begun) return 'nothing';
  return isSameAlive(record.shell, shell) ? 'running' : 'ended';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Signals to pid 0 or 1 would reach more than a task. */
function isIdentity(value: unknown): value is ProcessIdentity {
  return isObject(value) && isCount(value.pid) && value.pid > 1 && isCount(value.startTime);
}

function isEnvironment(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((entry) => typeof entry === 'string');
}
