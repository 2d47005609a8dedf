/**
 * Memory in use: of processes, and of the whole machine (which has the kernel's sockets in it, of all four hosts).
 */
import fs from 'node:fs';

/** `Pss:  1234 kB` or `MemTotal:  1234 kB`, in bytes. Throws when there is no such line. */
export function parseKilobytes(text: string, name: string): number {
  const value = new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1];
  if (value === undefined) throw new Error(`no line ${name}`);
  return Number(value) * 1024;
}

/** Proportional set size of processes that may share memory with each other, bytes. One that has ended has none. */
export function bytesOf(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    try {
      sum += parseKilobytes(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'), 'Pss');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' && (error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  return sum;
}

/** Bytes that are not available to a new process (proc_meminfo(5)). */
export function bytesInUse(): number {
  const text = fs.readFileSync('/proc/meminfo', 'utf8');
  return parseKilobytes(text, 'MemTotal') - parseKilobytes(text, 'MemAvailable');
}
