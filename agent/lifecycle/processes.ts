/**
 * Processes by the namespace they live in, found in /proc: how what a dead agent started is found again with no memory of
 * it. A namespace is identified by device and inode of its nsfs file (namespaces(7)).
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

export interface NamespaceId {
  readonly device: bigint;
  readonly inode: bigint;
}

/** The namespace behind a path such as /run/netns/NAME or /proc/PID/ns/user; undefined when there is nothing there. */
export function namespaceId(path: string): NamespaceId | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return { device: dev, inode: ino };
  } catch {
    return undefined;
  }
}

/** Pids of the living processes in any of `namespaces`, but for this process itself. */
export function processesIn(kind: 'net' | 'user', namespaces: readonly NamespaceId[]): number[] {
  const wanted = new Set(namespaces.map(key));
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((pid) => {
      const id = namespaceId(`/proc/${pid}/ns/${kind}`);
      return id !== undefined && wanted.has(key(id)) && !hasEnded(pid);
    })
    .map(Number);
}

/** A zombie is still in its user namespace, for as long as its parent does not ask for it: in a container, for ever. */
function hasEnded(pid: string): boolean {
  try {
    // proc(5): the state follows the name, which may itself hold parentheses.
    return /\) [ZX] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

const key = ({ device, inode }: NamespaceId): string => `${device}:${inode}`;

/**
 * Kills the processes in `namespaces` and waits, up to `deadline` milliseconds, until they are gone. Answers how many there
 * were. A namespace whose processes could start others is searched again until none is left.
 */
export async function killProcessesIn(kind: 'net' | 'user', namespaces: readonly NamespaceId[], deadline = 5000): Promise<number> {
  const killed = new Set<number>();
  if (namespaces.length === 0) return 0;
  const end = performance.now() + deadline;
  for (;;) {
    const pids = processesIn(kind, namespaces);
    if (pids.length === 0) return killed.size;
    for (const pid of pids) {
      killed.add(pid);
      sendSignal(pid, 'SIGKILL');
    }
    if (performance.now() > end) throw new ProcessesLeftError(`processes of an earlier run do not end: ${pids.join(', ')}`);
    await wait(10);
  }
}

/** Killed processes that do not go away, e.g. because they wait for a dead disk. */
export class ProcessesLeftError extends Error {
  override readonly name = 'ProcessesLeftError';
}

/** False when there is no such process any more, or it is not ours. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
