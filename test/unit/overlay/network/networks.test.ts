import test from 'ava';
import { AddressPoolError, InUseError, NameTakenError, NotFoundError, ReservedNetworkError, SubnetTakenError } from '../../../../overlay/model/errors.js';
import { createNetwork, ensureIngress, removeNetwork } from '../../../../overlay/network/networks.js';
import { createService, removeService } from '../../../../overlay/service/services.js';
import { createOneOffTask, createTask, markTask } from '../../../../overlay/service/tasks.js';
import type { Store } from '../../../../overlay/store/store.js';
import { parseCidr } from '../../../../proxy/net/addr.js';
import { dump, emptyStore, keys, meshStore, networkSpec, serviceSpec, taskSpec, testContext } from '../fixtures.js';

test('ingress is made once, with the first subnet and VNI', async (t) => {
  const store = emptyStore(t);
  const context = testContext();
  const [ingress, again] = await Promise.all([ensureIngress(store, context), ensureIngress(store, context)]);
  t.deepEqual(again, ingress);
  t.deepEqual(ingress, {
    id: 'a00000000001', spec: networkSpec('ingress'), ingress: true, subnet: '10.0.0.0/24', gateway: '10.0.0.1', balancer: '10.0.0.2', vni: 4096, createdAt: '2024-01-01T00:00:00.000Z',
  });
});

test('networks get subnets and VNIs in order, and what is removed is free again', async (t) => {
  const { store, context, n1 } = await meshStore(t);
  t.like(n1, { subnet: '10.0.1.0/24', gateway: '10.0.1.1', balancer: '10.0.1.2', vni: 4097, ingress: false });
  const before = await dump(store);
  const n2 = await createNetwork(store, networkSpec('n2', { internal: true, labels: { a: 'b' } }), context);
  t.like(n2, { subnet: '10.0.2.0/24', vni: 4098, spec: { internal: true, labels: { a: 'b' } } });
  await removeNetwork(store, n2.id);
  t.is(await dump(store), before, 'nothing of it is left');
  t.like(await createNetwork(store, networkSpec('n3'), context), { subnet: '10.0.2.0/24', vni: 4098 });
});

test('a subnet and a gateway of the user\'s choice', async (t) => {
  const { store, context } = await meshStore(t);
  const network = await createNetwork(store, networkSpec('own', { subnet: '192.168.5.0/28', gateway: '192.168.5.2' }), context, [parseCidr('192.168.0.0/16')]);
  t.like(network, { subnet: '192.168.5.0/28', gateway: '192.168.5.2', balancer: '192.168.5.1' });
});

test('the host\'s routes are kept clear of', async (t) => {
  const store = emptyStore(t);
  const routes = ['0.0.0.0/0', '10.0.0.0/23'].map(parseCidr);
  t.is((await ensureIngress(store, testContext(), routes)).subnet, '10.0.2.0/24');
});

test('a name is taken once', async (t) => {
  const { store, context } = await meshStore(t);
  const before = await dump(store);
  const error = await t.throwsAsync(createNetwork(store, networkSpec('n1'), context), { instanceOf: NameTakenError });
  t.regex(error?.message ?? '', /'n1'/);
  t.is(await dump(store), before);
});

test('overlapping subnets are refused, naming the network that has it', async (t) => {
  const { store, context } = await meshStore(t);
  const before = await dump(store);
  for (const subnet of ['10.0.1.0/24', '10.0.1.64/26', '10.0.0.0/16']) {
    const error = await t.throwsAsync(createNetwork(store, networkSpec('x', { subnet }), context), { instanceOf: SubnetTakenError });
    t.regex(error?.message ?? '', /network '(n1|ingress)'/);
  }
  t.is(await dump(store), before);
});

test('concurrent creations share nothing, from one process or several', async (t) => {
  const { store } = await meshStore(t);
  const created = await Promise.all(
    Array.from({ length: 8 }, (_, i) => {
      const context = { ...testContext(), newId: () => `b${String(i).padStart(11, '0')}` };
      return createNetwork({ ...bound(store) }, networkSpec(`c${i % 6}`), context).catch((error: unknown) => error);
    }),
  );
  const networks = created.filter((result): result is Awaited<ReturnType<typeof createNetwork>> => !(result instanceof Error));
  t.is(networks.length, 6);
  t.is(created.filter((result) => result instanceof NameTakenError).length, 2);
  t.is(new Set(networks.map(({ subnet }) => subnet)).size, 6);
  t.is(new Set(networks.map(({ vni }) => vni)).size, 6);
});

function bound(store: Store): Store {
  return {
    committed: 0,
    contact: { reachable: true, since: 0 },
    get: (key) => store.get(key), list: (prefix) => store.list(prefix), commit: (compares, writes) => store.commit(compares, writes),
    watch: (prefix, revision, signal) => store.watch(prefix, revision, signal), lease: (seconds) => store.lease(seconds), close: () => store.close(),
  };
}

test('a network in use is not removed, and its users are named', async (t) => {
  const { store, context, n1 } = await meshStore(t);
  const service = await createService(store, serviceSpec('vote', { networks: [{ network: n1.id, aliases: [] }], endpointMode: 'dnsrr' }), context);
  const task = await createTask(store, service.id, 1, context);
  const shell = await createOneOffTask(store, { name: 'shell', task: taskSpec, networks: [{ network: 'n1', aliases: [] }] }, context);
  const error = await t.throwsAsync(removeNetwork(store, n1.id), { instanceOf: InUseError });
  t.deepEqual(error?.users, ["service 'vote'", `task 'vote.1.${task.id}'`, "task 'shell'"]);
  await removeService(store, service.id);
  await markTask(store, task.id, { state: 'failed' }, context);
  t.deepEqual((await t.throwsAsync(removeNetwork(store, n1.id), { instanceOf: InUseError }))?.users, ["task 'shell'"]);
  await markTask(store, shell.id, { state: 'complete' }, context);
  await removeNetwork(store, n1.id);
  t.deepEqual(await keys(store, `addresses/${n1.id}/`), []);
});

test('a service or task that joins at the same time keeps the network, or finds it gone', async (t) => {
  for (let round = 0; round < 5; round++) {
    const { store, context, n1 } = await meshStore(t);
    const results = await Promise.allSettled([
      removeNetwork(bound(store), n1.id),
      createService(bound(store), serviceSpec('vip'), context),
      createService(bound(store), serviceSpec('dnsrr', { endpointMode: 'dnsrr' }), context),
      createOneOffTask(bound(store), { task: taskSpec, networks: [{ network: 'n1', aliases: [] }] }, context),
    ]);
    const [removed, ...joined] = results.map(({ status }) => status === 'fulfilled');
    const exists = (await store.get(`networks/${n1.id}`)) !== undefined;
    t.is(exists, !removed);
    t.is(joined.some((done) => done), exists, 'whoever joined has its network');
    t.is((await keys(store, `addresses/${n1.id}/`)).length > 0, exists);
  }
});

test('ingress stays, and what is not there is not found', async (t) => {
  const { store, ingress } = await meshStore(t);
  await t.throwsAsync(removeNetwork(store, ingress.id), { instanceOf: ReservedNetworkError });
  await t.throwsAsync(removeNetwork(store, 'b00000000000'), { instanceOf: NotFoundError });
});

test('addresses run out with an error that names the network, the pool and its size', async (t) => {
  const { store, context } = await meshStore(t);
  const small = await createNetwork(store, networkSpec('small', { subnet: '172.20.0.0/29' }), context);
  const join = () => createOneOffTask(store, { task: taskSpec, networks: [{ network: 'small', aliases: [] }] }, context);
  const tasks = [await join(), await join(), await join(), await join()];
  t.deepEqual(tasks.map(({ addresses }) => addresses[0]?.address), ['172.20.0.3', '172.20.0.4', '172.20.0.5', '172.20.0.6']);
  const before = await dump(store);
  const error = await t.throwsAsync(join(), { instanceOf: AddressPoolError });
  t.regex(error?.message ?? '', /'small' .* 5 of its pool 172\.20\.0\.0\/29/);
  t.is(await dump(store), before);
  await markTask(store, tasks[1]?.id ?? '', { state: 'shutdown' }, context);
  t.is((await join()).addresses[0]?.address, '172.20.0.4');
  t.deepEqual(await keys(store, `addresses/${small.id}/`), ['172.20.0.2', '172.20.0.3', '172.20.0.4', '172.20.0.5', '172.20.0.6']);
});

test('a network with IPv6 gets a /64 of the mesh\'s own prefix, which is drawn once', async (t) => {
  const { store, context } = await meshStore(t);
  const prefix = async (): Promise<unknown> => (await store.get('ula'))?.value;
  t.is(await prefix(), undefined, 'not before it is needed');
  const first = await createNetwork(store, networkSpec('six', { ipv6: true }), { ...context, newId: sequence('a00000000006', 'c1d23a4b5c6d') });
  t.deepEqual(await prefix(), { prefix: 'fdd2:3a4b:5c6d::/48' });
  t.like(first, { subnet6: 'fdd2:3a4b:5c6d:1::/64', gateway6: 'fdd2:3a4b:5c6d:1::1', balancer6: 'fdd2:3a4b:5c6d:1::2', balancer: '10.0.2.2' });
  const second = await createNetwork(store, networkSpec('six2', { ipv6: true }), context);
  t.like(second, { subnet6: 'fdd2:3a4b:5c6d:2::/64' });
  await removeNetwork(store, first.id);
  t.deepEqual(await keys(store, `addresses/${first.id}/`), []);
  t.like(await createNetwork(store, networkSpec('six3', { ipv6: true }), context), { subnet6: 'fdd2:3a4b:5c6d:1::/64' }, 'what is removed is free again');
});

/** The first ids of a context, in order. */
function sequence(...ids: string[]): () => string {
  return () => ids.shift() ?? 'a00000000009';
}

test('an IPv6 subnet and gateway of the user\'s choice, in canonical form', async (t) => {
  const { store, context } = await meshStore(t);
  const own = await createNetwork(store, networkSpec('own', { ipv6: true, subnet6: 'FD00:0:0:7::/64', gateway6: 'fd00::7:0:0:0:fe' }), context);
  t.like(own, { subnet: '10.0.2.0/24', subnet6: 'fd00:0:0:7::/64', gateway6: 'fd00:0:0:7::fe', balancer6: 'fd00:0:0:7::1' });
  t.is((await store.get('ula'))?.value, undefined, 'no prefix is drawn for it');
  const before = await dump(store);
  for (const subnet6 of ['fd00:0:0:7::/64', 'fd00:0:0:7:8::/80', 'fd00::/16']) {
    const error = await t.throwsAsync(createNetwork(store, networkSpec('x', { ipv6: true, subnet6 }), context), { instanceOf: SubnetTakenError });
    t.regex(error?.message ?? '', /overlaps fd00:0:0:7::\/64 of network 'own'/);
  }
  t.is(await dump(store), before);
});

test('a network without IPv6 has nothing of it', async (t) => {
  const { n1, store, context } = await meshStore(t);
  t.deepEqual(Object.keys(n1).filter((key) => key.endsWith('6')), []);
  const { vips } = await createService(store, serviceSpec('vote'), context);
  t.deepEqual(vips, [{ networkId: n1.id, address: '10.0.1.3' }]);
});

test('services and tasks on a network with IPv6 have both addresses, and give both back', async (t) => {
  const { store, context } = await meshStore(t);
  const six = await createNetwork(store, networkSpec('six', { ipv6: true, subnet6: 'fd00:6::/64' }), context);
  const spec = serviceSpec('vote', { networks: [{ network: 'n1', aliases: [] }, { network: 'six', aliases: [] }] });
  const before = await keys(store, `addresses/${six.id}/`);
  const service = await createService(store, spec, context);
  t.deepEqual(service.vips[1], { networkId: six.id, address: '10.0.2.3', address6: 'fd00:6::3' });
  t.is(service.vips[0]?.address6, undefined);
  const task = await createTask(store, service.id, 1, context);
  t.deepEqual(task.addresses[1], { networkId: six.id, address: '10.0.2.4', address6: 'fd00:6::4', interface: 'eth1' });
  const shell = await createOneOffTask(store, { task: taskSpec, networks: [{ network: 'six', aliases: ['sh'] }] }, context);
  t.deepEqual(shell.addresses, [{ networkId: six.id, address: '10.0.2.5', address6: 'fd00:6::5', interface: 'eth0', aliases: ['sh'] }]);
  await markTask(store, task.id, { state: 'failed' }, context);
  await markTask(store, shell.id, { state: 'complete' }, context);
  await removeService(store, service.id);
  t.deepEqual(await keys(store, `addresses/${six.id}/`), before);
  // What was given back stays unused for as long as possible, in both families.
  t.like((await createService(store, spec, context)).vips[1], { address: '10.0.2.6', address6: 'fd00:6::6' });
});

test('what an earlier version stored, without a word of IPv6, goes on', async (t) => {
  const { store, context, n1 } = await meshStore(t);
  const { ipv6: _none, ...spec } = n1.spec;
  await store.commit([], [{ put: `networks/${n1.id}`, value: { ...n1, spec } }]);
  const service = await createService(store, serviceSpec('vote'), context);
  t.deepEqual((await createTask(store, service.id, 1, context)).addresses, [{ networkId: n1.id, address: '10.0.1.4', interface: 'eth0' }]);
  t.like(await createNetwork(store, networkSpec('six', { ipv6: true }), context), { subnet: '10.0.2.0/24' });
});
