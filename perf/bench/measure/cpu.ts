/**
 * CPU time that the whole machine has spent, from /proc/stat: processes, kernel, interrupts. The clock ticks at 100 Hz.
 */
import fs from 'node:fs';

const TICKS_PER_SECOND = 100;

/** Seconds since boot, all cores together, neither idle nor waiting nor stolen (proc_stat(5), the line `cpu`). */
export function parseCpuSeconds(stat: string): number {
  const line = /^cpu +(.*)$/m.exec(stat)?.[1];
  if (line === undefined) throw new Error('/proc/stat has no line cpu');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line.split(' ').map(Number);
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
}

export function cpuSeconds(): number {
  return parseCpuSeconds(fs.readFileSync('/proc/stat', 'utf8'));
}
