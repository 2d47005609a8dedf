/**
 * One agent per state directory, and one per runtime directory. Both are held with flock(2), which the kernel releases
 * when the last process that has the file open is gone, however it died. What the holder wrote into the file names it.
 */
import { readFileSync, rmdirSync } from 'node:fs';
import { lockFile, type FileLock } from '../../kernel/run/lock.js';
import { ensureDirectories, type Paths } from './paths.js';

/** What the holder of a lock says of itself. */
export interface Holder {
  readonly name: string;
  readonly pid: number;
  /** ISO 8601, UTC. */
  readonly since: string;
}

/** Another agent lives on the same state directory, or on the same socket. */
export class AlreadyRunningError extends Error {
  override readonly name = 'AlreadyRunningError';
}

export interface AgentLock {
  /** Descriptors of the locks: a process that inherits them keeps the locks held until it ends as well. */
  readonly fds: readonly number[];
  /** Removes a runtime directory of this agent's own too, if it is empty. */
  release(): void;
}

/** Takes both locks, or throws AlreadyRunningError and holds none. The directories must exist. */
export function acquireAgentLock(paths: Paths, holder: Holder): AgentLock {
  const state = acquire(paths.stateLock, holder, (other) => alreadyRunning(other, `runs on ${paths.stateDirectory}`, paths.stateOption));
  let runtime: FileLock;
  try {
    // The holder before us may just have removed it.
    if (paths.ownRuntimeDirectory) ensureDirectories(paths, process.getuid?.() ?? 0);
    runtime = acquire(paths.runtimeLock, holder, (other) => alreadyRunning(other, `listens on ${paths.socket}`));
  } catch (error) {
    state.release();
    throw error;
  }
  return {
    fds: [state.fd, runtime.fd],
    release() {
      runtime.release();
      // With the state still locked: nobody else uses this directory.
      if (paths.ownRuntimeDirectory) removeEmpty(paths.runtimeDirectory);
      state.release();
    },
  };
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Something is in it, or it is gone: neither is our business.
  }
}

function acquire(path: string, holder: Holder, message: (other: Holder | undefined) => string): FileLock {
  const lock = lockFile(path);
  if ('heldBy' in lock) throw new AlreadyRunningError(message(parseHolder(lock.heldBy)));
  lock.write(JSON.stringify(holder) + '\n');
  return lock;
}

/** @param stateOption what finds that agent, see Paths */
export function alreadyRunning(other: Holder | undefined, where: string, stateOption = ''): string {
  const who = other === undefined ? 'a vipmesh agent that is just starting or stopping' : `vipmesh agent '${other.name}' (pid ${other.pid})`;
  const since = other === undefined ? '' : ` since ${other.since}`;
  return `${who} already ${where}${since}; stop it with \`vipmesh down${stateOption}\`, or give this one its own --state-dir`;
}

/** The content of a lock file, or undefined when its holder has not written it yet. */
export function parseHolder(text: string): Holder | undefined {
  try {
    const { name, pid, since } = JSON.parse(text) as Partial<Record<keyof Holder, unknown>>;
    if (typeof name !== 'string' || typeof since !== 'string') return undefined;
    return typeof pid === 'number' && Number.isInteger(pid) && pid > 0 ? { name, pid, since } : undefined;
  } catch {
    return undefined;
  }
}

/** Who holds the lock on this state directory now: `free`, or what is known of the holder. */
export function lockHolder(paths: Pick<Paths, 'stateLock'>): 'free' | Holder | 'unknown' {
  return holderOf(paths.stateLock);
}

/** Who listens on this socket now: another agent than that of the state directory, or one whose state directory was removed. */
export function listener(paths: Pick<Paths, 'runtimeLock'>): 'free' | Holder | 'unknown' {
  return holderOf(paths.runtimeLock);
}

function holderOf(path: string): 'free' | Holder | 'unknown' {
  // Opening it would make the file, and in a directory that was never used there is nothing to hold.
  try {
    readFileSync(path);
  } catch {
    return 'free';
  }
  const lock = lockFile(path);
  if ('heldBy' in lock) return parseHolder(lock.heldBy) ?? 'unknown';
  lock.release();
  return 'free';
}
