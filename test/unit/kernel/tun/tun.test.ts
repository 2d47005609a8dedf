import test from 'ava';
import { outerUid } from '../../../../kernel/tun/tun.js';

test('the uid named in an error is the one that the file system sees', (t) => {
  t.is(outerUid('         0      65534          1\n', 0), 65534);
  t.is(outerUid('         0          0 4294967295\n', 1000), 1000);
  t.is(outerUid('         0       1000          1\n         1     100000      65536\n', 5), 100004);
  t.is(outerUid('', 7), 7, 'not mapped at all');
});
