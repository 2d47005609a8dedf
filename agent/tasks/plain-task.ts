/**
 * A task without a namespace of its own: a process among the others of the host, with the agent's rights and its network. It is started
 * as a further process of a task is (exec.ts), on a leash, so that it ends with the agent.
 */
import type { Clock } from '../../proxy/time/clock.js';
import { systemClock } from '../../proxy/time/clock.js';
import { marked } from './confinement.js';
import { taskEnvironment } from './environment.js';
import { launch } from './launch.js';
import { TASK_MARK } from './marked.js';
import { EXEC_SCRIPT } from './setup-script.js';
import { launchOutput, TaskProcess, type TaskOutput } from './task.js';

export interface PlainTaskOptions {
  /** 12 hexadecimal digits. */
  readonly id: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What the task is told of where it is; `env` cannot change it. */
  readonly facts: Readonly<Record<string, string>>;
  /** Absolute. Absent: `/`. */
  readonly workdir?: string;
  /** A LogFile stays the caller's to close. */
  readonly output: TaskOutput;
  readonly clock?: Clock;
}

/** Rejects with TaskStartError when the command cannot be executed; nothing of it is left then. */
export async function startPlainTask(options: PlainTaskOptions): Promise<TaskProcess> {
  const { id, output, command, workdir = '/', clock = systemClock } = options;
  const terminal = typeof output === 'object' && 'terminal' in output;
  const env = { ...taskEnvironment({ id, env: options.env, terminal, host: process.env }), ...options.facts, [TASK_MARK]: id };
  const launched = await launch({
    chain: ['/bin/sh', '-c', EXEC_SCRIPT, 'vipmesh-task', workdir],
    direct: true,
    bond: 'leash',
    command,
    env,
    output: launchOutput(output),
  });
  return new TaskProcess(launched, { id, env, workdir, clock, confinement: marked(launched, id) });
}
