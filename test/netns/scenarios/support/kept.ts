/**
 * What a restart of the agent must keep, as the API shows it, and whether what is on the host is that and no more.
 */
import assert from 'node:assert/strict';
import type { NetworkObject, ServiceObject, TaskObject } from '../../../../overlay/model/object.js';
import { isEnded } from '../../../../overlay/model/task-state.js';
import { planPrune } from '../../../../overlay/service/prune.js';
import { openEmbeddedStore } from '../../../../overlay/store/embedded.js';
import { childrenOf, statOf } from '../../../../agent/tasks/process-tree.js';
import { descendants, links, pinnedNamespaces, survivors, type ProcessIdentity } from './host-state.js';
import type { MeshAgent } from './mesh-agent.js';

export interface Kept {
  readonly networks: readonly NetworkObject[];
  readonly services: readonly ServiceObject[];
  /** Those that are meant to run for a service. */
  readonly tasks: readonly TaskObject[];
}

export async function kept({ api }: MeshAgent): Promise<Kept> {
  const [networks, summaries, all] = await Promise.all([api.networks(), api.services(), api.tasks()]);
  const services = summaries.map(({ running: _, ...service }) => service);
  return { networks, services, tasks: all.filter((task) => task.serviceId !== undefined && task.desired === 'running' && !isEnded(task)) };
}

/**
 * `after` has all that `before` had, the very same; more is allowed. `touched` is the name of a service that a command
 * was changing when the agent died: whether it did is not known.
 */
export function assertKept(before: Kept, after: Kept, touched?: string): void {
  for (const network of before.networks) assert.deepEqual(after.networks.find(({ id }) => id === network.id), network);
  const sure = before.services.filter(({ spec }) => spec.name !== touched);
  for (const service of sure) assert.deepEqual(after.services.find(({ id }) => id === service.id), service);
  const addresses = ({ tasks }: Kept): [string, TaskObject['addresses']][] =>
    tasks.filter(({ serviceId }) => sure.some(({ id }) => id === serviceId)).map((task): [string, TaskObject['addresses']] => [task.name, task.addresses]).sort();
  assert.deepEqual(addresses(after), addresses(before), 'the same tasks with the same addresses');
}

/** All processes of a running task, from its helper on. */
export function processesOf(task: TaskObject): ProcessIdentity[] {
  const shell = statOf(task.status.pid ?? 0)?.parent;
  const helper = shell === undefined ? undefined : statOf(shell)?.parent;
  const startTime = helper === undefined ? undefined : statOf(helper)?.startTime;
  if (helper === undefined || startTime === undefined) assert.fail(`${task.name} runs`);
  assert.deepEqual(childrenOf(helper), [shell]);
  return [{ pid: helper, startTime }, ...descendants(helper)];
}

/** The tasks of services but `touched`: which of them must go on. */
export function settledTasks({ tasks, services }: Kept, touched?: string): TaskObject[] {
  const sure = services.filter(({ spec }) => spec.name !== touched).map(({ id }) => id);
  return tasks.filter(({ serviceId }) => sure.includes(serviceId ?? ''));
}

/** Tasks that have outlived an agent: as root, what `before` shows goes on in `after`, as the same processes. */
export function assertGoesOn(before: Kept, after: Kept, touched?: string): void {
  for (const { id, name, status } of settledTasks(before, touched)) {
    const now = after.tasks.find((task) => task.id === id)?.status;
    assert.deepEqual([now?.pid, now?.since, now?.state], [status.pid, status.since, status.state], `${name} goes on`);
  }
}

/** Of `processes`, none is left but those of these tasks. */
export function strays(processes: readonly ProcessIdentity[], { tasks }: Kept): ProcessIdentity[] {
  const theirs = new Set(tasks.flatMap(processesOf).map(({ pid }) => pid));
  return survivors(processes).filter(({ pid }) => !theirs.has(pid));
}

/** No address twice, and on the host a sandbox for each network and task that there is, no other, with its links. */
export function assertNothingDoubled({ networks, tasks, services }: Kept): void {
  const taken = [
    ...tasks.flatMap((task) => task.addresses.map(({ networkId, address }) => `${networkId} ${address}`)),
    ...services.flatMap(({ vips }) => vips.map(({ networkId, address }) => `${networkId} ${address}`)),
    ...networks.flatMap(({ id, gateway, balancer }) => [`${id} ${gateway}`, `${id} ${balancer}`]),
  ];
  assert.deepEqual(taken.filter((entry, index) => taken.indexOf(entry) !== index), [], 'an address is doubled');

  const pinned = pinnedNamespaces();
  const prefix = /^vm[0-9a-f]{4}-/.exec(pinned[0] ?? '')?.[0] ?? '';
  const wanted = [...networks.map(({ spec }) => spec.name), ...tasks.map(({ name }) => name)].map((name) => prefix + name).sort();
  assert.deepEqual(pinned, wanted, 'namespaces');
  for (const { id, spec } of networks) {
    const members = tasks.filter(({ addresses }) => addresses.some(({ networkId }) => networkId === id));
    assert.deepEqual(links(prefix + spec.name), ['vip0', ...members.map((task) => `v-${task.id}`)].sort(), `links of network ${spec.name}`);
  }
}

/** Of a store that no agent has open: everything that is allocated belongs to somebody. */
export async function assertNothingLeaked(directory: string): Promise<void> {
  const store = openEmbeddedStore(directory);
  try {
    const { entries } = await store.list('');
    assert.deepEqual(planPrune(entries), []);
  } finally {
    await store.close();
  }
}
