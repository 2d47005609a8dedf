import test from 'ava';
import fc from 'fast-check';
import { Memory } from '../../../../proxy/vxlan/memory.js';
import { naiveSum } from '../../../support/packets.js';

test('the sum of any piece of memory is that of its words, one by one', (t) => {
  const memory = new Memory(66_000);
  t.true(memory.bytes.length >= 66_000);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(100), fc.nat(400), fc.nat(0xffff), (bytes, from, length, initial) => {
      memory.bytes.fill(0, 0, 600);
      memory.bytes.set(bytes, 50);
      const expected = naiveSum(memory.bytes, from, from + length) + initial;
      t.is(memory.sum(from, from + length, initial) % 0xffff, expected % 0xffff);
    }),
  );
});

test('the largest piece, of the largest words', (t) => {
  const memory = new Memory(66_000);
  memory.bytes.fill(0xff);
  t.is(memory.sum(1, 65_576, 0), naiveSum(memory.bytes, 1, 65_576));
  t.is(memory.sum(7, 7, 0x1234), 0x1234);
  // An odd last byte is the upper half of its word, wherever it is.
  t.is(memory.sum(3, 4, 0), 0xff00);
});
