/**
 * Nodes in the store, as a user changes them: availability and labels, and a node that is to be forgotten with all that it has. What a
 * node says of itself is the agent's to write.
 */
import type { Context } from '../model/context.js';
import { InUseError, NodeUpError, NotFoundError, TaskEndedError } from '../model/errors.js';
import type { Availability, NetworkObject, NodeRecord, TaskObject } from '../model/object.js';
import type { Labels } from '../model/spec.js';
import { isEnded } from '../model/task-state.js';
import { detachNode } from '../network/attached.js';
import { listObjects, resolve } from '../service/lookup.js';
import { markTask } from '../service/tasks.js';
import { aliveKey, appliedKey, MARKS, nameKey, NETWORKS, nodeKey, NODES, sessionKey, TASKS, troublesKey, type Owned } from '../store/keys.js';
import { deleteInParts } from '../store/parts.js';
import type { Store } from '../store/store.js';
import { transact } from '../store/transaction.js';

export interface NodeChange {
  readonly availability?: Availability;
  readonly labelsAdd?: Labels;
  /** Keys. One that is not there is no error. */
  readonly labelsRemove?: readonly string[];
}

/** By its id, its host name, or the beginning of its id. Throws NotFoundError, AmbiguousError. */
export async function findNode(store: Pick<Store, 'list'>, ref: string): Promise<NodeRecord> {
  return resolve('node', ref, await listObjects<NodeRecord>(store, NODES), ({ id, hostname }) => ({ id, name: hostname }));
}

/** Throws NotFoundError. */
export function updateNode(store: Store, id: string, { availability, labelsAdd, labelsRemove = [] }: NodeChange): Promise<NodeRecord> {
  return transact(store, async (transaction) => {
    const node = await transaction.get<NodeRecord>(nodeKey(id));
    if (!node) throw new NotFoundError('node', id);
    const labels = { ...Object.fromEntries(Object.entries(node.labels).filter(([key]) => !labelsRemove.includes(key))), ...labelsAdd };
    const changed: NodeRecord = { ...node, labels, ...(availability !== undefined && { availability }) };
    if (JSON.stringify(changed) !== JSON.stringify(node)) transaction.put(nodeKey(id), changed);
    return changed;
  });
}

/**
 * Forgets a node that is down, with its name, its marks and what it has on networks. Its tasks may still run there, cut off from the
 * store: with `force` they count as ended, and their addresses are given to others. In several transactions, the node's record last: what
 * was cut short is repeated. Throws NotFoundError, NodeUpError, InUseError.
 */
export async function removeNode(store: Store, id: string, force: boolean, context: Context): Promise<void> {
  const node = (await store.get<NodeRecord>(nodeKey(id)))?.value;
  if (!node) throw new NotFoundError('node', id);
  if ((await store.get(aliveKey(id))) !== undefined) throw new NodeUpError(node.hostname);
  const tasks = await openTasks(store, node.hostname);
  if (tasks.length > 0 && !force) {
    throw new InUseError(`node '${node.hostname}'`, tasks.map(({ name }) => `task '${name}'`), 'they may still run there. If it will never be back, or they are known to have ended, remove it with --force');
  }
  await endTasksOf(store, node.hostname, `its node, ${node.hostname}, was removed from the cluster`, context);
  for (const network of await listObjects<NetworkObject>(store, NETWORKS)) await detachNode(store, network.id, id);
  await deleteInParts(store, (await store.list(`${MARKS}${node.hostname}/`)).entries.map(({ key }) => key));
  await transact(store, async (transaction) => {
    if ((await transaction.get(aliveKey(id))) !== undefined) throw new NodeUpError(node.hostname);
    const name = nameKey('node', node.hostname);
    if ((await transaction.get<Owned>(name))?.owner === nodeKey(id)) transaction.delete(name);
    for (const key of [nodeKey(id), appliedKey(id), troublesKey(id), sessionKey(id)]) transaction.delete(key);
  });
}

/** Notes of all tasks of a node that have not ended that they have. @param message why */
export async function endTasksOf(store: Store, hostname: string, message: string, context: Context): Promise<void> {
  for (const { id } of await openTasks(store, hostname)) {
    try {
      await markTask(store, id, { state: 'shutdown', message }, context);
    } catch (error) {
      // Somebody else was quicker.
      if (!(error instanceof TaskEndedError) && !(error instanceof NotFoundError)) throw error;
    }
  }
}

async function openTasks(store: Store, hostname: string): Promise<TaskObject[]> {
  return (await listObjects<TaskObject>(store, TASKS)).filter((task) => task.node === hostname && !isEnded(task));
}
