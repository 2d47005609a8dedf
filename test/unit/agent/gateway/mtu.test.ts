import test from 'ava';
import { parseLinkMtu, parseOwner, parseRoute } from '../../../../agent/gateway/mtu.js';

test('the device of a route, and its own MTU when it has one', (t) => {
  t.deepEqual(parseRoute('[{"dst":"198.51.100.1","gateway":"192.0.2.1","dev":"eth0","flags":[],"uid":0,"cache":[]}]'), { device: 'eth0', mtu: undefined });
  t.deepEqual(parseRoute('[{"dst":"198.51.100.1","dev":"wg0","flags":[],"metrics":[{"mtu":1380}],"cache":[]}]'), { device: 'wg0', mtu: 1380 });
});

test('a local route leads nowhere', (t) => {
  t.is(parseRoute('[{"type":"local","dst":"198.51.100.1","dev":"lo","flags":[]}]'), undefined);
  t.is(parseRoute('[]'), undefined);
});

test('the device that has an address', (t) => {
  t.deepEqual(parseOwner('[{"ifindex":2,"ifname":"eth1","mtu":1400,"addr_info":[{"family":"inet","local":"192.0.2.7","prefixlen":24}]}]'), { device: 'eth1', mtu: 1400 });
  t.is(parseOwner('[]'), undefined);
});

test('the MTU of a link', (t) => {
  t.is(parseLinkMtu('[{"ifindex":2,"ifname":"eth0","mtu":9000,"operstate":"UP"}]'), 9000);
  t.is(parseLinkMtu('[]'), undefined);
});
