/** One store into another: all of it, into an empty one alone, and again after a try that was cut short. */
import test from 'ava';
import { migrate, MigrationError } from '../../../../agent/cluster/migrate.js';
import { register, RegistrationError } from '../../../../agent/cluster/registration.js';
import { createService } from '../../../../overlay/service/services.js';
import { createTask } from '../../../../overlay/service/tasks.js';
import { dump, emptyStore, keys, meshStore, serviceSpec, testContext } from '../../overlay/fixtures.js';

const NODE = 'aaaaaaaaaaaa';
const own = { id: 'bbbbbbbbbbbb', hostname: 'two', mode: 'root', address: '10.0.0.1', mtu: 1450, version: '1.0.0' } as const;

test('everything is copied, and what was there stays', async (t) => {
  const { store: from, context } = await meshStore(t);
  const service = await createService(from, serviceSpec('vote'), context);
  await createTask(from, service.id, 1, context);
  const to = emptyStore(t);
  const before = await dump(from);
  t.like(await migrate(from, to, NODE, 'c'), { networks: 2, services: 1, tasks: 1, keys: before.split('\n').length });
  t.is(await dump(to), before);
  t.is(await dump(from), before);
});

test('more than fits into one transaction, by number and by size', async (t) => {
  const [from, to] = [emptyStore(t), emptyStore(t)];
  for (let i = 0; i < 250; i++) await from.commit([], [{ put: `k/${i}`, value: i }]);
  for (let i = 0; i < 5; i++) await from.commit([], [{ put: `large/${i}`, value: 'x'.repeat(300_000) }]);
  t.is((await migrate(from, to, NODE, 'c')).keys, 255);
  t.is(await dump(to), await dump(from));
});

test('a cluster that is not empty is left alone', async (t) => {
  const [from, to] = [emptyStore(t), emptyStore(t)];
  await from.commit([], [{ put: 'a', value: 1 }]);
  await to.commit([], [{ put: 'a', value: 2 }]);
  t.regex((await t.throwsAsync(migrate(from, to, NODE, 'c'), { instanceOf: MigrationError }))?.message ?? '', /^cluster 'c' has 1 keys in etcd already, .+etcdctl del --prefix \/vipmesh\/c\//);
  t.is(await dump(to), 'a 2');
});

test('a try that was cut short begins anew; until then no node starts there, and no other store is copied there', async (t) => {
  const [from, to] = [emptyStore(t), emptyStore(t)];
  await from.commit([], [{ put: 'a', value: 1 }, { put: 'b', value: 2 }]);
  await to.commit([], [{ put: 'migration', value: { node: NODE } }, { put: 'a', value: 0 }, { put: 'old', value: 0 }]);
  t.regex((await t.throwsAsync(register(to, own, testContext()), { instanceOf: RegistrationError }))?.message ?? '', /repeat `vipmesh store migrate`/);
  await t.throwsAsync(migrate(from, to, 'cccccccccccc', 'c'), { instanceOf: MigrationError });
  await migrate(from, to, NODE, 'c');
  t.is(await dump(to), 'a 1\nb 2');
  await register(to, own, testContext());
  t.deepEqual(await keys(to, 'nodes/'), [own.id]);
});
