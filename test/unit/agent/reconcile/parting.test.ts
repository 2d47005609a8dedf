/** What a node of a cluster says of its tasks when it ends in order, and that it ends without the store, too. */
import test from 'ava';
import { takeLeave } from '../../../../agent/reconcile/parting.js';
import { StatusWriter } from '../../../../agent/reconcile/status-writer.js';
import type { TaskObject } from '../../../../overlay/model/object.js';
import { createService } from '../../../../overlay/service/services.js';
import { createTask, markTask } from '../../../../overlay/service/tasks.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { meshStore, serviceSpec } from '../../overlay/fixtures.js';

test('all tasks of the node have ended, those of others go on', async (t) => {
  const { store, context, n1 } = await meshStore(t);
  const service = await createService(store, serviceSpec('vote', { replicas: 3, networks: [{ network: n1.spec.name, aliases: [] }] }), context);
  const [ours, waiting, other] = [await createTask(store, service.id, 1, context), await createTask(store, service.id, 2, context), await createTask(store, service.id, 3, context, 'elsewhere')];
  const addresses = async (): Promise<number> => (await store.list('addresses/')).entries.filter(({ value }) => (value as { owner: string }).owner.startsWith('tasks/')).length;
  t.is(await addresses(), 3);
  for (const task of [ours, other]) await markTask(store, task.id, { state: 'running', pid: 7 }, context);
  const statuses = new StatusWriter((id, observed) => markTask(store, id, observed, context), context.clock, (error) => t.fail(String(error)));
  // As the runner says it, which knows how it ended.
  statuses.write(ours, { state: 'stopping', message: 'the agent was stopped' });
  statuses.write(ours, { state: 'shutdown', exitCode: 143 });
  await takeLeave({ store, statuses, context });
  const state = async ({ id }: TaskObject): Promise<TaskObject['status'] | undefined> => (await store.get<TaskObject>(`tasks/${id}`))?.value.status;
  t.like(await state(ours), { state: 'shutdown', exitCode: 143 });
  t.is((await state(ours))?.pid, undefined);
  t.like(await state(waiting), { state: 'shutdown', message: 'the agent was stopped' });
  t.like(await state(other), { state: 'running', pid: 7 });
  t.is(await addresses(), 1);
});

test('a store that is out of reach, or hangs, does not hold up the end; nothing is written after it', async (t) => {
  const { store, context } = await meshStore(t);
  const clock = new FakeClock();
  const said: string[] = [];
  const statuses = { stored: () => (said.push('asked'), new Promise<void>(() => undefined)), close: () => void said.push('closed') };
  const away = Object.assign(Object.create(store) as typeof store, {});
  Object.defineProperty(away, 'contact', { value: { reachable: false, since: 0 } });
  await takeLeave({ store: away, statuses, context: { ...context, clock } });
  t.deepEqual(said.splice(0), ['closed']);
  const left = takeLeave({ store, statuses, context: { ...context, clock } });
  clock.advance(5000);
  await left;
  t.deepEqual(said, ['asked', 'closed']);
});
