import test from 'ava';
import { Loop } from '../../../../agent/reconcile/loop.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

test('requests during a pass become one pass after it', async (t) => {
  let passes = 0;
  let release = (): void => undefined;
  const loop = new Loop(
    () => {
      passes++;
      return passes === 1 ? new Promise<void>((resolve) => (release = resolve)) : Promise.resolve();
    },
    new FakeClock(),
    (error) => t.fail(String(error)),
  );
  loop.request();
  await Promise.resolve();
  for (let i = 0; i < 10; i++) loop.request();
  const settled = loop.settled();
  t.is(passes, 1);
  release();
  await settled;
  t.is(passes, 2);
});

test('settled() means a pass that began after it was called', async (t) => {
  let value = 0;
  let seen = -1;
  const loop = new Loop(() => Promise.resolve(void (seen = value)), new FakeClock(), (error) => t.fail(String(error)));
  value = 1;
  await loop.settled();
  t.is(seen, 1);
  value = 2;
  await loop.settled();
  t.is(seen, 2);
});

test('settled() is not held up by requests that never end', async (t) => {
  let passes = 0;
  const loop: Loop = new Loop(
    () => {
      if (++passes < 1000) loop.request();
      return Promise.resolve();
    },
    new FakeClock(),
    (error) => t.fail(String(error)),
  );
  await loop.settled();
  t.true(passes < 10, `after ${passes} passes`);
  await loop.close();
});

test('what waits for a pass that never begins is let go', async (t) => {
  let release = (): void => undefined;
  const loop = new Loop(() => new Promise<void>((resolve) => (release = resolve)), new FakeClock(), (error) => t.fail(String(error)));
  loop.request();
  await new Promise(setImmediate);
  const settled = loop.settled();
  const closed = loop.close();
  release();
  await Promise.all([settled, closed]);
  t.pass();
});

test('a pass that failed comes again by itself, later each time', async (t) => {
  const clock = new FakeClock();
  const errors: unknown[] = [];
  let passes = 0;
  const loop = new Loop(
    () => {
      passes++;
      return passes < 3 ? Promise.reject(new Error(`pass ${passes}`)) : Promise.resolve();
    },
    clock,
    (error) => errors.push(error),
  );
  await loop.settled();
  t.is(passes, 1);
  clock.advance(250);
  await new Promise(setImmediate);
  t.is(passes, 2);
  clock.advance(499);
  await new Promise(setImmediate);
  t.is(passes, 2);
  clock.advance(1);
  await new Promise(setImmediate);
  t.is(passes, 3);
  t.is(errors.length, 2);
});

test('after close no pass begins', async (t) => {
  let passes = 0;
  const loop = new Loop(() => Promise.resolve(void passes++), new FakeClock(), (error) => t.fail(String(error)));
  await loop.close();
  loop.request();
  await loop.settled();
  t.is(passes, 0);
});
