/**
 * Processes that a user attaches to: a further process in a task (exec), and a one-off task of its own (run).
 */
import type { Store } from '../../overlay/store/store.js';
import type { Context } from '../../overlay/model/context.js';
import type { TaskObject } from '../../overlay/model/object.js';
import { createOneOffTask, removeTask } from '../../overlay/service/tasks.js';
import type { ExecRequest, ExecSession, RunRequest } from '../control.js';
import { ControlError } from '../control.js';
import type { Node } from '../reconcile/node.js';

/** SIGTERM to SIGKILL of a one-off task whose client went away, in milliseconds. */
const RUN_GRACE_MS = 10_000;

export async function execInTask(node: Node, task: TaskObject, request: ExecRequest): Promise<ExecSession> {
  const process = node.runner(task.id)?.process;
  if (!process) throw new ControlError('conflict', `task ${task.name} is not running (${task.status.state})`, `see 'vipmesh task ls' for those that are`);
  return process.exec(request);
}

/** Rejects, and leaves nothing, when the command cannot be started. @param seen resolves when this node knows what was written to the store */
export async function runTask(store: Store, node: Node, context: Context, request: RunRequest, seen: () => Promise<void>): Promise<ExecSession> {
  const task = await createOneOffTask(
    store,
    {
      ...(request.name !== undefined && { name: request.name }),
      removeAtEnd: request.remove,
      networks: request.networks,
      task: {
        command: request.command,
        env: request.env ?? {},
        ...(request.workdir !== undefined && { workdir: request.workdir }),
        stopGracePeriod: RUN_GRACE_MS,
      },
    },
    context,
  );
  // Its networks may have no sandbox here yet.
  await seen();
  const runner = await node.runOnce(task, request.terminal ? { terminal: request.terminal } : 'pipe');
  const process = await runner.started;
  if (!process?.session) {
    await runner.ended;
    await removeTask(store, task.id);
    const { message = 'the task did not start', exitCode } = runner.failure ?? {};
    throw new ControlError(exitCode === undefined ? 'conflict' : 'invalid', message, undefined, exitCode);
  }
  if (!request.stdin) process.session.stdin?.end();
  return process.session;
}
