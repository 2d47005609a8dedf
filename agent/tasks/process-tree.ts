/**
 * Processes as /proc shows them (proc(5)): whose child is whose. Pids are those of the agent's pid namespace.
 */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessStat {
  /** `Z` when it has ended and nobody has asked for its status yet. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  /** Clock ticks after boot: with the pid it names one process for ever. */
  readonly startTime: number;
}

/** Parses /proc/PID/stat. The second field is the command's name in parentheses, which may hold anything. */
export function parseStat(text: string): ProcessStat | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).trim().split(' ');
  const [state, parent, group] = fields;
  const startTime = fields[19];
  if (state === undefined || parent === undefined || group === undefined || startTime === undefined) return undefined;
  return { state, parent: Number(parent), group: Number(group), startTime: Number(startTime) };
}

/** Undefined when there is no such process. */
export function statOf(pid: number): ProcessStat | undefined {
  const text = readProc(`${pid}/stat`);
  return text === undefined ? undefined : parseStat(text);
}

/** Empty when there is no such process. */
export function childrenOf(pid: number): number[] {
  const text = readProc(`${pid}/task/${pid}/children`);
  if (text !== undefined) return text.split(' ').filter((field) => field !== '').map(Number);
  return statOf(pid) === undefined ? [] : scanForChildren(pid);
}

/** The slow way, for a kernel without CONFIG_PROC_CHILDREN. */
export function scanForChildren(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => statOf(child)?.parent === pid);
}

function readProc(name: string): string | undefined {
  try {
    return readFileSync(`/proc/${name}`, 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

/** Sends a signal. A process that is gone is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
