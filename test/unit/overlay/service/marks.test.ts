import test from 'ava';
import { AddressPoolError } from '../../../../overlay/model/errors.js';
import { NodeMarks } from '../../../../overlay/service/marks.js';
import { keys, meshStore } from '../fixtures.js';

test('a service keeps its mark on a network, over restarts, and another gets the lowest that is free', async (t) => {
  const { store } = await meshStore(t);
  const marks = new NodeMarks(store, 'node1', 10);
  t.deepEqual(await Promise.all([marks.take('a', 'n1'), marks.take('a', 'n2'), marks.take('b', 'n1'), marks.take('a', 'n1')]), [0, 1, 2, 0]);
  t.deepEqual(await keys(store, 'marks/'), ['node1/0', 'node1/1', 'node1/2']);
  const next = new NodeMarks(store, 'node1', 10);
  await next.keepOnly([['b', 'n1'], ['c', 'n1']]);
  t.deepEqual(await keys(store, 'marks/'), ['node1/2']);
  t.deepEqual([await next.take('b', 'n1'), await next.take('c', 'n1')], [2, 0]);
  t.is(await new NodeMarks(store, 'node2', 10).take('b', 'n1'), 0, 'each node has its own');
});

test('a number that another took meanwhile is not taken twice', async (t) => {
  const { store } = await meshStore(t);
  const [one, other] = [new NodeMarks(store, 'node1', 2), new NodeMarks(store, 'node1', 2)];
  await Promise.all([one.keepOnly([]), other.keepOnly([])]);
  t.deepEqual([await one.take('a', 'n1'), await other.take('b', 'n1')], [0, 1]);
  await t.throwsAsync(one.take('c', 'n1'), { instanceOf: AddressPoolError, message: 'all 2 packet marks of node node1 are taken: remove a service' });
});

test('each published port of a service has a mark of its own, beside that of its VIP', async (t) => {
  const { store } = await meshStore(t);
  const marks = new NodeMarks(store, 'node1', 10);
  t.deepEqual([await marks.take('a', 'n1'), await marks.take('a', 'n1', '*:80/tcp'), await marks.take('a', 'n1', '*:80/udp')], [0, 1, 2]);
  const next = new NodeMarks(store, 'node1', 10);
  await next.keepOnly([['a', 'n1'], ['a', 'n1', '*:80/udp']]);
  t.deepEqual(await keys(store, 'marks/'), ['node1/0', 'node1/2']);
  t.is(await next.take('a', 'n1', '*:80/udp'), 2);
});
