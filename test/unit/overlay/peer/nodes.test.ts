/** Nodes as a user changes them, and what is left of one that is forgotten: nothing. */
import test from 'ava';
import { findNode, removeNode, updateNode } from '../../../../overlay/peer/nodes.js';
import { AmbiguousError, InUseError, NodeUpError, NotFoundError } from '../../../../overlay/model/errors.js';
import type { NodeRecord, TaskObject } from '../../../../overlay/model/object.js';
import { attachNode } from '../../../../overlay/network/attached.js';
import { NodeMarks } from '../../../../overlay/service/marks.js';
import { createService } from '../../../../overlay/service/services.js';
import { createTask, markTask } from '../../../../overlay/service/tasks.js';
import type { Store } from '../../../../overlay/store/store.js';
import { dump, keys, meshStore, serviceSpec } from '../fixtures.js';

const ID = 'aaaaaaaaaaaa';
const OTHER = 'aaaabbbbbbbb';

function record(id: string, hostname: string): NodeRecord {
  return { id, hostname, availability: 'active', labels: {}, mode: 'root', address: '10.0.0.1', mtu: 1450, version: '1.0.0', createdAt: '2024-01-01T00:00:00.000Z' };
}

async function addNode(store: Store, id: string, hostname: string): Promise<void> {
  await store.commit([], [{ put: `nodes/${id}`, value: record(id, hostname) }, { put: `names/node/${hostname}`, value: { owner: `nodes/${id}` } }]);
}

test('a node is found by its id, the beginning of that, and its name', async (t) => {
  const { store } = await meshStore(t);
  await addNode(store, ID, 'one');
  await addNode(store, OTHER, 'two');
  for (const ref of [ID, 'one', 'aaaaa']) t.is((await findNode(store, ref)).id, ID);
  await t.throwsAsync(findNode(store, 'aaaa'), { instanceOf: AmbiguousError });
  t.is((await t.throwsAsync(findNode(store, 'three'), { instanceOf: NotFoundError }))?.message, "no node 'three'");
});

test('availability and labels are changed each by itself; what changes nothing is not written', async (t) => {
  const { store } = await meshStore(t);
  await addNode(store, ID, 'one');
  t.like(await updateNode(store, ID, { availability: 'drain' }), { availability: 'drain', labels: {} });
  t.like(await updateNode(store, ID, { labelsAdd: { zone: 'a', disk: 'ssd' } }), { availability: 'drain', labels: { zone: 'a', disk: 'ssd' } });
  const node = await updateNode(store, ID, { labelsAdd: { zone: 'b' }, labelsRemove: ['disk', 'none'] });
  t.deepEqual(node, { ...record(ID, 'one'), availability: 'drain', labels: { zone: 'b' } });
  const { revision } = await store.list('');
  await updateNode(store, ID, { availability: 'drain', labelsAdd: { zone: 'b' } });
  t.is((await store.list('')).revision, revision);
  await t.throwsAsync(updateNode(store, OTHER, {}), { instanceOf: NotFoundError });
});

test('nothing is left of a node that is forgotten, and its tasks count as ended', async (t) => {
  const { store, context, n1 } = await meshStore(t);
  await addNode(store, OTHER, 'two');
  await attachNode(store, n1.id, OTHER);
  const service = await createService(store, serviceSpec('vote', { replicas: 2 }), context);
  await createTask(store, service.id, 1, context, 'two');
  const before = await dump(store);

  await addNode(store, ID, 'one');
  await attachNode(store, n1.id, ID);
  const task = await createTask(store, service.id, 2, context, 'one');
  await markTask(store, task.id, { state: 'running', pid: 7 }, context);
  await new NodeMarks(store, 'one', 16).take(service.id, n1.id);
  await store.commit([], [{ put: `alive/${ID}`, value: {} }, { put: `applied/${ID}`, value: { revision: 1 } }]);

  t.regex((await t.throwsAsync(removeNode(store, ID, true, context), { instanceOf: NodeUpError }))?.message ?? '', /'one' is up/);
  await store.commit([], [{ delete: `alive/${ID}` }]);
  t.deepEqual((await t.throwsAsync(removeNode(store, ID, false, context), { instanceOf: InUseError }))?.users, [`task '${task.name}'`]);
  t.is((await store.get<TaskObject>(`tasks/${task.id}`))?.value.status.state, 'running');

  await removeNode(store, ID, true, context);
  t.like((await store.get<TaskObject>(`tasks/${task.id}`))?.value, { status: { state: 'shutdown', message: 'its node, one, was removed from the cluster' } });
  await store.commit([], [{ delete: `tasks/${task.id}` }]);
  // Where allocation goes on is no allocation.
  const withoutPools = (text: string): string => text.split('\n').filter((line) => !line.startsWith('pools/')).join('\n');
  t.is(withoutPools(await dump(store)), withoutPools(before));
  t.deepEqual(await keys(store, 'marks/'), []);
  await t.throwsAsync(removeNode(store, ID, true, context), { instanceOf: NotFoundError });
});
