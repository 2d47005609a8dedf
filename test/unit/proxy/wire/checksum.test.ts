import test from 'ava';
import fc from 'fast-check';
import { addSums, delta16, delta32, fold, pseudoSum, sumOf, updateChecksum } from '../../../../proxy/wire/checksum.js';
import { makeFrame } from '../../../../proxy/wire/frame.js';
import { pseudoSum6 } from '../../../../proxy/wire/ipv6.js';
import { naiveSum, tcpFrame, udpFrame, checksumFault, VNET } from '../../../support/packets.js';

function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (Math.imul(at + seed, 2654435761) >>> 24) & 0xff;
  return bytes;
}

test('the sum is the naive sum for every length from 0 to 9000, at even and odd places', (t) => {
  const bytes = pattern(9002, 7);
  for (let length = 0; length <= 9000; length++) {
    for (const start of [0, 1]) {
      if (sumOf(bytes, start, start + length, 0) !== naiveSum(bytes, start, start + length)) t.fail(`length ${length} from ${start}`);
    }
  }
  t.pass();
});

test('the sum of 65,535 bytes of 0xff, more than one folding interval, is right', (t) => {
  const bytes = new Uint8Array(65_535).fill(0xff);
  t.is(sumOf(bytes, 0, bytes.length, 0xffff), naiveSum(bytes));
});

test('checksums of TCP and UDP are right for every payload length from 0 to 8960, full and partial', (t) => {
  // The packets are the test's own; what is tested is that our pseudo-header and sum agree with them.
  const payload = pattern(8960, 3);
  for (let length = 0; length <= 8960; length++) {
    const udp = length % 2 === 1;
    const fields = { from: '10.0.1.9', to: '10.0.1.2', payload: payload.subarray(0, length) };
    const frame = udp ? udpFrame(fields) : tcpFrame(fields);
    const l4 = VNET + 20;
    const pseudo = pseudoSum(frame.readInt32BE(VNET + 12), frame.readInt32BE(VNET + 16), udp ? 17 : 6, frame.length - l4);
    if (sumOf(frame, l4, frame.length, pseudo) !== 0xffff) t.fail(`full, length ${length}`);
    const partial = udp ? udpFrame({ ...fields, partial: true }) : tcpFrame({ ...fields, partial: true });
    if (partial.readUInt16BE(l4 + (udp ? 6 : 16)) !== pseudo) t.fail(`partial, length ${length}`);
  }
  t.is(checksumFault(tcpFrame({ from: '10.0.1.9', to: '10.0.1.2' })), undefined);
});

test('checksums over IPv6 are right for every payload length from 0 to 2000, full and partial', (t) => {
  const payload = pattern(2000, 5);
  for (let length = 0; length <= 2000; length++) {
    const udp = length % 2 === 1;
    const fields = { from: 'fd00:1:2:3:4:5:6:9', to: 'fd00::ffff:2', payload: payload.subarray(0, length) };
    const bytes = udp ? udpFrame(fields) : tcpFrame(fields);
    const l4 = VNET + 40;
    const pseudo = pseudoSum6(makeFrame(bytes), VNET, udp ? 17 : 6, bytes.length - l4);
    if (sumOf(bytes, l4, bytes.length, pseudo) !== 0xffff) t.fail(`full, length ${length}`);
    const partial = udp ? udpFrame({ ...fields, partial: true }) : tcpFrame({ ...fields, partial: true });
    if (partial.readUInt16BE(l4 + (udp ? 6 : 16)) !== pseudo) t.fail(`partial, length ${length}`);
  }
  t.is(checksumFault(tcpFrame({ from: 'fd00::9', to: 'fd00::2' })), undefined);
});

test('fold is exact up to 2^31 - 1', (t) => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (sum) => fold(sum) <= 0xffff && (sum - fold(sum)) % 0xffff === 0 && (sum === 0) === (fold(sum) === 0)));
  t.pass();
});

test('an incremental update equals the recomputed checksum, for 32-bit and 16-bit words', (t) => {
  const word = fc.integer({ min: 0, max: 0xffff });
  const edge = fc.oneof(fc.constantFrom(0, 0xffff, 1, 0xfffe), word);
  fc.assert(
    // As in a header, one word is never 0, so that the sum is not.
    fc.property(fc.array(edge, { minLength: 4, maxLength: 12 }), fc.tuple(edge, edge), edge, fc.integer({ min: 1, max: 0xffff }), (words, pair, single, nonZero) => {
      const bytes = Buffer.alloc(words.length * 2 + 2);
      words.forEach((value, i) => bytes.writeUInt16BE(value, i * 2));
      bytes.writeUInt16BE(nonZero, words.length * 2);
      const before = 0xffff - naiveSum(bytes);
      const delta = addSums(delta32(bytes.readInt32BE(0), (pair[0] << 16) | pair[1]), delta16(bytes.readUInt16BE(4), single));
      bytes.writeUInt16BE(pair[0], 0);
      bytes.writeUInt16BE(pair[1], 2);
      bytes.writeUInt16BE(single, 4);
      return updateChecksum(before, delta) === 0xffff - naiveSum(bytes);
    }),
    { numRuns: 5000 },
  );
  t.pass();
});

test('the example of RFC 1624 section 4 does not come out as negative zero', (t) => {
  // HC = 0xDD2F, m = 0x5555, m' = 0x3285: the equation of RFC 1141 gives 0xFFFF here.
  t.is(updateChecksum(0xdd2f, delta16(0x5555, 0x3285)), 0x0000);
});
