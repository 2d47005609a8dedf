/** What nodes have of their own on a network: the first has the network's addresses, others draw theirs, and all of it is given back. */
import test from 'ava';
import { AddressesTakenError } from '../../../../overlay/model/errors.js';
import type { NetworkSpec } from '../../../../overlay/model/spec.js';
import { attachNode, detachNode, networkOnNode } from '../../../../overlay/network/attached.js';
import { createNetwork, removeNetwork } from '../../../../overlay/network/networks.js';
import { ADDRESSES } from '../../../../overlay/store/keys.js';
import type { Store } from '../../../../overlay/store/store.js';
import { emptyStore, testContext as context } from '../fixtures.js';

const plain: NetworkSpec = { name: 'overlay1', driver: 'overlay', subnet: '10.0.9.0/24', ipv6: false, internal: false, labels: {} };

async function keys(store: Store, prefix = ''): Promise<string[]> {
  return (await store.list(prefix)).entries.map(({ key }) => key);
}

test('the first node has the network\'s own addresses, every other two of the pool, and each the same whenever it asks', async (t) => {
  const store = emptyStore(t);
  const network = await createNetwork(store, plain, context());
  const first = await attachNode(store, network.id, 'a');
  t.deepEqual(first, { gateway: '10.0.9.1', balancer: network.balancer });
  t.deepEqual(await attachNode(store, network.id, 'b'), { balancer: '10.0.9.3', gateway: '10.0.9.4' });
  t.deepEqual(await attachNode(store, network.id, 'c'), { balancer: '10.0.9.5', gateway: '10.0.9.6' });
  t.deepEqual(await attachNode(store, network.id, 'a'), first);
  t.deepEqual((await attachNode(store, network.id, 'b')).gateway, '10.0.9.4');
});

test('what a node gives back is free, and the network\'s own go to the next that comes', async (t) => {
  const store = emptyStore(t);
  const network = await createNetwork(store, plain, context());
  const before = await keys(store);
  for (const node of ['a', 'b']) await attachNode(store, network.id, node);
  await detachNode(store, network.id, 'b');
  t.deepEqual(await keys(store, ADDRESSES), [`${ADDRESSES}${network.id}/${network.balancer}`]);
  await detachNode(store, network.id, 'a');
  t.deepEqual(await keys(store), before);
  await detachNode(store, network.id, 'a');
  t.is((await attachNode(store, network.id, 'c')).balancer, network.balancer);
});

test('what a node uses, and the store has forgotten, it takes again unless somebody else has it', async (t) => {
  const store = emptyStore(t);
  const network = await createNetwork(store, { ...plain, ipv6: true, subnet6: 'fd00:1::/64' }, context());
  const [first, second] = [await attachNode(store, network.id, 'a'), await attachNode(store, network.id, 'b')];
  t.deepEqual(await attachNode(store, network.id, 'b', first), second, 'what the store knows counts');
  const before = await store.list('');
  for (const node of ['b', 'a']) await detachNode(store, network.id, node);
  t.deepEqual(await attachNode(store, network.id, 'b', second), second);
  t.deepEqual(await attachNode(store, network.id, 'a', first), first);
  t.deepEqual(await keys(store), before.entries.map(({ key }) => key));

  for (const node of ['a', 'b']) await detachNode(store, network.id, node);
  t.deepEqual(await attachNode(store, network.id, 'c'), first);
  await t.throwsAsync(attachNode(store, network.id, 'a', first), { instanceOf: AddressesTakenError });
  await store.commit([], [{ put: `${ADDRESSES}${network.id}/${second.balancer}`, value: { owner: 'tasks/t1' } }]);
  const { revision } = await store.list('');
  await t.throwsAsync(attachNode(store, network.id, 'b', second), { instanceOf: AddressesTakenError });
  t.is((await store.list('')).revision, revision, 'nothing was written');
});

test('a network that goes takes what nodes have on it along', async (t) => {
  const store = emptyStore(t);
  const before = await keys(store);
  const network = await createNetwork(store, plain, context());
  for (const node of ['a', 'b', 'c']) await attachNode(store, network.id, node);
  await removeNetwork(store, network.id);
  t.deepEqual((await keys(store)).filter((key) => key !== 'subnets'), before);
  await t.throwsAsync(attachNode(store, network.id, 'a'), { name: 'NotFoundError' });
  await t.notThrowsAsync(detachNode(store, network.id, 'a'));
});

test('a network with IPv6 gives both families', async (t) => {
  const store = emptyStore(t);
  const network = await createNetwork(store, { ...plain, ipv6: true, subnet6: 'fd00:1::/64' }, context());
  await attachNode(store, network.id, 'a');
  const second = await attachNode(store, network.id, 'b');
  t.deepEqual(second, { balancer: '10.0.9.3', balancer6: 'fd00:1::3', gateway: '10.0.9.4', gateway6: 'fd00:1::4' });
  t.like(networkOnNode(network, second), { id: network.id, subnet: '10.0.9.0/24', ...second });
  await detachNode(store, network.id, 'b');
  t.is((await keys(store, ADDRESSES)).length, 2);
});
