import test from 'ava';
import { parseIpv4 } from '../../../../proxy/net/addr.js';
import { formatPeer, plainAddress, schedulingAddress } from '../../../../proxy/relay/peer.js';

test('an IPv4 client of a dual-stack socket is shown and scheduled as one', (t) => {
  t.is(plainAddress('::ffff:192.0.2.7'), '192.0.2.7');
  t.is(formatPeer('::ffff:192.0.2.7', 80), '192.0.2.7:80');
  t.is(schedulingAddress('::ffff:192.0.2.7'), parseIpv4('192.0.2.7'));
});

test('IPv6 clients', (t) => {
  t.is(formatPeer('2001:db8::1', 80), '[2001:db8::1]:80');
  t.is(plainAddress('::ffff:1:2'), '::ffff:1:2');
  t.is(schedulingAddress('2001:db8:0:7::1'), 0x20010db8 ^ 7 ^ 1, 'its four words folded');
  t.is(schedulingAddress('fe80::8000:0:1%eth0'), 0xfe800000 ^ 0x8000 ^ 1);
  t.is(schedulingAddress(''), 0, 'a client that is gone');
});
