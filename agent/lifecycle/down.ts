/**
 * `vipmesh down`: asks the agent to end and waits until it has; where none is alive, removes what a dead one left.
 */
import { existsSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { AgentClient } from '../api/client.js';
import { acquireAgentLock, listener, lockHolder, type Holder } from './agent-lock.js';
import { cleanedUpText, cleanUp } from './clean-up.js';
import { namePrefix, readIdentity } from './identity.js';
import { ensureDirectories, resolvePaths, type Paths } from './paths.js';
import { sendSignal } from './processes.js';

export interface DownOptions {
  readonly stateDir?: string;
  /** Milliseconds to wait for the agent's end. Its tasks have their stop grace periods within it. */
  readonly timeout: number;
  /** Takes a line about what is going on, without its end. */
  readonly progress: (line: string) => void;
}

/** The agent lives on after the time it was given. */
export class StillRunningError extends Error {
  override readonly name = 'StillRunningError';
}

const POLL = 50;
const PROGRESS = 2000;
/** An agent that is not stuck answers at once. Milliseconds. */
const ANSWER = 5000;

/** Idempotent: no agent at all is no error. Rejects with StillRunningError, CleanUpError, PathError, IdentityError. */
export async function down(options: DownOptions): Promise<void> {
  const uid = process.getuid?.() ?? 0;
  const paths = resolvePaths({ stateDir: options.stateDir, env: process.env, uid });
  const holder = lockHolder(paths);
  if (holder !== 'free') {
    await askToEnd(paths, holder, options.progress);
    await waitForEnd(paths, holder, options);
  }
  if (!existsSync(paths.stateDirectory)) {
    options.progress(`no agent ever ran on ${paths.stateDirectory}${whoListens(paths)}`);
    return;
  }
  ensureDirectories(paths, uid);
  // With the lock held, so that what is removed cannot be a new agent's.
  const lock = acquireAgentLock(paths, { name: 'vipmesh down', pid: process.pid, since: new Date().toISOString() });
  try {
    const identity = readIdentity(paths.identity);
    const left = cleanedUpText(await cleanUp(paths, identity === undefined ? undefined : namePrefix(identity)));
    if (holder === 'free') options.progress(`no agent runs on ${paths.stateDirectory}`);
    else options.progress(`${agentName(holder)} has ended`);
    if (left !== undefined) options.progress(`removed what it left behind: ${left}`);
  } finally {
    lock.release();
  }
}

/** Whether it is the one that was meant nobody can tell: what would have said so was removed with the state directory. */
function whoListens(paths: Paths): string {
  const other = listener(paths);
  if (other === 'free' || other === 'unknown') return '';
  return `, or it was removed since: if it was that of ${agentName(other)}, which listens on ${paths.socket}, end that with \`kill ${other.pid}\``;
}

/** Over its socket; an agent that does not answer there (still starting, or stuck) is sent SIGTERM. */
async function askToEnd(paths: Paths, holder: Holder | 'unknown', progress: DownOptions['progress']): Promise<void> {
  try {
    await within(ANSWER, new AgentClient(paths.socket).shutdown());
    progress(`${agentName(holder)} is shutting down`);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    if (holder === 'unknown' || !sendSignal(holder.pid, 'SIGTERM')) progress(`${agentName(holder)} cannot be asked to end: ${cause}`);
    else progress(`${agentName(holder)} does not answer on its socket, sent SIGTERM`);
  }
}

function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error(`no answer within ${ms / 1000} s`)), ms)));
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

async function waitForEnd(paths: Paths, holder: Holder | 'unknown', { timeout, progress }: DownOptions): Promise<void> {
  const start = performance.now();
  let nextProgress = PROGRESS;
  while (lockHolder(paths) !== 'free') {
    const waited = performance.now() - start;
    if (waited > timeout) {
      const remedy = holder === 'unknown' ? 'see who has its lock with `fuser ' + paths.stateLock + '`' : `kill it with \`kill -9 ${holder.pid}\``;
      throw new StillRunningError(
        `${agentName(holder)} still runs after ${Math.round(timeout / 1000)} s: wait longer with --timeout, or ${remedy} and run \`vipmesh down${paths.stateOption}\` again`,
      );
    }
    if (waited > nextProgress) {
      progress(`waiting for ${agentName(holder)} to stop its tasks (${Math.round(waited / 1000)} s)`);
      nextProgress += PROGRESS;
    }
    await wait(POLL);
  }
}

function agentName(holder: Holder | 'unknown'): string {
  return holder === 'unknown' ? 'the agent' : `agent '${holder.name}' (pid ${holder.pid})`;
}
