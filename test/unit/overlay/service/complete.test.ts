import test from 'ava';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import { completeServices } from '../../../../overlay/service/complete.js';
import { serviceKey } from '../../../../overlay/store/keys.js';
import { dump, emptyStore, serviceObject } from '../fixtures.js';

test('a service of an earlier version is completed with defaults; a whole one stays as it is', async (t) => {
  const store = emptyStore(t);
  const { balancing: _balancing, mode: _mode, placement: _placement, update: _update, rollback: _rollback, ...earlier } = serviceObject('old').spec;
  const tuned = serviceObject('new', { balancing: { ...DEFAULT_BALANCING, scheduler: 'mh' } });
  await store.commit([], [{ put: serviceKey('old'), value: { ...serviceObject('old'), spec: earlier } }, { put: serviceKey('new'), value: tuned }]);

  await completeServices(store);
  t.deepEqual((await store.get(serviceKey('old')))?.value, serviceObject('old'));
  t.deepEqual((await store.get(serviceKey('new')))?.value, tuned);

  const { revision } = await store.list('');
  const before = await dump(store);
  await completeServices(store);
  t.is((await store.list('')).revision, revision);
  t.is(await dump(store), before);
});
