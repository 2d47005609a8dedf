/**
 * Runs a task's health command inside the task, one run at a time, when the tracker (proxy/health) says, and tells when the
 * task's health changes. What follows from that is the caller's.
 */
import type { HealthCheckSpec } from '../../overlay/model/spec.js';
import { HealthTracker, type TrackedHealth } from '../../proxy/health/tracker.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { ExecSession } from '../control.js';
import type { TaskProcess } from './task.js';

export interface HealthOptions {
  readonly process: Pick<TaskProcess, 'exec'>;
  readonly spec: HealthCheckSpec;
  readonly clock: Clock;
  /** Ends the watching; a run under way is killed. */
  readonly signal: AbortSignal;
  /** Called for each change after `starting`, with what the last run said: its last line, or why it has none. */
  readonly onChange: (health: TrackedHealth, detail: string) => void;
}

/** Kept of a run's output. */
const OUTPUT_BYTES = 4096;

export function watchHealth(options: HealthOptions): void {
  void new HealthWatch(options).run();
}

interface Outcome {
  readonly success: boolean;
  readonly detail: string;
}

class HealthWatch {
  readonly #options: HealthOptions;
  readonly #tracker: HealthTracker;

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#tracker = new HealthTracker(options.spec, options.clock.now());
  }

  async run(): Promise<void> {
    const { clock, signal, onChange } = this.#options;
    for (;;) {
      await this.#until(this.#tracker.nextProbeAt);
      if (signal.aborted) return;
      const outcome = await this.#probe();
      // A run that was cut short says nothing about the task.
      if (this.#aborted()) return;
      if (this.#tracker.record(outcome.success, clock.now())) onChange(this.#tracker.state, outcome.detail);
    }
  }

  #aborted(): boolean {
    return this.#options.signal.aborted;
  }

  /** Waits until `time`, or until the watching ends. */
  #until(time: number): Promise<void> {
    const { clock, signal } = this.#options;
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      if (signal.aborted || time <= clock.now()) return resolve();
      const cancel = clock.after(time - clock.now(), done);
      signal.addEventListener('abort', done);
    });
  }

  /** One run. The timeout counts from its start, setting it up included. */
  async #probe(): Promise<Outcome> {
    const { process, spec, clock, signal } = this.#options;
    let session: ExecSession | undefined;
    let over: 'timeout' | 'aborted' | undefined;
    const end = (why: 'timeout' | 'aborted'): void => {
      over ??= why;
      session?.kill('SIGKILL');
    };
    const onAbort = (): void => end('aborted');
    const cancel = clock.after(spec.timeout, () => end('timeout'));
    signal.addEventListener('abort', onAbort);
    try {
      session = await process.exec({ command: spec.command, stdin: false });
      if (over) session.kill('SIGKILL');
      const output = tailOf(session.stdout, session.stderr);
      const code = await session.exited;
      if (over) return { success: false, detail: `no result within ${spec.timeout} ms` };
      return { success: code === 0, detail: output() || `exit code ${code}` };
    } catch (error) {
      return { success: false, detail: error instanceof Error ? error.message : String(error) };
    } finally {
      cancel();
      signal.removeEventListener('abort', onAbort);
    }
  }
}

/** Reads streams to their end and answers the last line that came. */
function tailOf(...streams: (NodeJS.ReadableStream | undefined)[]): () => string {
  let text = '';
  for (const stream of streams) {
    stream?.on('data', (chunk: Buffer | string) => (text = (text + chunk.toString()).slice(-OUTPUT_BYTES)));
  }
  return () => text.trimEnd().split('\n').at(-1) ?? '';
}
