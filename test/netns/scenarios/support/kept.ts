/**
 * What a restart of the agent must keep, as the API shows it, and whether what is on the host is that and no more.
 */
import assert from 'node:assert/strict';
import type { NetworkObject, ServiceObject, TaskObject } from '../../../../overlay/model/object.js';
import { isEnded } from '../../../../overlay/model/task-state.js';
import { planPrune } from '../../../../overlay/service/prune.js';
import { openEmbeddedStore } from '../../../../overlay/store/embedded.js';
import { links, pinnedNamespaces } from './host-state.js';
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
    assert.deepEqual(planPrune(entries).writes, []);
  } finally {
    await store.close();
  }
}
