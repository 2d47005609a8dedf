import test from 'ava';
import { LONG_LIFE_MS, PAUSES_MS, Restarts } from '../../../../agent/lifecycle/restarts.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

/** Lives of so many milliseconds, one after the other: the pauses after them. */
function pauses(...lives: readonly number[]): (number | undefined)[] {
  const clock = new FakeClock();
  const restarts = new Restarts(clock);
  return lives.map((ms) => {
    clock.advance(ms);
    const pause = restarts.died();
    clock.advance(pause ?? 0);
    restarts.started();
    return pause;
  });
}

test('pauses grow, and after too many short lives there is no other', (t) => {
  t.deepEqual(pauses(...Array<number>(PAUSES_MS.length + 1).fill(LONG_LIFE_MS - 1)), [...PAUSES_MS, undefined]);
  t.true(PAUSES_MS.every((pause, index) => index === 0 || pause > (PAUSES_MS[index - 1] as number)));
});

test('one long life makes up for all short ones before', (t) => {
  const [first, second] = PAUSES_MS;
  t.deepEqual(pauses(1, 1, LONG_LIFE_MS, 1), [first, second, first, second]);
  t.deepEqual(pauses(...Array<number>(20).fill(LONG_LIFE_MS)), Array(20).fill(first));
});

test('the time of a pause is no life', (t) => {
  const clock = new FakeClock();
  const restarts = new Restarts(clock);
  restarts.died();
  clock.advance(LONG_LIFE_MS);
  restarts.started();
  clock.advance(1);
  t.is(restarts.died(), PAUSES_MS[1]);
  t.is(restarts.deaths, 2);
});
