import test from 'ava';
import { foundLinks } from '../../../../agent/sandbox/layout.js';
import { type ExpectedSandbox, type Observed, sandboxFaults } from '../../../../agent/sandbox/repair-plan.js';

const expected: ExpectedSandbox = {
  gateway: '10.0.1.1', balancer: '10.0.1.2', ipv6: { subnet: 'fd00::/64', gateway: 'fd00::1', balancer: 'fd00::2' }, mtu: 1450, vips: ['10.0.1.3', 'fd00::3'],
  tasks: new Map([['t1', { address: '10.0.1.5', address6: 'fd00::5' }], ['t2', { address: '10.0.1.6' }]]),
};

const link = (ifname: string, addresses: string[], more: object = {}): object => ({ ifname, ifindex: 1, mtu: 1450, flags: ['UP'], addr_info: addresses.map((local) => ({ local })), ...more });
const whole = { lo: link('lo', ['127.0.0.1', 'fd00::1'], { mtu: 65536 }), vip0: link('vip0', ['10.0.1.1']), t1: link('v-t1', ['fe80::1']), t2: link('v-t2', []), other: link('host0', [], { flags: [] }) };
const observed = (links: readonly object[], more: Partial<Observed> = {}): Observed => ({
  rawLinks: links, links: foundLinks(links), forwarding: [],
  routes: [
    ...['10.0.1.2', '10.0.1.3', 'fd00::2', 'fd00::3'].map((dst) => ({ dst, dev: 'vip0' })), ...['10.0.1.5', 'fd00::5'].map((dst) => ({ dst, dev: 'v-t1' })), { dst: '10.0.1.6', dev: 'v-t2' }, { dst: 'default', dev: 'host0' },
  ],
  neighbours: [...['10.0.1.5', 'fd00::5'].map((dst) => ({ dst, dev: 'v-t1', lladdr: '02:42:0a:00:01:05' })), { dst: '10.0.1.6', dev: 'v-t2', lladdr: '02:42:0a:00:01:06' }],
  rules: [{ priority: 0, src: 'all', table: 'local' }, { priority: 10, src: '10.0.1.9', table: 'main' }, { priority: 32766, src: 'all', table: 'main' }],
  rules6: [{ priority: 0, src: 'all' }, { priority: 1000, src: 'fd00::5', iif: 'v-t1' }, { priority: 2000, src: 'all', iif: 'vip0' }, { priority: 2000, src: 'all', iif: 'lo' }, { priority: 3000, src: 'all', action: 'blackhole' }],
  ...more,
});

test('a whole sandbox has no fault, whatever else is in it', (t) => {
  t.deepEqual(sandboxFaults(expected, observed(Object.values(whole))), []);
});

test('what is lost is told, and put back in an order that works', (t) => {
  const damaged = observed([link('lo', []), link('vip0', [], { flags: [] }), link('v-t1', [], { mtu: 1500 }), whole.t2], { routes: [], neighbours: [], rules: [{ priority: 10, src: '10.0.1.9', table: 'main' }], rules6: [] });
  const faults = sandboxFaults(expected, damaged);
  t.deepEqual(
    [...faults.flatMap(({ lines }) => lines), ...faults.flatMap(({ lines6 = [] }) => lines6)],
    [
      'rule add pref 32766 lookup main', 'link set vip0 up', 'addr replace 10.0.1.1/32 dev vip0',
      'route replace 10.0.1.2/32 dev vip0', 'route replace fd00::2/128 dev vip0', 'route replace 10.0.1.3/32 dev vip0', 'route replace fd00::3/128 dev vip0',
      'addr replace fd00::1/128 dev lo nodad',
      'link set v-t1 mtu 1450', 'route replace 10.0.1.5/32 dev v-t1', 'neigh replace 10.0.1.5 lladdr 02:42:0a:00:01:05 dev v-t1 nud permanent',
      'addr replace fe80::1/64 dev v-t1 nodad', 'route replace fd00::5/128 dev v-t1', 'neigh replace fd00::5 lladdr 02:42:0a:00:01:05 dev v-t1 nud permanent',
      'route replace 10.0.1.6/32 dev v-t2', 'neigh replace 10.0.1.6 lladdr 02:42:0a:00:01:06 dev v-t2 nud permanent',
      'rule add pref 2000 iif vip0 lookup main', 'rule add pref 2000 iif lo lookup main', 'rule add pref 3000 blackhole', 'rule add pref 1000 from fd00::5 iif v-t1 lookup main',
    ],
  );
  t.deepEqual(faults.slice(0, 4).map(({ text }) => text), ["the rule 'pref 32766 lookup main' is gone", 'vip0 is down', 'vip0 has lost 10.0.1.1', 'there is no route to 10.0.1.2 by vip0']);
});

test('a vip0 that is gone is another’s to make; a task’s link cannot be had back', (t) => {
  const faults = sandboxFaults(expected, observed([whole.lo, whole.t1]));
  t.deepEqual(faults, [{ text: 'v-t2 is gone: its task is off this network until it is started anew', lines: [] }]);
});

test('a route by another link is none', (t) => {
  const { routes } = observed([]);
  const moved = routes.map((route) => (route.dst === '10.0.1.3' ? { ...route, dev: 'eth7' } : route));
  t.deepEqual(sandboxFaults(expected, observed(Object.values(whole), { routes: moved })).map(({ lines }) => lines), [['route replace 10.0.1.3/32 dev vip0']]);
});
