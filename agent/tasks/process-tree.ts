/**
 * Processes as /proc shows them (proc(5)): whose child is whose, and which is still the one it was. Pids are those of the
 * agent's pid namespace.
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

/** One process, for ever: its pid may be another's later, but not with the same start. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot. */
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

/** Undefined when there is no such process. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const stat = statOf(pid);
  return stat && { pid, startTime: stat.startTime };
}

/** Whether `stat`, of its pid, shows this very process, and that it has not ended. */
export function isSameAlive(identity: ProcessIdentity, stat: ProcessStat | undefined): boolean {
  return stat?.startTime === identity.startTime && stat.state !== 'Z' && stat.state !== 'X';
}

export function isAlive(identity: ProcessIdentity): boolean {
  return isSameAlive(identity, statOf(identity.pid));
}

/** The pid that a process has in its own pid namespace: last in the line NSpid of /proc/PID/status. Undefined when it is gone. */
export function pidWithin(pid: number): number | undefined {
  const numbers = /^NSpid:\t(.*)$/m.exec(readProc(`${pid}/status`) ?? '')?.[1]?.split('\t');
  return numbers && Number(numbers.at(-1));
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
