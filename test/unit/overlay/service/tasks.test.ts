import test from 'ava';
import { AddressPoolError, NameTakenError, NotFoundError, TaskEndedError } from '../../../../overlay/model/errors.js';
import type { TaskObject } from '../../../../overlay/model/object.js';
import { parsePort } from '../../../../overlay/model/port.js';
import { createNetwork } from '../../../../overlay/network/networks.js';
import { listObjects } from '../../../../overlay/service/lookup.js';
import { createService, removeService } from '../../../../overlay/service/services.js';
import { createOneOffTask, createTask, createTasks, markTask, removeTask, stopTask } from '../../../../overlay/service/tasks.js';
import { TASKS } from '../../../../overlay/store/keys.js';
import { dump, keys, meshStore, networkSpec, serviceSpec, taskSpec } from '../fixtures.js';

test('a task has an address on each of its service\'s networks, ingress last', async (t) => {
  const { store, context, n1, ingress } = await meshStore(t);
  const n2 = await createNetwork(store, networkSpec('n2'), context);
  const networks = ['n2', 'n1'].map((network) => ({ network, aliases: ['x'] }));
  const service = await createService(store, serviceSpec('vote', { networks, ports: [parsePort('8080:80')], labels: { a: 'b' } }), context);
  context.clock.advance(2000);
  const task = await createTask(store, service.id, 3, context);
  t.deepEqual(task, {
    id: task.id, name: `vote.3.${task.id}`, serviceId: service.id, slot: 3, version: 1, spec: taskSpec, labels: { a: 'b' }, node: 'node1', desired: 'running',
    addresses: [
      { networkId: n2.id, address: '10.0.2.4', interface: 'eth0' },
      { networkId: n1.id, address: '10.0.1.4', interface: 'eth1' },
      { networkId: ingress.id, address: '10.0.0.4', interface: 'eth2' },
    ],
    status: { state: 'pending', since: '2024-01-01T00:00:02.000Z', health: 'none' }, createdAt: '2024-01-01T00:00:02.000Z',
  });
  t.deepEqual((await store.get(`tasks/${task.id}`))?.value, task);
  t.deepEqual((await store.get(`addresses/${n1.id}/10.0.1.4`))?.value, { owner: `tasks/${task.id}` });
});

test('a task of a service that is gone is not made', async (t) => {
  const { store, context } = await meshStore(t);
  const { id } = await createService(store, serviceSpec('vote'), context);
  await removeService(store, id);
  const before = await dump(store);
  await t.throwsAsync(createTask(store, id, 1, context), { instanceOf: NotFoundError });
  t.is(await dump(store), before);
});

test('a task runs where it was placed; one of a global service is named after its node', async (t) => {
  const { store, context } = await meshStore(t);
  const { id } = await createService(store, serviceSpec('vote'), context);
  t.like(await createTask(store, id, 2, context, 'node2'), { slot: 2, node: 'node2' });
  const task = await createTask(store, id, 0, context, 'node2');
  t.like(task, { name: `vote.node2.${task.id}`, slot: 0, node: 'node2' });
});

test('several tasks at once: all that there are addresses for', async (t) => {
  const { store, context } = await meshStore(t);
  await createNetwork(store, networkSpec('small', { subnet: '10.77.0.0/28' }), context);
  const { id } = await createService(store, serviceSpec('vote', { networks: [{ network: 'small', aliases: [] }], endpointMode: 'dnsrr' }), context);
  const places = Array.from({ length: 14 }, (_, i) => ({ slot: i + 1, node: `n${i % 3}` }));
  const error = await t.throwsAsync(createTasks(store, id, places, context), { instanceOf: AddressPoolError });
  t.regex(error?.message ?? '', /'small' has no free address/);
  const tasks = await listObjects<TaskObject>(store, TASKS);
  t.deepEqual(tasks.map(({ slot, node }) => `${slot} ${node}`), places.slice(0, 12).map(({ slot, node }) => `${slot} ${node}`));
  t.is(new Set(tasks.map(({ addresses }) => addresses[0]?.address)).size, 12);
});

test('whoever asks a task to stop may say why', async (t) => {
  const { store, context } = await meshStore(t);
  const { id } = await createService(store, serviceSpec('vote'), context);
  const task = await createTask(store, id, 1, context);
  t.like(await stopTask(store, task.id, 'node n is down'), { desired: 'shutdown', status: { state: 'pending', message: 'node n is down' } });
  const other = await createTask(store, id, 2, context);
  t.false('message' in (await stopTask(store, other.id)).status);
});

test('a one-off task: its name, its aliases, never on ingress', async (t) => {
  const { store, context, n1 } = await meshStore(t);
  const plain = await createOneOffTask(store, { task: taskSpec, networks: [{ network: 'n1', aliases: ['db'] }] }, context);
  t.like(plain, { name: `run.${plain.id}`, slot: 0, version: 0, labels: {}, addresses: [{ networkId: n1.id, address: '10.0.1.3', interface: 'eth0', aliases: ['db'] }] });
  t.is(plain.serviceId, undefined);
  t.deepEqual((await createOneOffTask(store, { task: taskSpec, networks: [] }, context)).addresses, []);

  const named = await createOneOffTask(store, { name: 'shell', task: taskSpec, networks: [] }, context);
  t.is(named.name, 'shell');
  await t.throwsAsync(createOneOffTask(store, { name: 'shell', task: taskSpec, networks: [] }, context), { instanceOf: NameTakenError });
  await markTask(store, named.id, { state: 'complete', exitCode: 0 }, context);
  await t.throwsAsync(createOneOffTask(store, { name: 'shell', task: taskSpec, networks: [] }, context), { instanceOf: NameTakenError }, 'a name is kept as long as the record');
  await removeTask(store, named.id);
  t.is((await createOneOffTask(store, { name: 'shell', task: taskSpec, networks: [] }, context)).name, 'shell');
});

test('the life of a task, state by state', async (t) => {
  const { store, context } = await meshStore(t);
  const healthcheck = { command: ['true'], interval: 1000, timeout: 1000, retries: 1, startPeriod: 0 };
  const { id } = await createOneOffTask(store, { task: { ...taskSpec, healthcheck }, networks: [] }, context);
  const after = async (observed: Parameters<typeof markTask>[2]) => {
    context.clock.advance(1000);
    return (await markTask(store, id, observed, context)).status;
  };
  const at = (seconds: number): string => `2024-01-01T00:00:0${seconds}.000Z`;
  t.deepEqual(await after({ state: 'starting' }), { state: 'starting', since: at(1), health: 'starting' });
  t.deepEqual(await after({ pid: 7 }), { state: 'starting', since: at(1), health: 'starting', pid: 7 });
  t.deepEqual(await after({ state: 'running' }), { state: 'running', since: at(2 + 1), health: 'starting', pid: 7 });
  t.deepEqual(await after({ health: 'healthy' }), { state: 'running', since: at(3), health: 'healthy', pid: 7 });
  t.deepEqual(await after({ state: 'starting', message: 'the agent was restarted' }), { state: 'starting', since: at(5), health: 'starting', message: 'the agent was restarted' }, 'another process: nothing is known of it');
  t.deepEqual(await after({ state: 'running', pid: 8, health: 'healthy' }), { state: 'running', since: at(6), health: 'healthy', pid: 8 });
  t.deepEqual(await after({ state: 'stopping' }), { state: 'stopping', since: at(7), health: 'healthy', pid: 8 });
  t.deepEqual(await after({ state: 'shutdown', exitCode: 143 }), { state: 'shutdown', since: at(8), health: 'healthy', exitCode: 143 });
  await t.throwsAsync(after({ state: 'running' }), { instanceOf: TaskEndedError, message: /shutdown/ });
  await t.throwsAsync(after({ health: 'healthy' }), { instanceOf: TaskEndedError });
});

test('an ended task has given its addresses back, and its record does not touch them again', async (t) => {
  const { store, context, n1 } = await meshStore(t);
  const ended = await createOneOffTask(store, { task: taskSpec, networks: [{ network: 'n1', aliases: [] }] }, context);
  await markTask(store, ended.id, { state: 'failed', exitCode: 1 }, context);
  t.deepEqual(await keys(store, `addresses/${n1.id}/`), ['10.0.1.2']);
  // As if the pool had gone round.
  await store.commit([], [{ delete: `pools/${n1.id}` }]);
  const heir = await createOneOffTask(store, { task: taskSpec, networks: [{ network: 'n1', aliases: [] }] }, context);
  t.is(heir.addresses[0]?.address, ended.addresses[0]?.address);
  await removeTask(store, ended.id);
  t.deepEqual((await store.get(`addresses/${n1.id}/10.0.1.3`))?.value, { owner: `tasks/${heir.id}` });
  t.is(await store.get(`tasks/${ended.id}`), undefined);
  await removeTask(store, heir.id);
  t.deepEqual(await keys(store, `addresses/${n1.id}/`), ['10.0.1.2']);
  await t.notThrowsAsync(removeTask(store, heir.id));
});

test('a task that is to leave no record is forgotten by the commit that says that it ended', async (t) => {
  const { store, context } = await meshStore(t);
  const before = await dump(store);
  const { id } = await createOneOffTask(store, { name: 'shell', task: taskSpec, networks: [], removeAtEnd: true }, context);
  t.is((await markTask(store, id, { state: 'running', pid: 7 }, context)).removeAtEnd, true);
  const { revision } = await store.list('');
  t.like(await markTask(store, id, { state: 'complete', exitCode: 0 }, context), { id, status: { state: 'complete', exitCode: 0 } });
  t.is((await store.list('')).revision, revision + 1);
  t.is(await dump(store), before);
});

test('asking a task to stop says so once', async (t) => {
  const { store, context } = await meshStore(t);
  const { id } = await createOneOffTask(store, { task: taskSpec, networks: [] }, context);
  t.like(await stopTask(store, id), { desired: 'shutdown', status: { state: 'pending' } });
  const { revision } = await store.list('');
  await stopTask(store, id);
  await markTask(store, id, { state: 'shutdown' }, context);
  t.is((await stopTask(store, id)).status.state, 'shutdown');
  t.is((await store.list('')).revision, revision + 1);
  await t.throwsAsync(stopTask(store, 'b00000000000'), { instanceOf: NotFoundError });
  await t.throwsAsync(markTask(store, 'b00000000000', {}, context), { instanceOf: NotFoundError });
});
