/** Sixteen nodes that allocate from the same pools at once, each with a connection of its own to one real etcd. */
import test from 'ava';
import { AddressPoolError } from '../../overlay/model/errors.js';
import type { NetworkObject, ServiceObject, TaskObject } from '../../overlay/model/object.js';
import { parsePort } from '../../overlay/model/port.js';
import { newId } from '../../overlay/model/id.js';
import type { Context } from '../../overlay/model/context.js';
import { createNetwork, ensureIngress, removeNetwork } from '../../overlay/network/networks.js';
import { createService, removeService } from '../../overlay/service/services.js';
import { createTask, removeTask } from '../../overlay/service/tasks.js';
import { openEtcdStore } from '../../overlay/store/etcd.js';
import type { Store } from '../../overlay/store/store.js';
import { systemClock } from '../../proxy/time/clock.js';
import { missing, skipWithout } from '../support/capability.js';
import { startEtcd, type Etcd } from '../support/etcd.js';
import { networkSpec, serviceSpec } from '../unit/overlay/fixtures.js';

const NEEDS = ['command:etcd', 'command:etcdctl'] as const;
const NODES = 16;
const EACH = 2;

let etcd: Etcd | undefined;
test.before(async () => {
  if (NEEDS.every((need) => missing(need) === undefined)) etcd = await startEtcd();
});
test.after.always(() => etcd?.stop());

interface Allocator {
  readonly store: Store;
  readonly context: Context;
  readonly name: string;
}

function allocators(cluster: string): Allocator[] {
  return Array.from({ length: NODES }, (_, i) => ({
    store: openEtcdStore({ members: etcd?.members.map(({ client }) => client) ?? [], cluster }),
    context: { clock: systemClock, newId, node: `n${i}` },
    name: `n${i}`,
  }));
}

const keysOf = async (store: Store): Promise<string[]> => (await store.list('')).entries.map(({ key }) => key);
const isUnique = (values: readonly unknown[]): boolean => new Set(values).size === values.length;

test.serial('nobody gets what another has, all get what they ask for, and nothing is left afterwards', async (t) => {
  if (skipWithout(t, ...NEEDS)) return;
  const nodes = allocators('allocation');
  const [first] = nodes;
  if (!first) return t.fail();
  await Promise.all(nodes.map(({ store, context }) => ensureIngress(store, context)));
  const common = await createNetwork(first.store, networkSpec('common', { ipv6: true }), first.context);
  const before = await keysOf(first.store);

  const made = await Promise.all(
    nodes.map(async ({ store, context, name }) => {
      const networks: NetworkObject[] = [];
      const services: ServiceObject[] = [];
      const tasks: TaskObject[] = [];
      for (let i = 0; i < EACH; i++) {
        networks.push(await createNetwork(store, networkSpec(`${name}-${i}`), context));
        const on = ['common', `${name}-${i}`].map((network) => ({ network, aliases: [] }));
        const service = await createService(store, serviceSpec(`${name}-${i}`, { networks: on, ports: [parsePort('80')] }), context);
        services.push(service);
        tasks.push(await createTask(store, service.id, 1, context));
      }
      return { networks, services, tasks };
    }),
  );
  const networks = made.flatMap((each) => each.networks);
  const services = made.flatMap((each) => each.services);
  const tasks = made.flatMap((each) => each.tasks);
  t.is(tasks.length, NODES * EACH);
  t.true(isUnique([common, ...networks].map(({ vni }) => vni)));
  t.true(isUnique([common, ...networks].map(({ subnet }) => subnet)));
  t.true(isUnique(services.map(({ ports }) => ports[0]?.published)));
  for (const kind of ['address', 'address6'] as const) {
    const onCommon = [...services.map(({ vips }) => vips), ...tasks.map(({ addresses }) => addresses)].map((list) => list.find(({ networkId }) => networkId === common.id)?.[kind]);
    t.true(isUnique(onCommon));
    t.false(onCommon.includes(undefined));
  }

  await Promise.all(
    nodes.map(async ({ store }, i) => {
      for (const { id } of made[i]?.tasks ?? []) await removeTask(store, id);
      for (const { id } of made[i]?.services ?? []) await removeService(store, id);
      for (const { id } of made[i]?.networks ?? []) await removeNetwork(store, id);
    }),
  );
  t.deepEqual(await keysOf(first.store), before);
  await Promise.all(nodes.map(({ store }) => store.close()));
});

test.serial('a pool that is used up is named to those who get nothing; the others have theirs', async (t) => {
  if (skipWithout(t, ...NEEDS)) return;
  const nodes = allocators('exhaustion');
  const [first] = nodes;
  if (!first) return t.fail();
  await ensureIngress(first.store, first.context);
  await createNetwork(first.store, networkSpec('small', { subnet: '10.77.0.0/29' }), first.context);
  const before = await keysOf(first.store);
  const results = await Promise.allSettled(
    nodes.map(({ store, context, name }) => createService(store, serviceSpec(name, { networks: [{ network: 'small', aliases: [] }], ports: [parsePort('80')] }), context)),
  );
  const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
  const services = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  // Six hosts, less the gateway and the balancer.
  t.is(services.length, 4);
  t.true(refusals.every((error) => error instanceof AddressPoolError && /'small' has no free address: all 5 of its pool 10\.77\.0\.0\/29/.test(error.message)), String(refusals[0]));
  for (const { id } of services) await removeService(first.store, id);
  t.deepEqual(await keysOf(first.store), before);
  await Promise.all(nodes.map(({ store }) => store.close()));
});
