import test from 'ava';
import { entryFaults, fabricEntries, fabricLines, linkFault, linkLines, NO_ENTRIES, readEntries, fabricRule6, tunEntries, tunFault } from '../../../../agent/sandbox/fabric-plan.js';
import { foundLinks } from '../../../../agent/sandbox/layout.js';
import type { Fabric } from '../../../../overlay/vxlan/fabric.js';

const two = { underlay: '192.168.9.2', port: 4789, balancer: '10.0.1.4', balancer6: 'fd00::4', reaches: ['10.0.1.20', '10.0.1.3', 'fd00::20', 'fd00::3'] };
const three = { underlay: '192.168.9.3', port: 4800, balancer: '10.0.1.6', mtu: 1350, reaches: ['10.0.1.30', '10.0.1.5'] };
const link = { vni: 4097, local: '192.168.9.1', port: 4789, mtu: 1450, balancer: '10.0.1.2' };
const both: Fabric = { link, peers: [two, three] };

const text = (from: Fabric | undefined, to: Fabric): string => {
  const { first, forwarding, last } = fabricLines(from ? fabricEntries(from) : NO_ENTRIES, fabricEntries(to));
  return ['# ip', ...first, '# bridge', ...forwarding, '# ip', ...last].join('\n');
};

test('the device, and two nodes with what is behind them', (t) => {
  t.deepEqual(linkLines(link, '/run/netns/vm-n1'), ['link add vxlan0 address 02:42:0a:00:01:02 mtu 1450 netns /run/netns/vm-n1 type vxlan id 4097 local 192.168.9.1 dstport 4789 nolearning']);
  t.is(fabricRule6().text, 'pref 2000 iif vxlan0 lookup main');
  t.is(
    text(undefined, both),
    `# ip
neigh replace 10.0.1.4 lladdr 02:42:0a:00:01:04 dev vxlan0 nud permanent
neigh replace 10.0.1.6 lladdr 02:42:0a:00:01:06 dev vxlan0 nud permanent
neigh replace fd00::4 lladdr 02:42:0a:00:01:04 dev vxlan0 nud permanent
# bridge
fdb replace 02:42:0a:00:01:04 dev vxlan0 dst 192.168.9.2 port 4789 self permanent
fdb replace 02:42:0a:00:01:06 dev vxlan0 dst 192.168.9.3 port 4800 self permanent
# ip
route replace 10.0.1.4/32 dev vxlan0
route replace 10.0.1.6/32 dev vxlan0 mtu lock 1350
route replace fd00::4/128 dev vxlan0
route replace 10.0.1.20/32 via 10.0.1.4 dev vxlan0 onlink
route replace 10.0.1.3/32 via 10.0.1.4 dev vxlan0 onlink
route replace 10.0.1.30/32 via 10.0.1.6 dev vxlan0 onlink mtu lock 1350
route replace 10.0.1.5/32 via 10.0.1.6 dev vxlan0 onlink mtu lock 1350
route replace fd00::20/128 via fd00::4 dev vxlan0 onlink
route replace fd00::3/128 via fd00::4 dev vxlan0 onlink`,
  );
});

test('a node goes, another has a new address and a task that moved: routes first, then what they lead to', (t) => {
  t.is(
    text(both, { link, peers: [{ ...three, underlay: '192.168.9.33', reaches: ['10.0.1.20', '10.0.1.5'] }] }),
    `# ip
route del 10.0.1.3/32 dev vxlan0
route del 10.0.1.30/32 dev vxlan0
route del 10.0.1.4/32 dev vxlan0
route del fd00::20/128 dev vxlan0
route del fd00::3/128 dev vxlan0
route del fd00::4/128 dev vxlan0
# bridge
fdb del 02:42:0a:00:01:04 dev vxlan0 self
fdb replace 02:42:0a:00:01:06 dev vxlan0 dst 192.168.9.33 port 4800 self permanent
# ip
route replace 10.0.1.20/32 via 10.0.1.6 dev vxlan0 onlink mtu lock 1350
neigh del 10.0.1.4 dev vxlan0
neigh del fd00::4 dev vxlan0`,
  );
  t.is(text(both, both), '# ip\n# bridge\n# ip');
});

test('what ip and bridge print of it is it', (t) => {
  const shown = {
    neighbours: [
      { dst: '10.0.1.4', lladdr: '02:42:0a:00:01:04', state: ['PERMANENT'] }, { dst: '10.0.1.6', lladdr: '02:42:0a:00:01:06', state: ['PERMANENT'] },
      { dst: 'fd00::4', lladdr: '02:42:0a:00:01:04', state: ['PERMANENT'] }, { dst: '10.0.1.9', state: ['FAILED'] },
    ].map((neighbour) => ({ ...neighbour, dev: 'vxlan0' })),
    forwarding: [
      { mac: '02:42:0a:00:01:04', dst: '192.168.9.2', flags: ['self'], state: 'permanent' }, { mac: '02:42:0a:00:01:06', dst: '192.168.9.3', port: 4800, flags: ['self'], state: 'permanent' },
    ],
    routes: [
      { dst: '10.0.1.4', scope: 'link', flags: [] }, { dst: '10.0.1.6', scope: 'link', flags: [], metrics: [{ lock: ['mtu'], mtu: 1350 }] },
      ...['10.0.1.20', '10.0.1.3'].map((dst) => ({ dst, gateway: '10.0.1.4', flags: ['onlink'] })),
      ...['10.0.1.30', '10.0.1.5'].map((dst) => ({ dst, gateway: '10.0.1.6', flags: ['onlink'], metrics: [{ mtu: 1350 }] })),
      { dst: 'fd00::4', metric: 1024, flags: [] }, ...['fd00::20', 'fd00::3'].map((dst) => ({ dst, gateway: 'fd00::4', metric: 1024, flags: ['onlink'] })),
      { dst: 'fe80::/64', protocol: 'kernel', flags: [] },
    ].map((route) => ({ ...route, dev: 'vxlan0' })),
  };
  shown.routes.push({ dst: '10.0.1.10', dev: 'v-1' } as never);
  const read = readEntries(shown, 4789);
  const desired = fabricEntries(both);
  t.deepEqual(fabricLines(read, desired), { first: [], forwarding: [], last: [] });
  t.deepEqual(fabricLines(desired, read), { first: [], forwarding: [], last: [] });
});

test('a device is taken over when it is just what is wanted', (t) => {
  const data = { id: 4097, local: '192.168.9.1', port: 4789, learning: false };
  const fault = (more: object, info: object = {}, kind = 'vxlan'): string | undefined => {
    const rawLinks = [{ ifname: 'vxlan0', ifindex: 3, mtu: 1450, flags: ['UP'], address: '02:42:0a:00:01:02', ...more, linkinfo: { info_kind: kind, info_data: { ...data, ...info } } }];
    return linkFault(link, { rawLinks, links: foundLinks(rawLinks) });
  };
  t.is(fault({}), undefined);
  t.is(fault({ flags: [] }), 'vxlan0 is down');
  t.is(fault({ ifname: 'vxlan1' }), 'vxlan0 is gone');
  for (const other of [fault({ mtu: 1400 }), fault({ address: '02:42:0a:00:01:03' }), fault({}, { id: 1 }), fault({}, { local: '192.168.9.7' }), fault({}, { port: 8472 }), fault({}, { learning: true }), fault({}, {}, 'dummy')]) t.is(other, 'vxlan0 is another device');
});

test('what somebody has taken or put there is told', (t) => {
  const desired = fabricEntries(both);
  const routes = new Map([...desired.routes, ['10.0.1.99', 'dev vxlan0']]);
  routes.delete('10.0.1.20');
  t.deepEqual(entryFaults({ ...desired, neighbours: new Map(), routes }, { ...desired, neighbours: new Map([['10.0.1.4', '02:42:0a:00:01:04']]) }), [
    'vxlan0 has lost the neighbour 10.0.1.4, or has another',
    'vxlan0 has lost the route to 10.0.1.20, or has another',
    'vxlan0 has the route to 10.0.1.99, which is not ours',
  ]);
  t.deepEqual(entryFaults(desired, desired), []);
});

test('a TUN in place of the device has routes alone, and is not taken for one', (t) => {
  const entries = tunEntries(both);
  t.deepEqual([entries.neighbours.size, entries.forwarding.size], [0, 0]);
  t.deepEqual(fabricLines(NO_ENTRIES, entries), {
    first: [],
    forwarding: [],
    last: [
      ...['10.0.1.20', '10.0.1.3'].map((address) => `route replace ${address}/32 dev vxlan0`),
      ...['10.0.1.30'].map((address) => `route replace ${address}/32 dev vxlan0 mtu lock 1350`),
      'route replace 10.0.1.4/32 dev vxlan0',
      ...['10.0.1.5', '10.0.1.6'].map((address) => `route replace ${address}/32 dev vxlan0 mtu lock 1350`),
      ...['fd00::20', 'fd00::3', 'fd00::4'].map((address) => `route replace ${address}/128 dev vxlan0`),
    ],
  });
  const shown = (kind: string, more: object = {}): Parameters<typeof tunFault>[1] => {
    const rawLinks = [{ ifname: 'vxlan0', ifindex: 4, flags: ['UP'], mtu: 1450, addr_info: [], linkinfo: { info_kind: kind }, ...more }];
    return { rawLinks, links: foundLinks(rawLinks) };
  };
  t.is(tunFault(link, shown('tun')), undefined);
  t.is(tunFault(link, shown('vxlan')), 'vxlan0 is another device');
  t.is(tunFault(link, shown('tun', { mtu: 1400 })), 'vxlan0 is another device');
  t.is(tunFault(link, shown('tun', { flags: [] })), 'vxlan0 is down');
  t.is(tunFault(link, { rawLinks: [], links: [] }), 'vxlan0 is gone');
});
