import test from 'ava';
import {
  attachLines,
  attachSysctls,
  checkAddresses,
  macOf,
  routedVips,
  taskLines,
  vethName,
  VIP_SYSCTLS,
  vipLines,
  vipLinkLines,
} from '../../../../agent/sandbox/network-plan.js';
import { AddressError } from '../../../../proxy/net/addr.js';

const link = { id: '1f0c9a3b7e21', interface: 'eth0', address: '10.0.1.5', subnet: '10.0.1.0/24', mtu: 1450, path: '/run/netns/vm-t-1f0c9a3b7e21' };

test('a sandbox, a task’s link and its VIPs, as ip is told', (t) => {
  t.is(
    [
      '# sandbox',
      ...VIP_SYSCTLS.map(({ key, value }) => `# ${key} = ${value}`),
      ...vipLinkLines({ gateway: '10.0.1.1', balancer: '10.0.1.250' }),
      ...attachLines(link),
      ...attachSysctls(link).map(({ key, value }) => `# ${key} = ${value}`),
      '# task',
      ...taskLines(link),
      '# sandbox',
      ...vipLines(new Set(['10.0.1.2', '10.0.1.3']), new Set(['10.0.1.9', '10.0.1.3', '10.0.1.4'])),
    ].join('\n'),
    `# sandbox
# net/ipv4/conf/vip0/accept_local = 1
link set vip0 txqueuelen 1000
addr add 10.0.1.1/32 dev vip0
route add 10.0.1.250/32 dev vip0
link add v-1f0c9a3b7e21 mtu 1450 type veth peer name eth0 mtu 1450 address 02:42:0a:00:01:05 netns /run/netns/vm-t-1f0c9a3b7e21
link set v-1f0c9a3b7e21 up
route add 10.0.1.5/32 dev v-1f0c9a3b7e21
neigh replace 10.0.1.5 lladdr 02:42:0a:00:01:05 dev v-1f0c9a3b7e21 nud permanent
# net/ipv4/neigh/v-1f0c9a3b7e21/proxy_delay = 0
# net/ipv4/conf/v-1f0c9a3b7e21/proxy_arp = 1
# task
addr add 10.0.1.5/24 dev eth0
link set eth0 up
# sandbox
route del 10.0.1.2/32 dev vip0
route replace 10.0.1.4/32 dev vip0
route replace 10.0.1.9/32 dev vip0`,
  );
});

test('nothing to change is no line', (t) => {
  t.deepEqual(vipLines(new Set(['10.0.1.2']), new Set(['10.0.1.2'])), []);
});

test('link names fit, are valid, and differ where ids differ', (t) => {
  t.is(vethName('1f0c9a3b7e21'), 'v-1f0c9a3b7e21');
  const long = ['a'.repeat(25), 'a'.repeat(24) + 'b', 'vote.1.x7k2m9q', 'a/b', 'a b'].map(vethName);
  for (const name of long) t.regex(name, /^[\w.-]{3,15}$/);
  t.is(new Set(long).size, long.length);
});

test('MAC addresses follow from the address', (t) => {
  t.is(macOf('10.0.1.5'), '02:42:0a:00:01:05');
  t.is(macOf('255.255.255.255'), '02:42:ff:ff:ff:ff');
});

test('VIPs are read back without the balancer', (t) => {
  const json = '[{"dst":"10.0.1.2","scope":"link","flags":[]},{"dst":"10.0.1.250","scope":"link","flags":[]}]';
  t.deepEqual(routedVips(json, '10.0.1.250'), new Set(['10.0.1.2']));
  t.deepEqual(routedVips('', '10.0.1.250'), new Set());
});

test('an address that is none never reaches ip', (t) => {
  t.notThrows(() => checkAddresses('10.0.1.0/24', '10.0.1.1'));
  t.throws(() => checkAddresses('10.0.1.0/24', '10.0.1.1 dev lo'), { instanceOf: AddressError });
  t.throws(() => checkAddresses('10.0.1.1/24'), { instanceOf: AddressError });
});

test('VIPs of both families are routed side by side', (t) => {
  t.deepEqual(vipLines(new Set(['fd00:1::2', '10.0.1.2']), new Set(['fd00:1::3', '10.0.1.3'])), [
    'route del 10.0.1.2/32 dev vip0',
    'route del fd00:1::2/128 dev vip0',
    'route replace 10.0.1.3/32 dev vip0',
    'route replace fd00:1::3/128 dev vip0',
  ]);
});
