import test from 'ava';
import { IdleTimer } from '../../../../proxy/relay/idle-timer.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

function rig(timeout: number) {
  const clock = new FakeClock();
  const flow = { seen: 0, timeout };
  const ended: number[] = [];
  const timer = new IdleTimer(clock, { lastSeen: () => flow.seen, timeout: () => flow.timeout, end: () => ended.push(clock.now()) });
  return { clock, flow, ended, timer };
}

test('silence for the time-out ends a flow, once', (t) => {
  const { clock, flow, ended } = rig(1000);
  clock.advance(900);
  flow.seen = 900;
  clock.advance(900);
  flow.seen = 1200;
  clock.advance(399);
  t.deepEqual(ended, []);
  clock.advance(1);
  t.deepEqual(ended, [2200]);
  clock.advance(10_000);
  t.is(ended.length, 1);
});

test('a time-out that got shorter holds from then on, also when it has passed already', (t) => {
  const { clock, flow, ended, timer } = rig(1000);
  clock.advance(300);
  flow.timeout = 400;
  timer.reset();
  clock.advance(99);
  t.deepEqual(ended, []);
  clock.advance(1);
  t.deepEqual(ended, [400]);

  const late = rig(1000);
  late.clock.advance(300);
  late.flow.timeout = 100;
  late.timer.reset();
  late.clock.advance(0);
  t.deepEqual(late.ended, [300]);
});

test('what was cancelled does not ring', (t) => {
  const { clock, ended, timer } = rig(1000);
  timer.cancel();
  clock.advance(5000);
  t.deepEqual(ended, []);
});
