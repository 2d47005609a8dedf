import test from 'ava';
import { LoopClock } from '../../../../proxy/relay/loop-clock.js';
import { seededRandom } from '../../../support/dns.js';

function rig() {
  let now = 1000;
  const clock = new LoopClock(() => now);
  return { clock, pass: (ms: number): void => void (now += ms) };
}

test('timers run in order of their time, when they are due and not before', (t) => {
  const { clock, pass } = rig();
  const ran: number[] = [];
  for (const ms of [30, 10, 20.5, 10]) clock.after(ms, () => ran.push(ms));
  t.is(clock.untilNext(5000), 10);
  clock.runDue();
  t.deepEqual(ran, []);
  pass(20);
  clock.runDue();
  t.deepEqual(ran, [10, 10]);
  t.is(clock.untilNext(5000), 1, 'never sooner than it is due');
  pass(100);
  clock.runDue();
  t.deepEqual(ran, [10, 10, 20.5, 30]);
  t.is(clock.untilNext(5000), 5000);
});

test('one that runs may set another, which waits for the next time, or cancel one that is due', (t) => {
  const { clock, pass } = rig();
  const ran: string[] = [];
  clock.after(1, () => {
    clock.after(0, () => ran.push('set'));
    cancel();
  });
  const cancel = clock.after(2, () => ran.push('cancelled'));
  pass(5);
  clock.runDue();
  t.deepEqual(ran, []);
  t.is(clock.untilNext(5000), 0);
  clock.runDue();
  t.deepEqual(ran, ['set']);
});

test('thousands, half of them cancelled: the rest run in order and nothing is left', (t) => {
  const { clock, pass } = rig();
  const random = seededRandom(7);
  const expected: number[] = [];
  const ran: number[] = [];
  const cancels: (() => void)[] = [];
  for (let i = 0; i < 4000; i++) {
    const at = Math.floor(random() * 1000);
    const cancel = clock.after(at, () => ran.push(at));
    if (random() < 0.5) cancels.push(cancel);
    else expected.push(at);
  }
  for (const cancel of cancels) cancel();
  for (const cancel of cancels) cancel();
  for (let i = 0; i < 100; i++) {
    pass(10);
    clock.runDue();
  }
  t.deepEqual(ran, expected.sort((a, b) => a - b));
  t.is(clock.untilNext(9), 9);
});
