import test from 'ava';
import { AddressPoolError } from '../../../../overlay/model/errors.js';
import { addressOrder6, chooseSubnet6, poolSize6, uniqueLocalPrefix } from '../../../../overlay/network/ipam6.js';
import { formatCidr6, formatIpv6, parseCidr6, parseIpv6 } from '../../../../proxy/net/addr6.js';

function order(subnet: string, gateway: string, last?: string, count = Infinity): string[] {
  const found: string[] = [];
  for (const address of addressOrder6(parseCidr6(subnet), parseIpv6(gateway), last === undefined ? undefined : parseIpv6(last))) {
    found.push(formatIpv6(address));
    if (found.length === count) break;
  }
  return found;
}

test('addresses come in order, without the routers\' address and the gateway', (t) => {
  t.deepEqual(order('fd00:1::/64', 'fd00:1::1', undefined, 3), ['fd00:1::2', 'fd00:1::3', 'fd00:1::4']);
  t.deepEqual(order('fd00:1::/64', 'fd00:1:0:0:9::1', undefined, 2), ['fd00:1::1', 'fd00:1::2']);
});

test('the next address is the one after the last', (t) => {
  t.deepEqual(order('fd00:1::/64', 'fd00:1::1', 'fd00:1::ffff', 2), ['fd00:1::1:0', 'fd00:1::1:1']);
  t.deepEqual(order('fd00:1::/64', 'fd00:1::1', 'fd00:1::7fff:ffff', 1), ['fd00:1::8000:0']);
  t.deepEqual(order('fd00:1::/64', 'fd00:1::1', 'fd00:1::ffff:ffff', 1), ['fd00:1::2'], 'and it goes round');
});

test('a small subnet, whole', (t) => {
  const subnet = parseCidr6('2001:db8::ff00/120');
  const all = order('2001:db8::ff00/120', '2001:db8::ff80', '2001:db8::fffe');
  t.is(all.length, poolSize6(subnet));
  t.is(new Set(all).size, 254);
  t.deepEqual(all.slice(0, 3), ['2001:db8::ffff', '2001:db8::ff01', '2001:db8::ff02']);
  t.is(all.at(-1), '2001:db8::fffe', 'the last one comes last');
  t.false(all.includes('2001:db8::ff00') || all.includes('2001:db8::ff80'));
});

test('a unique local prefix has its Global ID after fd', (t) => {
  t.is(formatCidr6(uniqueLocalPrefix('3a9c0177e2')), 'fd3a:9c01:77e2::/48');
  t.is(formatCidr6(uniqueLocalPrefix('0000000000')), 'fd00::/48');
});

const prefix = parseCidr6('fd3a:9c01:77e2::/48');
const subnetAfter = (...taken: string[]): string => formatCidr6(chooseSubnet6(prefix, taken.map(parseCidr6)));

test('networks get the lowest free /64 from number 1 on', (t) => {
  t.is(subnetAfter(), 'fd3a:9c01:77e2:1::/64');
  t.is(subnetAfter('fd3a:9c01:77e2:1::/64', 'fd3a:9c01:77e2:3::/64'), 'fd3a:9c01:77e2:2::/64');
  t.is(subnetAfter('fd3a:9c01:77e2::/60'), 'fd3a:9c01:77e2:10::/64', 'one that the user chose within it is kept clear of');
  t.is(subnetAfter('fd00::/64', '2001:db8::/32'), 'fd3a:9c01:77e2:1::/64');
});

test('a prefix that is used up says which', (t) => {
  const error = t.throws(() => subnetAfter('fd00::/8'), { instanceOf: AddressPoolError });
  t.regex(error?.message ?? '', /pool fd3a:9c01:77e2::\/48 \(65536 subnets\): 1 networks .*--subnet/);
});
