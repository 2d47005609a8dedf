/** IPv6 text and numbers, against node:net for what is an address and RFC 5952 for how it is written. */
import { isIPv6 } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { AddressError } from '../../../../proxy/net/addr.js';
import { cidr6Contains, cidrs6Overlap, formatCidr6, formatIpv6, isIpv6, parseCidr6, parseIpv6 } from '../../../../proxy/net/addr6.js';

test('text is read and written as RFC 5952 says', (t) => {
  const cases = {
    '::': '::',
    '::1': '::1',
    'FD00::1': 'fd00::1',
    '2001:db8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
    '2001:0db8::0001': '2001:db8::1',
    '2001:db8:0:1:1:1:1:1': '2001:db8:0:1:1:1:1:1',
    '1:0:0:2:0:0:0:3': '1:0:0:2::3',
    '::ffff:10.0.1.2': '::ffff:a00:102',
    'fe80::': 'fe80::',
  };
  for (const [text, canonical] of Object.entries(cases)) t.is(formatIpv6(parseIpv6(text)), canonical, text);
  t.deepEqual(parseIpv6('fd00:0:0:1::2:3'), [0xfd000000 | 0, 1, 0, 0x20003]);
});

test('what is no address is refused with its reason', (t) => {
  for (const text of ['', ':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7::8:9', '12345::', 'g::', 'fe80::1%eth0', '10.0.1.2', '::1.2.3', '1.2.3.4::', ' ::1']) {
    t.throws(() => parseIpv6(text), { instanceOf: AddressError }, text);
    t.false(isIpv6(text));
  }
});

test('any address: written, read, and the same', (t) => {
  const word = fc.oneof(fc.constant(0), fc.integer(), fc.integer({ min: 0, max: 0xffff }));
  fc.assert(
    fc.property(fc.tuple(word, word, word, word), (address) => {
      const text = formatIpv6(address);
      t.true(isIPv6(text));
      t.deepEqual(parseIpv6(text), address.map((value) => value | 0) as never);
    }),
  );
});

test('prefixes', (t) => {
  t.is(formatCidr6(parseCidr6('fd00:1:2::/48')), 'fd00:1:2::/48');
  t.throws(() => parseCidr6('fd00::1/64'), { message: /did you mean fd00::\/64/ });
  for (const text of ['fd00::', 'fd00::/129', 'fd00::/', 'fd00::/x']) t.throws(() => parseCidr6(text), { instanceOf: AddressError }, text);
  const cidr = parseCidr6('fd00:0:0:1::/64');
  t.true(cidr6Contains(cidr, parseIpv6('fd00::1:ffff:0:0:1')));
  t.false(cidr6Contains(cidr, parseIpv6('fd00::2:0:0:0:1')));
  t.true(cidrs6Overlap(cidr, parseCidr6('fd00::/32')));
  t.false(cidrs6Overlap(cidr, parseCidr6('fd00:0:0:2::/64')));
  t.true(cidrs6Overlap(parseCidr6('::/0'), cidr));
});
