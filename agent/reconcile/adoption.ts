/**
 * What an agent that starts does about each task in its store, given which tasks have outlived the agent before. The verdicts
 * are pure; `recover` writes them to the store. Taking over the processes is the runner's, links the sandbox's.
 */
import type { Context } from '../../overlay/model/context.js';
import type { NetworkObject, TaskObject } from '../../overlay/model/object.js';
import { isEnded } from '../../overlay/model/task-state.js';
import { listObjects } from '../../overlay/service/lookup.js';
import { prune } from '../../overlay/service/prune.js';
import { markTask, removeTask, stopTask } from '../../overlay/service/tasks.js';
import { NETWORKS, TASKS } from '../../overlay/store/keys.js';
import type { Store } from '../../overlay/store/store.js';
import type { Kept } from '../lifecycle/clean-up.js';
import type { Survivor } from '../tasks/survivors.js';

/**
 * leave     it has ended, and its record says so
 * adopt     it outlived its agent, or ended while there was none: it is taken over as it is; if it is to stop, it then does, in order
 * retire    the same, but the host was renamed: the task belongs to a node that no longer is, and is to stop
 * start     it is not there but meant to run: it is started again, the same one with the same addresses
 * stopped   it was to stop, and has
 * moved     it is not there, and belonged to the node that no longer is
 * forget    one-off: gone with whoever was attached to it
 */
export type Verdict = 'leave' | 'adopt' | 'retire' | 'start' | 'stopped' | 'moved' | 'forget';

/** @param survived whether it runs, or ran to its end, without an agent @param node name of this node */
export function verdictOn(task: TaskObject, survived: boolean, node: string): Verdict {
  if (isEnded(task)) return 'leave';
  if (task.serviceId === undefined) return 'forget';
  const moved = task.node !== node;
  if (survived) return moved ? 'retire' : 'adopt';
  if (task.desired === 'shutdown') return 'stopped';
  return moved ? 'moved' : 'start';
}

/** Brings the store up to date and answers the survivors that are to be adopted, by the task's id. */
export async function recover(store: Store, context: Context, survivors: readonly Survivor[]): Promise<Map<string, Survivor>> {
  const found = new Map(survivors.map((survivor) => [survivor.id, survivor]));
  const adopted = new Map<string, Survivor>();
  for (const task of await listObjects<TaskObject>(store, TASKS)) {
    const survivor = found.get(task.id);
    const verdict = verdictOn(task, survivor !== undefined, context.node);
    if (survivor && (verdict === 'adopt' || verdict === 'retire')) adopted.set(task.id, survivor);
    await carryOut(verdict, task, store, context);
  }
  await prune(store);
  return adopted;
}

async function carryOut(verdict: Verdict, task: TaskObject, store: Store, context: Context): Promise<void> {
  if (verdict === 'forget') await removeTask(store, task.id);
  else if (verdict === 'stopped') await markTask(store, task.id, { state: 'shutdown' }, context);
  else if (verdict === 'start') await markTask(store, task.id, { state: 'pending' }, context);
  else if (verdict === 'retire' || verdict === 'moved') {
    await stopTask(store, task.id);
    if (verdict === 'moved') await markTask(store, task.id, { state: 'shutdown', message: `node ${task.node} is now called ${context.node}` }, context);
  }
}

/** What an agent that adopts these tasks takes over, and nobody is to remove: sandboxes of theirs and of every network. */
export async function keptBy(store: Store, adopted: ReadonlyMap<string, Survivor>, prefix: string): Promise<Kept> {
  const networks = await listObjects<NetworkObject>(store, NETWORKS);
  const tasks = (await listObjects<TaskObject>(store, TASKS)).filter(({ id }) => adopted.has(id));
  const names = [...networks.map(({ spec }) => spec.name), ...tasks.map(({ name }) => name)];
  return { namespaces: new Set(names.map((name) => `${prefix}${name}`)), tasks: new Set(adopted.keys()) };
}
