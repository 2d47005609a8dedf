import test from 'ava';
import { parseDriverOptions } from '../../../../agent/grammar/driver-options.js';

test('encrypted, with and without a value; nothing else', (t) => {
  t.deepEqual(parseDriverOptions([]), {});
  t.deepEqual(parseDriverOptions(['encrypted']), { encrypted: true });
  t.deepEqual(parseDriverOptions(['encrypted=true']), { encrypted: true });
  t.deepEqual(parseDriverOptions(['encrypted=false']), {});
  t.throws(() => parseDriverOptions(['encrypted=maybe']), { message: "encrypted: 'maybe' is neither true nor false: leave the value out" });
  t.throws(() => parseDriverOptions(['mtu=1400']), { message: '--opt mtu is not known: the only one is encrypted' });
});
