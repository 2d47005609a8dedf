import test from 'ava';
import fc from 'fast-check';
import {
  AddressError,
  cidrContains,
  cidrOf,
  cidrSize,
  cidrsOverlap,
  formatCidr,
  formatIpv4,
  isIpv4,
  maskOf,
  parseCidr,
  parseIpv4,
} from '../../../../proxy/net/addr.js';

test('every address survives the way to text and back', (t) => {
  fc.assert(fc.property(fc.integer(), (address) => parseIpv4(formatIpv4(address)) === address));
  t.is(parseIpv4('10.0.1.2'), 0x0a000102);
  t.is(parseIpv4('255.255.255.255'), -1);
});

for (const text of ['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.a', '1..2.3', ' 1.2.3.4', '1.2.3.-4', '0x1.2.3.4']) {
  test(`'${text}' is not an address`, (t) => {
    t.throws(() => parseIpv4(text), { instanceOf: AddressError });
    t.false(isIpv4(text));
  });
}

test('prefixes', (t) => {
  const cidr = parseCidr('10.0.1.0/24');
  t.is(formatCidr(cidr), '10.0.1.0/24');
  t.true(cidrContains(cidr, parseIpv4('10.0.1.255')));
  t.false(cidrContains(cidr, parseIpv4('10.0.2.0')));
  t.is(cidrSize(cidr), 256);
  t.is(maskOf(0), 0);
  t.is(maskOf(32), -1);
  t.true(cidrContains(parseCidr('0.0.0.0/0'), parseIpv4('203.0.113.1')));
  t.deepEqual(cidrOf(parseIpv4('10.0.1.77'), 24), cidr);
});

test('a prefix with host bits names the one that was meant', (t) => {
  t.throws(() => parseCidr('10.0.1.5/24'), { instanceOf: AddressError, message: /did you mean 10\.0\.1\.0\/24/ });
  for (const text of ['10.0.1.0', '10.0.1.0/33', '10.0.1.0/', '10.0.1.0/a']) t.throws(() => parseCidr(text), { instanceOf: AddressError });
});

test('overlap is symmetric and knows the wider one', (t) => {
  const wide = parseCidr('10.0.0.0/8');
  const narrow = parseCidr('10.0.1.0/24');
  t.true(cidrsOverlap(wide, narrow));
  t.true(cidrsOverlap(narrow, wide));
  t.false(cidrsOverlap(narrow, parseCidr('10.0.2.0/24')));
});
