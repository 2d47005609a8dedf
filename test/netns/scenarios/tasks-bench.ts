/**
 * What the scenarios of agent/tasks share: a namespace to start tasks in, and looks at what they do.
 */
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { ExecSession } from '../../../agent/control.js';
import { startTask, type TaskOutput, type TaskProcess } from '../../../agent/tasks/task.js';
import { createNamespace, type Namespace } from '../../../kernel/netns/netns.js';
import { pollUntil } from '../../support/poll-until.js';

export const ID = 'ab12cd34ef56';

export interface StartOptions {
  output?: TaskOutput;
  env?: Record<string, string>;
  workdir?: string;
}

export interface Bench {
  readonly directory: string;
  readonly namespace: Namespace;
  readonly start: (command: readonly string[], options?: StartOptions) => Promise<TaskProcess>;
}

export function bench(): Bench {
  // Timers of a Clock do not keep a process alive; an agent has its servers for that.
  setInterval(() => undefined, 1000);
  const directory = mkdtempSync(join(os.tmpdir(), 'tasks-'));
  const namespace = createNamespace(join(directory, 'netns'), 'task');
  return {
    directory,
    namespace,
    start: (command, { output = 'pipe', env = {}, workdir } = {}) =>
      startTask({ id: ID, namespace, command, env, addresses: ['10.0.1.5'], directory: join(directory, 'task'), output, ...(workdir !== undefined && { workdir }) }),
  };
}

/** What a task printed, and its exit code. */
export async function outcome(task: TaskProcess): Promise<{ stdout: string; stderr: string; exitCode: number }> {
  const session = task.session!;
  const [stdout, stderr] = await Promise.all([text(session.stdout), session.stderr ? text(session.stderr) : '']);
  const { exitCode } = await task.exited;
  return { stdout, stderr, exitCode };
}

export async function sessionOutcome(session: ExecSession): Promise<{ stdout: string; stderr: string; exitCode: number }> {
  const [stdout, stderr, exitCode] = await Promise.all([text(session.stdout), session.stderr ? text(session.stderr) : '', session.exited]);
  return { stdout, stderr, exitCode };
}

/** Processes of this test host whose command line holds `mark`. */
export function processesWith(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(mark);
      } catch {
        return false;
      }
    });
}

/** Waits until a session has written the line `word`. Its output flows from then on. */
export async function onceSays(session: ExecSession, word: string): Promise<void> {
  let seen = '';
  const listen = (chunk: Buffer): void => void (seen += chunk.toString());
  session.stdout.on('data', listen);
  await pollUntil(`it says ${word}`, () => seen.includes(`${word}\n`));
  session.stdout.off('data', listen);
}
