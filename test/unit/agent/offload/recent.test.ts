import test from 'ava';
import { Recent } from '../../../../agent/offload/recent.js';

/** A clock to be moved by hand; every answer takes `takes` ms, and is the number of the question. */
function world(takes: number): { now: number; asked: number; recent: Recent<number> } {
  const world = { now: 1000, asked: 0, recent: undefined as unknown as Recent<number> };
  const ask = async (): Promise<number> => {
    const number = ++world.asked;
    await Promise.resolve();
    world.now += takes;
    return number;
  };
  world.recent = new Recent(ask, { now: () => world.now });
  return world;
}

test('an answer that took no time is good for 200 ms', async (t) => {
  const w = world(0);
  t.is(await w.recent.get(), 1);
  w.now += 199;
  t.is(await w.recent.get(), 1);
  w.now += 1;
  t.is(await w.recent.get(), 2);
});

test('one that took long is good for four times as long', async (t) => {
  const w = world(1000);
  t.is(await w.recent.get(), 1);
  w.now += 3999;
  t.is(await w.recent.get(), 1);
  w.now += 1;
  t.is(await w.recent.get(), 2);
});

test('who asks while one is under way gets that', async (t) => {
  const w = world(1000);
  t.deepEqual(await Promise.all([w.recent.get(), w.recent.get()]), [1, 1]);
});

test('after forget, an answer that is under way is not for those who ask from then on', async (t) => {
  const w = world(0);
  const before = w.recent.get();
  w.recent.forget();
  t.deepEqual(await Promise.all([before, w.recent.get(), w.recent.get()]), [1, 2, 2]);
  t.is(await w.recent.get(), 2);
  w.recent.forget();
  t.is(await w.recent.get(), 3);
});

test('an error is told, and asked again after', async (t) => {
  let asked = 0;
  const recent = new Recent(
    () => (++asked === 1 ? Promise.reject(new Error('not now')) : Promise.resolve(asked)),
    { now: () => 0 },
  );
  await t.throwsAsync(recent.get(), { message: 'not now' });
  t.is(await recent.get(), 2);
});
