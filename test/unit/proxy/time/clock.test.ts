import test from 'ava';
import { FakeClock } from '../../../../proxy/time/clock.js';

test('timers run in the order of their time, at their time, once', (t) => {
  const clock = new FakeClock(1000);
  const ran: string[] = [];
  clock.after(20, () => ran.push(`b at ${clock.now()}`));
  clock.after(10, () => {
    ran.push(`a at ${clock.now()}`);
    clock.after(5, () => ran.push(`nested at ${clock.now()}`));
  });
  const cancel = clock.after(12, () => ran.push('cancelled'));
  cancel();
  clock.advance(30);
  clock.advance(30);
  t.deepEqual(ran, ['a at 10', 'nested at 15', 'b at 20']);
  t.is(clock.wall(), 1060);
});
