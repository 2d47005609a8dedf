/**
 * A task's processes: one command and all it starts, in its own network, mount, UTS and PID namespaces. Made by setpriv,
 * unshare and the setup script, or by an agent before us that it has outlived; nothing of it outlives the command, or stop().
 * Restarting, addresses and interfaces are others' concern.
 */
import type { Namespace } from '../../kernel/netns/netns.js';
import { systemClock, type Clock } from '../../proxy/time/clock.js';
import type { ExecRequest, ExecSession, TerminalSize } from '../control.js';
import { taskEnvironment } from './environment.js';
import { execIn } from './exec.js';
import { launch, type LaunchOutput, type Launched } from './launch.js';
import { LogFile } from './log-file.js';
import { namespaced, type Confinement } from './confinement.js';
import { removeTaskFiles, setupScriptPath, writeTaskFiles } from './name-files.js';
import { isAlive, signalProcess } from './process-tree.js';
import { processWatch } from './process-watch.js';
import { makeSession } from './session.js';
import { TaskEndedError } from './start-error.js';
import { bootId, readFate, writeRecord, type Survivor } from './survivors.js';
import { KILLED } from './task-record.js';
import { findTool, tool } from './tools.js';

/** `pipe`: three streams, stdin included; end stdin when nothing is to be read from it. */
export type TaskOutput = LogFile | 'pipe' | { readonly terminal: TerminalSize };

export interface TaskProcessOptions {
  /** 12 hexadecimal digits: the task's host name. */
  readonly id: string;
  /** The task's network, with its interfaces. Not ours to close. */
  readonly namespace: Namespace;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Absolute. Absent: `/`. */
  readonly workdir?: string;
  /** Of the task itself, for /etc/hosts. */
  readonly addresses: readonly string[];
  /** For the task's files. Ours from the start to the end of the task, when it is removed with all in it. */
  readonly directory: string;
  /** A LogFile stays the caller's to close. */
  readonly output: TaskOutput;
  /** Absent: the task ends with the agent. Its output must be a log then, which needs nobody. `stopGracePeriod` in milliseconds. */
  readonly outlives?: { readonly stopGracePeriod: number };
  readonly clock?: Clock;
}

export interface TaskExit {
  /** 0 to 255, or 128 + signal. */
  readonly exitCode: number;
}

/** Rejects with TaskStartError when the command cannot be executed; nothing of it is left then. */
export async function startTask(options: TaskProcessOptions): Promise<TaskProcess> {
  const { id, directory, output, command } = options;
  const workdir = options.workdir ?? '/';
  const terminal = typeof output === 'object' && 'terminal' in output;
  try {
    const env = taskEnvironment({ id, env: options.env, terminal, host: process.env });
    const unshare = [tool('unshare'), '--pid', '--mount', '--uts', '--fork', '--kill-child=KILL'];
    const setup = ['/bin/sh', setupScriptPath(directory), directory, id, tool('mount'), findTool('hostname') ?? '', workdir];
    writeTaskFiles(directory, id, options.addresses);
    const { outlives, namespace: netns } = options;
    const launched = await launch({
      chain: [...unshare, ...setup],
      command,
      env,
      netns,
      output: launchOutput(output),
      ...(outlives && { bond: 'outlives' as const, onReady: ({ helper, shell, main }) => writeRecord(directory, { boot: bootId(), helper, shell, main, env, workdir, ...outlives }) }),
    });
    return new TaskProcess(launched, { id, env, workdir, clock: options.clock ?? systemClock, confinement: inNamespaces(launched, directory) });
  } catch (error) {
    removeTaskFiles(directory);
    throw error;
  }
}

/** The task of an agent that was killed, as if we had started it. It may have ended since: then it has `exited`. */
export function adoptTask({ id, directory, record }: Survivor, clock = systemClock): TaskProcess {
  const { helper, shell, main, env, workdir } = record;
  const exited = processWatch.ended(shell).then(() => readFate(directory).exitCode ?? KILLED);
  const launched: Launched = { helper, shell, main, streams: undefined, warnings: [], exited };
  return new TaskProcess(launched, { id, env, workdir, clock, confinement: inNamespaces(launched, directory) });
}

function inNamespaces(launched: Launched, directory: string): Confinement {
  return namespaced(launched, [tool('nsenter'), '--target', `${launched.shell.pid}`, '--mount', '--uts', '--net', '--pid'], directory);
}

export function launchOutput(output: TaskOutput): LaunchOutput {
  if (output === 'pipe') return { pipes: { stdin: true } };
  return output instanceof LogFile ? { file: output.fd } : output;
}

interface TaskFacts {
  readonly id: string;
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly clock: Clock;
  readonly confinement: Confinement;
}

export class TaskProcess {
  readonly #launched: Launched;
  readonly #facts: TaskFacts;
  #ended = false;
  #terminated = false;
  /** The command's process, in the agent's pid namespace. */
  readonly pid: number;
  /** Resolves once, when no process of the task is left and its files are removed. Never rejects. */
  readonly exited: Promise<TaskExit>;
  /** The task's streams; absent when they go to a log. */
  readonly session: ExecSession | undefined;
  /** What the setup could not do, one sentence each. */
  readonly warnings: readonly string[];

  /** @internal use startTask, or startPlainTask. */
  constructor(launched: Launched, facts: TaskFacts) {
    this.#launched = launched;
    this.#facts = facts;
    this.pid = launched.main.pid;
    this.warnings = launched.warnings;
    this.exited = this.#end();
    this.session =
      launched.streams &&
      makeSession({
        taskId: facts.id,
        streams: launched.streams,
        kill: (signal) => this.kill(signal),
        exited: this.exited.then((exit) => exit.exitCode),
      });
  }

  /** Sends a signal to the command's process; no effect when it has ended. */
  kill(signal: NodeJS.Signals): void {
    if (!this.#ended && isAlive(this.#launched.main)) signalProcess(this.pid, signal);
  }

  /**
   * SIGTERM to the command, then, `graceMs` later, SIGKILL to every process of the task. Resolves when nothing is left.
   * May be called again: SIGTERM is sent once, and the shortest grace counts.
   */
  async stop(graceMs: number): Promise<void> {
    if (!this.#terminated) {
      this.#terminated = true;
      this.kill('SIGTERM');
    }
    const cancel = this.#facts.clock.after(graceMs, () => this.#killAll());
    await this.exited;
    cancel();
  }

  /** Starts a further process in the task. Rejects with TaskStartError, TaskEndedError. */
  async exec(request: ExecRequest): Promise<ExecSession> {
    const { id, env, workdir, confinement } = this.#facts;
    if (this.#ended) throw new TaskEndedError(id);
    const full = { ...env, ...(request.terminal && { TERM: env.TERM ?? 'xterm' }), ...request.env };
    return execIn({ taskId: id, enter: confinement.enter, env: full, workdir }, request);
  }

  #killAll(): void {
    if (!this.#ended) this.#facts.confinement.killAll();
  }

  async #end(): Promise<TaskExit> {
    const exitCode = await this.#launched.exited;
    await this.#facts.confinement.emptied();
    this.#ended = true;
    return { exitCode };
  }
}
