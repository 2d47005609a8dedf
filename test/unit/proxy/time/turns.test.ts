import test from 'ava';
import { Turns } from '../../../../proxy/time/turns.js';

test('each begins when the one before it is done, and settles as its own work does', async (t) => {
  const turns = new Turns();
  const order: string[] = [];
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const first = turns.take(async () => {
    order.push('first begins');
    await gate;
    order.push('first fails');
    throw new Error('first');
  });
  const second = turns.take(() => {
    order.push('second');
    return Promise.resolve(2);
  });
  await new Promise(setImmediate);
  t.deepEqual(order, ['first begins']);
  open();
  await t.throwsAsync(first, { message: 'first' });
  t.is(await second, 2);
  t.deepEqual(order, ['first begins', 'first fails', 'second']);
});
