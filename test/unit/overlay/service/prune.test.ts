import test from 'ava';
import { parsePort } from '../../../../overlay/model/port.js';
import { prune } from '../../../../overlay/service/prune.js';
import { createService } from '../../../../overlay/service/services.js';
import { createOneOffTask, createTask, markTask } from '../../../../overlay/service/tasks.js';
import type { Store } from '../../../../overlay/store/store.js';
import { dump, meshStore, serviceSpec, taskSpec } from '../fixtures.js';

test('a store in order is left alone', async (t) => {
  const { store, context } = await meshStore(t);
  const service = await createService(store, serviceSpec('vote', { ports: [parsePort('8080:80')] }), context);
  await createTask(store, service.id, 1, context);
  const ended = await createOneOffTask(store, { name: 'shell', task: taskSpec, networks: [{ network: 'n1', aliases: [] }] }, context);
  await markTask(store, ended.id, { state: 'complete' }, context);
  const before = await dump(store);
  t.deepEqual(await prune(store), []);
  t.is(await dump(store), before);
});

test('what belongs to nobody is released, and named', async (t) => {
  const { store, context, n1 } = await meshStore(t);
  const vote = await createService(store, serviceSpec('vote', { ports: [parsePort('8080:80')] }), context);
  const before = await dump(store);
  const gone = 'services/b00000000000';
  const orphans: Record<string, unknown> = {
    [`addresses/${n1.id}/10.0.1.77`]: { owner: 'tasks/b00000000000' },
    [`addresses/${n1.id}/10.0.1.78`]: { owner: gone },
    'addresses/b00000000001/10.9.9.9': { owner: 'balancer' },
    'names/service/old': { owner: gone },
    'pools/b00000000001': { last: '10.9.9.9' },
    'ports/udp/53': [{ owner: gone }],
    'vnis/5000': { owner: 'networks/b00000000001' },
  };
  const shared = { key: 'ports/tcp/8080', value: (await store.get<object[]>('ports/tcp/8080'))?.value ?? [] };
  const subnets = (await store.get<object>('subnets'))?.value;
  await store.commit([], [
    ...Object.entries(orphans).map(([put, value]) => ({ put, value })),
    { put: shared.key, value: [{ owner: gone, address: '127.0.0.9' }, ...shared.value] },
    { put: 'subnets', value: { ...subnets, '10.9.9.0/24': 'networks/b00000000001' } },
  ]);
  t.deepEqual((await prune(store))?.sort(), [...Object.keys(orphans), 'ports/tcp/8080', 'subnets'].sort());
  t.is(await dump(store), before);
  t.deepEqual((await store.get('ports/tcp/8080'))?.value, [{ owner: `services/${vote.id}` }]);
});

test('an address that an ended task still has is released, and its name is not', async (t) => {
  const { store, context, n1 } = await meshStore(t);
  const task = await createOneOffTask(store, { name: 'shell', task: taskSpec, networks: [{ network: 'n1', aliases: [] }] }, context);
  await markTask(store, task.id, { state: 'failed' }, context);
  const before = await dump(store);
  await store.commit([], [{ put: `addresses/${n1.id}/10.0.1.3`, value: { owner: `tasks/${task.id}` } }]);
  t.deepEqual(await prune(store), [`addresses/${n1.id}/10.0.1.3`]);
  t.is(await dump(store), before);
});

test('what changed after the listing is not pruned', async (t) => {
  const { store, n1 } = await meshStore(t);
  const key = `addresses/${n1.id}/10.0.1.9`;
  await store.commit([], [{ put: key, value: { owner: 'tasks/b00000000000' } }]);
  const racing: Store = {
    committed: 0,
    contact: { reachable: true, since: 0 },
    get: (k) => store.get(k), watch: (p, r, s) => store.watch(p, r, s), lease: (seconds) => store.lease(seconds), close: () => store.close(), list: (prefix) => store.list(prefix),
    commit: async (compares, writes) => {
      await store.commit([], [{ put: key, value: { owner: `networks/${n1.id}` } }]);
      return store.commit(compares, writes);
    },
  };
  t.is(await prune(racing), undefined);
  t.deepEqual((await store.get(key))?.value, { owner: `networks/${n1.id}` });
  t.deepEqual(await prune(store), []);
});
