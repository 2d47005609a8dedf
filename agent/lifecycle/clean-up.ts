/**
 * Removes what a dead agent of this node left on the machine. It remembers nothing: everything of ours is found by its
 * name. Called before an agent starts and after it has ended, by `vipmesh down`, and as often as one likes; only with the agent's lock held, so
 * that nothing here belongs to a living agent. What the store keeps is not touched. Tasks that have outlived the agent are
 * ended as it would have: SIGTERM, grace, SIGKILL. An agent that adopts some says which to keep.
 */
import { existsSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { CAP_NET_ADMIN } from '../../kernel/ffi/constants.js';
import { listNamespaces, ownNamespace, removeNamespace, type Namespace } from '../../kernel/netns/netns.js';
import { removeHostPorts } from '../../kernel/offload/host-ports.js';
import { mayUse, ownPrivileges } from '../../kernel/run/privileges.js';
import { removeEncryption } from '../cluster/encryption.js';
import { removeHostFilter } from '../sandbox/host-filter.js';
import { hostLinkName } from '../sandbox/network-plan.js';
import { killMarked, NODE_MARK } from '../tasks/marked.js';
import { findSurvivors, type Survivor } from '../tasks/survivors.js';
import { adoptTask } from '../tasks/task.js';
import { readIdentity } from './identity.js';
import type { Paths } from './paths.js';
import { killProcessesIn, namespaceId, processesIn, type NamespaceId } from './processes.js';
import { SHUTDOWN_GRACE_MS } from './program.js';

const ROOT_NAMESPACES = '/run/netns';
/** What SIGKILL may take. */
const KILL_MS = 5000;

export interface CleanedUp {
  /** Names of the network namespaces that were removed. */
  readonly namespaces: readonly string[];
  /** How many processes still lived in them, or were tasks of mode sockets. */
  readonly processes: number;
  readonly files: readonly string[];
}

/** What is not to be touched. */
export interface Kept {
  /** By name. */
  readonly namespaces: ReadonlySet<string>;
  /** By id. */
  readonly tasks: ReadonlySet<string>;
}

const NOTHING: Kept = { namespaces: new Set(), tasks: new Set() };

/** Everything that could be removed was; `errors` are the rest. */
export class CleanUpError extends AggregateError {
  override readonly name = 'CleanUpError';
}

/**
 * Idempotent. `prefix` is namePrefix() of the node, e.g. `vm1a2b-`; undefined when it never had an identity. Rejects with
 * CleanUpError after everything has been tried.
 */
export async function cleanUp(paths: Paths, prefix: string | undefined, kept = NOTHING): Promise<CleanedUp> {
  const errors: unknown[] = [];
  const namespaces: string[] = [];
  const link = prefix === undefined ? undefined : hostLinkName(prefix);
  // First: clients are refused, then, and do not wait for tasks that are being ended. Who keeps the sandbox keeps the link of the same name.
  if (link !== undefined && !kept.namespaces.has(link)) await onHost((host) => removeHostPorts(host, link)).catch((error: unknown) => errors.push(error));
  const found = prefix === undefined ? [] : [ROOT_NAMESPACES, paths.rootlessNamespaces].flatMap((directory) => list(directory, prefix, errors));
  const pinned = found.filter(({ name }) => !kept.namespaces.has(name));
  const ids = pinned.map(({ directory, name }) => namespaceId(join(directory, name))).filter((id): id is NamespaceId => id !== undefined);
  const processes = ids.length === 0 ? 0 : processesIn('net', ids).length;
  // Tasks of mode sockets are in no namespace of ours.
  const identity = readIdentity(paths.identity);
  let plain = 0;
  try {
    await endTasks(findSurvivors(paths.taskFiles).filter(({ id }) => !kept.tasks.has(id)));
    await killProcessesIn('net', ids, KILL_MS);
    plain = identity === undefined ? 0 : await killMarked(NODE_MARK, identity.id, KILL_MS);
  } catch (error) {
    errors.push(error);
  }
  for (const { directory, name } of pinned) {
    collect(errors, () => {
      removeNamespace(directory, name);
      namespaces.push(name);
    });
  }
  // After the sandboxes whose VXLAN it guards. Whoever keeps one keeps it.
  if (prefix !== undefined && kept.namespaces.size === 0) {
    for (const remove of [removeHostFilter, removeEncryption]) await onHost((host) => remove(host, prefix)).catch((error: unknown) => errors.push(error));
  }
  const there = [paths.socket, ...taskFiles(paths, kept), paths.rootlessNamespaces].filter((path) => existsSync(path));
  // An agent that ended in order leaves its directories, and nothing in them: no news.
  const files = there.filter((path) => !isEmptyDirectory(path));
  for (const path of there) collect(errors, () => rmSync(path, { recursive: true, force: true }));
  if (errors.length > 0) {
    const causes = errors.map((error) => (error instanceof Error ? error.message : String(error))).join('; ');
    throw new CleanUpError(errors, `what an agent left cannot all be removed: ${causes}`);
  }
  return { namespaces, processes: processes + plain, files };
}

/** What sends published ports to the ingress sandbox, who may speak to the VXLAN, and its encryption. Only who may change the host's network can have put it there. */
async function onHost(remove: (host: Namespace) => Promise<void>): Promise<void> {
  if (!mayUse(ownPrivileges(), CAP_NET_ADMIN)) return;
  const host = ownNamespace();
  try {
    await remove(host);
  } finally {
    host.close();
  }
}

/** `3 namespaces, 2 processes, 1 file`, or undefined when there was nothing. */
export function cleanedUpText({ namespaces, processes, files }: CleanedUp): string | undefined {
  const parts = [
    [namespaces.length, 'namespace', 'namespaces'],
    [processes, 'process', 'processes'],
    [files.length, 'file', 'files'],
  ] as const;
  const text = parts.filter(([count]) => count > 0).map(([count, one, many]) => `${count} ${count === 1 ? one : many}`);
  return text.length === 0 ? undefined : text.join(', ');
}

/** All at a time. One that cannot be killed is left to those who look whether anything is left. */
async function endTasks(tasks: readonly Survivor[]): Promise<void> {
  const graces = tasks.map(({ record }) => Math.min(record.stopGracePeriod, SHUTDOWN_GRACE_MS));
  const late = new AbortController();
  // The timer also keeps this process alive meanwhile, which may have nothing else to do.
  const deadline = wait(Math.max(0, ...graces) + KILL_MS, undefined, { signal: late.signal }).catch(() => undefined);
  await Promise.race([Promise.all(tasks.map((task, index) => adoptTask(task).stop(graces[index] ?? 0))), deadline]);
  late.abort();
}

/** The directory as a whole, or what is in it of tasks that are not kept. */
function taskFiles(paths: Paths, { tasks }: Kept): string[] {
  if (tasks.size === 0 || !existsSync(paths.taskFiles)) return [paths.taskFiles];
  return readdirSync(paths.taskFiles).filter((id) => !tasks.has(id)).map((id) => join(paths.taskFiles, id));
}

function list(directory: string, prefix: string, errors: unknown[]): { directory: string; name: string }[] {
  try {
    return listNamespaces(directory, prefix).map((name) => ({ directory, name }));
  } catch (error) {
    errors.push(error);
    return [];
  }
}

function isEmptyDirectory(path: string): boolean {
  return lstatSync(path).isDirectory() && readdirSync(path).length === 0;
}

function collect(errors: unknown[], step: () => void): void {
  try {
    step();
  } catch (error) {
    errors.push(error);
  }
}
