/**
 * Counting garbage collections: the one half for the process that is measured, the other for the test that starts it.
 * The process has a young generation of 1 MiB, so that a byte per turn in a million turns makes a difference of one.
 */
import { execFile } from 'node:child_process';
import { constants, performance, PerformanceObserver, type PerformanceEntry } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface Measured {
  readonly scavenges: number;
  /** Of the old generation. */
  readonly others: number;
  readonly milliseconds: number;
}

/** Runs `warmUp` eight times with pauses, for the compiler works in turns of its own, then `work` once. */
export async function measure(warmUp: () => void, work: () => void): Promise<Measured> {
  const collections: { minor: boolean; at: number }[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & { detail: { kind: number } })[]) {
      collections.push({ minor: entry.detail.kind === constants.NODE_PERFORMANCE_GC_MINOR, at: entry.startTime });
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  for (let turn = 0; turn < 8; turn++) {
    warmUp();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const start = performance.now();
  work();
  const end = performance.now();
  // Entries come on a later turn of the event loop.
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  observer.disconnect();
  const during = collections.filter(({ at }) => at >= start && at <= end);
  const scavenges = during.filter(({ minor }) => minor).length;
  return { scavenges, others: during.length - scavenges, milliseconds: end - start };
}

/**
 * Runs a compiled script of test/support as such a process and answers what it printed as JSON. The optimising compiler does
 * its work at once instead of on a thread of its own, where a busy machine may leave hot code in the interpreter, which
 * allocates, for as long as the measurement lasts.
 */
export async function runMeasured<T>(script: string, ...args: string[]): Promise<T> {
  const path = fileURLToPath(new URL(`./${script}.js`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--max-semi-space-size=1', '--no-concurrent-recompilation', path, ...args], { timeout: 600_000 });
  return JSON.parse(stdout) as T;
}
