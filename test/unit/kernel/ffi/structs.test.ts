import test from 'ava';
import { flagsOfIfreq, IFREQ_BYTES, ifreqFlags, ifreqMtu, InterfaceNameError, PollSet, sockaddrIn, sockaddrIn6, Timespec } from '../../../../kernel/ffi/structs.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('ifreq holds the name, then the union', (t) => {
  const bytes = ifreqFlags('vip0', 0x5001);
  t.is(bytes.length, IFREQ_BYTES);
  t.is(Buffer.from(bytes.subarray(0, 16)).toString(), 'vip0' + '\0'.repeat(12));
  t.is(flagsOfIfreq(bytes), 0x5001);
  t.deepEqual([...new Uint16Array(bytes.slice(16, 18).buffer)], [0x5001], 'in host order');
  t.deepEqual([...new Int32Array(ifreqMtu('vip0', 1450).slice(16, 20).buffer)], [1450]);
});

test('a name that the kernel would cut or refuse is refused', (t) => {
  t.notThrows(() => ifreqFlags('a'.repeat(15), 0));
  for (const name of ['', 'a'.repeat(16), 'é'.repeat(8), 'a/b', 'a b', 'a:b', '.', '..', 'a\0']) {
    t.throws(() => ifreqFlags(name, 0), { instanceOf: InterfaceNameError }, JSON.stringify(name));
  }
});

test('sockaddr_in and sockaddr_in6 are in network order', (t) => {
  t.is(hex(sockaddrIn('10.0.1.2', 80)).slice(4), '0050' + '0a000102' + '00'.repeat(8));
  t.is(hex(sockaddrIn6('::', 53)).slice(4), '0035' + '00000000' + '00'.repeat(16) + '00000000');
  t.is(hex(sockaddrIn6('::1', 53)).slice(16, 48), '00'.repeat(15) + '01');
  t.is(hex(sockaddrIn6('2001:db8::8:800:200c:417a', 1)).slice(16, 48), '20010db80000000000080800200c417a');
  t.is(hex(sockaddrIn6('::ffff:10.0.1.2', 1)).slice(16, 48), '00'.repeat(10) + 'ffff0a000102');
  t.throws(() => sockaddrIn6('::g', 1));
});

test('a poll set keeps descriptors and forgets what was ready when one is set anew', (t) => {
  const set = new PollSet(2);
  set.set(1, 7, 1);
  t.deepEqual([...new Int32Array(set.bytes.slice(8, 12).buffer)], [7]);
  new Int16Array(set.bytes.buffer)[7] = 0x20;
  t.is(set.ready(1), 0x20);
  set.set(1, 8, 1);
  t.is(set.ready(1), 0);
});

test('a timespec is seconds and nanoseconds, set in place', (t) => {
  const timespec = new Timespec();
  const words = (bytes: Uint8Array): bigint[] => [...new BigInt64Array(bytes.buffer)];
  t.deepEqual(words(timespec.set(1250.5)), [1n, 250_500_000n]);
  t.deepEqual(words(timespec.set(0.05)), [0n, 50_000n]);
  t.deepEqual(words(timespec.set(0)), [0n, 0n]);
});
