import test from 'ava';
import { AmbiguousError, NotFoundError } from '../../../../overlay/model/errors.js';
import { STACK_SERVICE_LABEL } from '../../../../overlay/model/spec.js';
import { findNetwork, findService, findTask } from '../../../../overlay/service/lookup.js';
import { createService } from '../../../../overlay/service/services.js';
import { createTask } from '../../../../overlay/service/tasks.js';
import { meshStore, serviceSpec } from '../fixtures.js';

test('by id, name, in-stack name and the beginning of an id', async (t) => {
  const { store, context, n1 } = await meshStore(t);
  const ids = ['abcd00000001', 'abcd00000002', 'abce00000003', 'abcf00000004'];
  const fixed = { ...context, newId: () => ids.shift() ?? 'fffffffffff0' };
  const inStack = (name: string, short: string) => createService(store, serviceSpec(name, { labels: { [STACK_SERVICE_LABEL]: short } }), fixed);
  const demoVote = await inStack('demo_vote', 'vote');
  const demoDb = await inStack('demo_db', 'db');
  const otherDb = await inStack('other_db', 'db');
  const task = await createTask(store, demoVote.id, 1, fixed);

  t.is((await findService(store, demoVote.id)).id, demoVote.id);
  t.is((await findService(store, 'demo_vote')).id, demoVote.id);
  t.is((await findService(store, 'vote')).id, demoVote.id);
  t.is((await findService(store, 'abce')).id, otherDb.id);
  t.is((await findTask(store, task.name)).id, task.id);
  t.is((await findTask(store, 'abcf0')).id, task.id);
  t.is((await findNetwork(store, 'n1')).id, n1.id);

  const byName = await t.throwsAsync(findService(store, 'db'), { instanceOf: AmbiguousError });
  t.deepEqual(byName?.candidates, [`demo_db (${demoDb.id})`, `other_db (${otherDb.id})`]);
  const byId = await t.throwsAsync(findService(store, 'abcd'), { instanceOf: AmbiguousError, message: /'abcd' fits 2 services: .*longer id/ });
  t.is(byId?.candidates.length, 2);
  await t.throwsAsync(findService(store, 'abc'), { instanceOf: NotFoundError, message: "no service 'abc'" }, 'three digits are too few');
  await t.throwsAsync(findTask(store, 'vote.1'), { instanceOf: NotFoundError });
  await t.throwsAsync(findNetwork(store, ''), { instanceOf: NotFoundError });

  const short = await createService(store, serviceSpec('db'), context);
  t.is((await findService(store, 'db')).id, short.id, 'a full name goes before in-stack names');
  const digits = await createService(store, serviceSpec('abcd'), context);
  t.is((await findService(store, 'abcd')).id, digits.id, 'and before the beginning of an id');
});
