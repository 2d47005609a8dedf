/**
 * A further process in a running task: in all of the task's namespaces, with its environment. It dies with the task, because
 * it is in its PID namespace or marked as the task's (confinement.ts), and with the agent, which has it on a leash.
 */
import type { ExecRequest, ExecSession } from '../control.js';
import { killChain, launch, type LaunchOptions } from './launch.js';
import { isAlive, signalProcess } from './process-tree.js';
import { makeSession } from './session.js';
import { EXEC_SCRIPT } from './setup-script.js';

export interface ExecTarget {
  readonly taskId: string;
  /** Words that get the shell of the new process into the task's namespaces. Empty: it has none. */
  readonly enter: readonly string[];
  /** The whole environment of the new process. */
  readonly env: Readonly<Record<string, string>>;
  /** Where it starts when the request does not say. */
  readonly workdir: string;
}

/** Rejects with TaskStartError. SIGKILL through the session takes the children of the command along. */
export async function execIn(target: ExecTarget, request: ExecRequest): Promise<ExecSession> {
  const direct = target.enter.length === 0;
  const options: LaunchOptions = {
    direct,
    chain: [...target.enter, '/bin/sh', '-c', EXEC_SCRIPT, 'vipmesh-exec', request.workdir ?? target.workdir],
    bond: 'leash',
    command: request.command,
    env: target.env,
    output: request.terminal ? { terminal: request.terminal } : { pipes: { stdin: request.stdin } },
  };
  const launched = await launch(options);
  let running = true;
  const exited = launched.exited.then((code) => {
    running = false;
    return code;
  });
  const kill = (signal: NodeJS.Signals): void => {
    if (!running) return;
    if (signal === 'SIGKILL') killChain(launched.helper.pid, direct);
    else if (isAlive(launched.main)) signalProcess(launched.main.pid, signal);
  };
  // Only output to a file has none.
  return makeSession({ taskId: target.taskId, streams: launched.streams!, kill, exited });
}
