/** What a service keeps of an update, and going back. */
import test from 'ava';
import { NoPreviousSpecError, PortTakenError, ValidationError } from '../../../../overlay/model/errors.js';
import { parsePort } from '../../../../overlay/model/port.js';
import type { ServiceObject } from '../../../../overlay/model/object.js';
import type { ServiceSpec } from '../../../../overlay/model/spec.js';
import { isCurrent } from '../../../../overlay/model/task-state.js';
import { createService, noteUpdate, rollBackService, scaleService, updateService } from '../../../../overlay/service/services.js';
import { dump, meshStore, serviceSpec, taskSpec, type TestContext } from '../fixtures.js';
import type { Store } from '../../../../overlay/store/store.js';

const running = (command: string, more: Partial<ServiceSpec> = {}): ServiceSpec => serviceSpec('vote', { task: { ...taskSpec, command: [command] }, ...more });

/** Versions whose tasks need not be replaced, of 1 to 9. */
const current = (service: ServiceObject): number[] => [1, 2, 3, 4, 5, 6, 7, 8, 9].filter((version) => isCurrent({ version }, service));

const STARTED = '2024-01-01T00:00:00.000Z';

async function end(store: Store, { id, version }: ServiceObject, state: 'completed' | 'paused'): Promise<ServiceObject> {
  return noteUpdate(store, id, version, { state, startedAt: STARTED, completedAt: STARTED });
}

async function vote(store: Store, context: TestContext): Promise<string> {
  return (await createService(store, running('one'), context)).id;
}

test('an update keeps what was before, and begins', async (t) => {
  const { store, context } = await meshStore(t);
  const id = await vote(store, context);
  const updated = await updateService(store, id, running('two'), context);
  t.like(updated, { version: 2, previousSpec: running('one'), previousVersions: [1], updateStatus: { state: 'updating', startedAt: STARTED } });
  t.deepEqual(current(updated), [2]);
});

test('what tasks do not see begins no update, and can be rolled back all the same', async (t) => {
  const { store, context } = await meshStore(t);
  const id = await vote(store, context);
  const updated = await updateService(store, id, running('one', { labels: { a: 'b' } }), context);
  t.like(updated, { version: 1, previousVersions: [1], updateStatus: undefined });
  const back = await rollBackService(store, id, context);
  t.like(back, { version: 1, spec: running('one'), updateStatus: { state: 'rollback_started' } });
  t.deepEqual(current(back), [1]);
});

test('back and forth: each time the tasks of that spec stay', async (t) => {
  const { store, context } = await meshStore(t);
  const id = await vote(store, context);
  await updateService(store, id, running('two'), context);
  const back = await rollBackService(store, id, context, { message: 'it failed' });
  t.like(back, { spec: running('one'), version: 3, updateStatus: { state: 'rollback_started', startedAt: STARTED, message: 'it failed' } });
  t.deepEqual(current(back), [1, 3]);
  const forth = await rollBackService(store, id, context);
  t.like(forth, { spec: running('two'), version: 4 });
  t.deepEqual(current(forth), [2, 4]);
  t.deepEqual(current(await rollBackService(store, id, context)), [1, 3, 5]);
  t.deepEqual(current(await updateService(store, id, running('three'), context)), [6]);
});

test('an update that was never completed is not gone back to', async (t) => {
  const { store, context } = await meshStore(t);
  const id = await vote(store, context);
  await end(store, await updateService(store, id, running('two'), context), 'completed');
  await end(store, await updateService(store, id, running('bad'), context), 'paused');
  t.like(await updateService(store, id, running('worse'), context), { previousSpec: running('two'), previousVersions: [2] });
  t.like(await rollBackService(store, id, context), { spec: running('two'), version: 5 });
});

test('a paused update goes on with the next one, though it says the same', async (t) => {
  const { store, context } = await meshStore(t);
  const id = await vote(store, context);
  const paused = await end(store, await updateService(store, id, running('two'), context), 'paused');
  t.like(paused, { version: 2, updateStatus: { state: 'paused' } });
  const again = await updateService(store, id, running('two'), context);
  t.like(again, { version: 3, previousSpec: running('one'), previousVersions: [1], updateStatus: { state: 'updating' } });
  t.deepEqual(current(again), [2, 3], 'its tasks stay, and what they did before does not count');
});

test('scaling is no update, and stays when there is a rollback', async (t) => {
  const { store, context } = await meshStore(t);
  const id = await vote(store, context);
  await updateService(store, id, running('two'), context);
  await scaleService(store, id, 5, context);
  t.like((await rollBackService(store, id, context)).spec, { replicas: 5, task: { command: ['one'] } });
});

test('ports and VIPs follow; what is not to be had leaves all as it was', async (t) => {
  const { store, context } = await meshStore(t);
  const id = (await createService(store, running('one', { ports: [parsePort('8080:80')] }), context)).id;
  const { vips } = await updateService(store, id, running('one', { ports: [] }), context);
  t.is(vips.length, 1);
  const back = await rollBackService(store, id, context);
  t.deepEqual([back.vips.length, back.ports[0]?.published], [2, 8080]);
  await rollBackService(store, id, context);
  await createService(store, serviceSpec('other', { ports: [parsePort('8080:80')] }), context);
  const before = await dump(store);
  await t.throwsAsync(rollBackService(store, id, context), { instanceOf: PortTakenError, message: /'other'/ });
  t.is(await dump(store), before);
});

test('refused: no previous spec, another mode, scaling what is global', async (t) => {
  const { store, context } = await meshStore(t);
  const id = await vote(store, context);
  await t.throwsAsync(rollBackService(store, id, context), { instanceOf: NoPreviousSpecError, message: /'vote' has not been updated/ });
  await t.throwsAsync(updateService(store, id, running('one', { mode: 'global' }), context), { instanceOf: ValidationError, message: /'vote' is replicated, and that cannot change/ });
  const { id: everywhere } = await createService(store, serviceSpec('all', { mode: 'global' }), context);
  await t.throwsAsync(scaleService(store, everywhere, 3, context), { instanceOf: ValidationError, message: /'all' is global/ });
});

test('what is noted of an update that is over, or another, changes nothing', async (t) => {
  const { store, context } = await meshStore(t);
  const id = await vote(store, context);
  const first = await updateService(store, id, running('two'), context);
  await updateService(store, id, running('three'), context);
  t.like(await end(store, first, 'paused'), { version: 3, updateStatus: { state: 'updating' } });
  const third = await end(store, { ...first, version: 3 }, 'completed');
  t.like(await end(store, third, 'paused'), { updateStatus: { state: 'completed' } });
  t.is((await rollBackService(store, id, context, { expected: 2 })).version, 3);
});
