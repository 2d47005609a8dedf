/** How many sockets are opened at a time, when there are not as many to be had. */
import test from 'ava';
import { asMany } from '../../../../agent/gateway/socket-pool.js';

test('those that could be opened are given, and none is left over; when there is none, why', (t) => {
  const upTo = (most: number) => {
    let fd = 0;
    return (): number => {
      if (fd === most) throw new Error('EMFILE');
      return ++fd;
    };
  };
  t.deepEqual(asMany(3, upTo(9)), [1, 2, 3]);
  t.deepEqual(asMany(3, upTo(2)), [1, 2]);
  t.throws(() => asMany(3, upTo(0)), { message: 'EMFILE' });
});
