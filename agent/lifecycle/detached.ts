/**
 * `vipmesh up --detach`: this program once more, in a session of its own, with its output in the agent's log. The command
 * the user typed waits until the agent answers, or hears why it does not.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ChildProcess } from 'node:child_process';
import { start } from '../../kernel/run/runner.js';
import { withoutSecrets, withSecrets } from '../cluster/secret.js';
import { runForeground, type AgentRequest, type Watcher } from './foreground.js';
import { onShutdownSignals } from './interruptions.js';
import { AgentFailedError, asLifecycleMessage, endText, failedMessage, tellParent, whenEnded, type ReadyAgent } from './messages.js';
import { ensureDirectories, type Paths } from './paths.js';
import { DETACHED_COMMAND, vipmesh, type Program } from './program.js';

interface DetachedArgument {
  readonly request: AgentRequest;
  readonly paths: Paths;
}

/** Bytes of the log that are shown when the agent died without a word. */
const LOG_TAIL = 2000;

/** Resolves with 0 once the agent runs and `ready` is done. Rejects with AgentFailedError when it did not start. */
export async function startDetached(
  request: AgentRequest,
  paths: Paths,
  program: Program,
  { ready, say = () => undefined }: Watcher,
): Promise<number> {
  ensureDirectories(paths, process.getuid?.() ?? 0);
  const log = openSync(paths.log, 'a', 0o600);
  let agent: ReadyAgent;
  try {
    const before = fstatSync(log).size;
    const { request: open, env } = withoutSecrets(request);
    const argument: DetachedArgument = { request: open, paths };
    const child = start(process.execPath, [...process.execArgv, program.main, DETACHED_COMMAND, JSON.stringify(argument)], {
      detached: true,
      // Not where the user happens to be: that file system must stay free to be unmounted.
      cwd: '/',
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log, 'ipc'],
    });
    const stopListening = onShutdownSignals(() => child.kill('SIGTERM'));
    try {
      agent = await whenReady(child, () => readFrom(paths.log, before));
    } finally {
      stopListening();
    }
    child.disconnect();
    child.unref();
  } finally {
    closeSync(log);
  }
  // The log is in a file, where nobody looks who sees that all went well.
  if (agent.remark !== undefined) say(agent.remark);
  await ready?.(agent);
  return 0;
}

/** The detached process itself. Answers its exit code. */
export async function runDetached(argument: string, program: Program = vipmesh): Promise<number> {
  const { request, paths } = JSON.parse(argument) as DetachedArgument;
  try {
    return await runForeground(withSecrets(request, process.env), paths, program, { ready: (agent) => tellParent({ lifecycle: 'ready', agent }) });
  } catch (error) {
    // Both: the command that waits prints it, and so does the log, which is all there is later on.
    process.stderr.write(`vipmesh: ${error instanceof Error ? error.message : String(error)}\n`);
    await tellParent(failedMessage(error));
    return 1;
  }
}

function whenReady(child: ChildProcess, logged: () => string): Promise<ReadyAgent> {
  return new Promise((resolve, reject) => {
    child.on('message', (message) => {
      const heard = asLifecycleMessage(message);
      if (heard?.lifecycle === 'ready' && heard.agent !== undefined) resolve(heard.agent);
      else if (heard?.lifecycle === 'failed') reject(AgentFailedError.from(heard));
    });
    child.once('error', (error) => reject(new AgentFailedError(`the agent cannot be started: ${error.message}`)));
    void whenEnded(child).then((how) => {
      reject(new AgentFailedError(`the agent ${endText(how)} before it was ready; its log ends with:\n${logged()}`));
    });
  });
}

/** What was appended to the log since it had `before` bytes, but not more than its end. */
function readFrom(path: string, before: number): string {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const from = Math.max(before, size - LOG_TAIL);
    const buffer = Buffer.alloc(Math.max(0, size - from));
    const count = readSync(file, buffer, 0, buffer.length, from);
    return buffer.toString('utf8', 0, count).trimEnd();
  } finally {
    closeSync(file);
  }
}
