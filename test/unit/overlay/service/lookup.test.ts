import test from 'ava';
import { AmbiguousError, NotFoundError, ServiceNotTaskError } from '../../../../overlay/model/errors.js';
import { STACK_SERVICE_LABEL } from '../../../../overlay/model/spec.js';
import { findNetwork, findService, findTask } from '../../../../overlay/service/lookup.js';
import { createService } from '../../../../overlay/service/services.js';
import { createTask, markTask } from '../../../../overlay/service/tasks.js';
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
  await t.throwsAsync(findNetwork(store, ''), { instanceOf: NotFoundError });

  const short = await createService(store, serviceSpec('db'), context);
  t.is((await findService(store, 'db')).id, short.id, 'a full name goes before in-stack names');
  const digits = await createService(store, serviceSpec('abcd'), context);
  t.is((await findService(store, 'abcd')).id, digits.id, 'and before the beginning of an id');
});

test('a task by SERVICE.SLOT, as long as exactly one of them lives', async (t) => {
  const { store, context } = await meshStore(t);
  const service = await createService(store, serviceSpec('demo_vote', { labels: { [STACK_SERVICE_LABEL]: 'vote' } }), context);
  const [old, second] = [await createTask(store, service.id, 1, context), await createTask(store, service.id, 2, context)];
  t.is((await findTask(store, 'demo_vote.2')).id, second.id);
  t.is((await findTask(store, 'vote.2')).id, second.id, 'by its name within the stack');
  await t.throwsAsync(findTask(store, 'demo_vote.3'), { instanceOf: NotFoundError, message: "no task 'demo_vote.3'" });
  const successor = await createTask(store, service.id, 1, context);
  const both = await t.throwsAsync(findTask(store, 'demo_vote.1'), { instanceOf: AmbiguousError });
  t.deepEqual(both?.candidates.toSorted(), [`${old.name} (${old.id})`, `${successor.name} (${successor.id})`].sort());
  await markTask(store, old.id, { state: 'failed' }, context);
  t.is((await findTask(store, 'demo_vote.1')).id, successor.id, 'what has ended is not meant');
  t.is((await findTask(store, old.name)).id, old.id, 'unless it is named in full');
});

test('the name of a service where a task is wanted: its tasks are named', async (t) => {
  const { store, context } = await meshStore(t);
  const service = await createService(store, serviceSpec('web'), context);
  await t.throwsAsync(findTask(store, 'web'), { instanceOf: ServiceNotTaskError, message: "'web' is a service, and none of its tasks runs" });
  const tasks = [await createTask(store, service.id, 1, context), await createTask(store, service.id, 2, context)];
  const error = await t.throwsAsync(findTask(store, 'web'), { instanceOf: ServiceNotTaskError });
  t.is(error?.message, `'web' is a service: name one of its tasks: ${tasks.map(({ name }) => name).join(', ')}`);
});
