/**
 * What an agent that starts does about each task in its store, given which tasks have outlived the agent before. The verdicts
 * are pure; `recover` writes them to the store. Taking over the processes is the runner's, links the sandbox's.
 */
import type { Context } from '../../overlay/model/context.js';
import type { NetworkObject, NodeRecord, TaskObject } from '../../overlay/model/object.js';
import { isEnded } from '../../overlay/model/task-state.js';
import { listObjects } from '../../overlay/service/lookup.js';
import { prune } from '../../overlay/service/prune.js';
import { markTask, removeTask, stopTask } from '../../overlay/service/tasks.js';
import { NETWORKS, NODES, TASKS } from '../../overlay/store/keys.js';
import type { Store } from '../../overlay/store/store.js';
import type { Kept } from '../lifecycle/clean-up.js';
import type { Survivor } from '../tasks/survivors.js';

/**
 * leave     it has ended, and its record says so; or it is another node's
 * adopt     it outlived its agent, or ended while there was none: it is taken over as it is; if it is to stop, it then does, in order
 * retire    the same, but the host was renamed: the task belongs to a node that no longer is, and is to stop
 * start     it is not there but meant to run: it is started again, the same one with the same addresses
 * stopped   it was to stop, and has
 * moved     it is not there, and belonged to the node that no longer is
 * forget    one-off: gone with whoever was attached to it
 */
export type Verdict = 'leave' | 'adopt' | 'retire' | 'start' | 'stopped' | 'moved' | 'forget';

/**
 * @param survived whether it runs, or ran to its end, without an agent @param node name of this node
 * @param others names of the other nodes of the cluster: their tasks are theirs
 */
export function verdictOn(task: TaskObject, survived: boolean, node: string, others: ReadonlySet<string> = new Set()): Verdict {
  if (isEnded(task) || (!survived && others.has(task.node))) return 'leave';
  if (task.serviceId === undefined) return 'forget';
  const moved = task.node !== node;
  if (survived) return moved ? 'retire' : 'adopt';
  if (task.desired === 'shutdown') return 'stopped';
  return moved ? 'moved' : 'start';
}

/** Brings the store up to date and answers the survivors that are to be adopted, by the task's id. This node is registered already. */
export async function recover(store: Store, context: Context, survivors: readonly Survivor[]): Promise<Map<string, Survivor>> {
  const nodes = await listObjects<NodeRecord>(store, NODES);
  const others = new Set(nodes.map(({ hostname }) => hostname).filter((name) => name !== context.node));
  const found = new Map(survivors.map((survivor) => [survivor.id, survivor]));
  const adopted = new Map<string, Survivor>();
  for (const task of await listObjects<TaskObject>(store, TASKS)) {
    const survivor = found.get(task.id);
    const verdict = verdictOn(task, survivor !== undefined, context.node, others);
    if (survivor && (verdict === 'adopt' || verdict === 'retire')) adopted.set(task.id, survivor);
    await carryOut(verdict, task, store, context);
  }
  // What is left of an earlier time is the leader's to prune where there are several.
  if (others.size === 0) await prune(store);
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

/**
 * What an agent that adopts these tasks takes over, and nobody is to remove: their sandboxes, and those of networks.
 * @param everywhere every network has a sandbox here; otherwise only those that the tasks are on, and ingress
 */
export async function keptBy(store: Store, adopted: ReadonlyMap<string, Survivor>, prefix: string, everywhere: boolean): Promise<Kept> {
  const tasks = (await listObjects<TaskObject>(store, TASKS)).filter(({ id }) => adopted.has(id));
  const joined = new Set(tasks.flatMap(({ addresses }) => addresses.map(({ networkId }) => networkId)));
  const networks = (await listObjects<NetworkObject>(store, NETWORKS)).filter(({ id, ingress }) => everywhere || ingress || joined.has(id));
  const names = [...networks.map(({ spec }) => spec.name), ...tasks.map(({ name }) => name)];
  return { namespaces: new Set(names.map((name) => `${prefix}${name}`)), tasks: new Set(adopted.keys()) };
}
