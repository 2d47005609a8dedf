import test from 'ava';
import { isLaidOut, layoutLines, layoutText, linkFault, parseLinks, parseRoutes, strayVeths, type FoundLink, type Layout, type TaskEnd } from '../../../../agent/sandbox/layout.js';

const layout: Layout = { subnet: '10.0.1.0/24', gateway: '10.0.1.1', balancer: '10.0.1.250', mtu: 1450 };
const ipv6 = { subnet: 'fd3a:9c01:77e2:1111::/64', gateway: 'fd3a:9c01:77e2:1111:ffff:ffff:ffff:fffe', balancer: 'fd3a:9c01:77e2:1111:ffff:ffff:ffff:fffd' };

// As `ip -json link show` of iproute2 6.1 prints a sandbox, and `ip -json address show` a task of it.
const SANDBOX =
  '[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536,"operstate":"UNKNOWN","link_type":"loopback","address":"00:00:00:00:00:00","ifalias":"vipmesh,1,1450,10.0.1.0/24,10.0.1.1,10.0.1.250"},{},' +
  '{"ifindex":3,"link_index":2,"ifname":"v-a1b2c3d4e5f6","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"mtu":1450,"operstate":"UP","link_type":"ether","address":"1e:e9:6f:dd:4e:3d","link_netnsid":0}]';
const TASK =
  '[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536,"addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8}]},' +
  '{"ifindex":2,"link_index":3,"ifname":"eth0","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"mtu":1450,"addr_info":[{"family":"inet","local":"10.0.1.5","prefixlen":24},{"family":"inet6","local":"fd3a:9c01:77e2:1111::5","prefixlen":64}]}]';
const ROUTES = '[{"dst":"10.0.1.5","dev":"v-a1b2c3d4e5f6","scope":"link","flags":[]},{"dst":"fd3a:9c01:77e2:1111::5","dev":"v-a1b2c3d4e5f6"},{"type":"blackhole","dst":"10.9.9.9"}]';

const end: TaskEnd = { id: 'a1b2c3d4e5f6', interface: 'eth0', address: '10.0.1.5', address6: 'fd3a:9c01:77e2:1111::5' };

test('a layout is one short word, and another for whatever differs', (t) => {
  t.is(layoutText(layout), 'vipmesh,1,1450,10.0.1.0/24,10.0.1.1,10.0.1.250');
  t.deepEqual(layoutLines(layout), ['link set lo alias vipmesh,1,1450,10.0.1.0/24,10.0.1.1,10.0.1.250']);
  const longest = layoutText({ subnet: '255.255.255.0/24', gateway: '255.255.255.254', balancer: '255.255.255.253', mtu: 65535, ipv6 });
  t.true(longest.length < 256, longest);
  t.regex(longest, /^\S+$/);
});

test('a sandbox is recognised when it is whole and just what is wanted', (t) => {
  const links = parseLinks(SANDBOX);
  t.true(isLaidOut(links, layout));
  t.false(isLaidOut(links, { ...layout, mtu: 1400 }));
  t.false(isLaidOut(links, { ...layout, subnet: '10.0.2.0/24' }));
  t.false(isLaidOut(links, { ...layout, ipv6 }));
  t.false(isLaidOut(parseLinks(SANDBOX.replace(/,"ifalias":"[^"]*"/, '')), layout), 'half-made');
  t.false(isLaidOut(parseLinks(''), layout));
});

test('veths whose task is none of ours', (t) => {
  const links = parseLinks(SANDBOX);
  t.deepEqual(strayVeths(links, ['a1b2c3d4e5f6']), []);
  t.deepEqual(strayVeths(links, ['ffffffffffff']), ['v-a1b2c3d4e5f6']);
  t.deepEqual(strayVeths([...links, { ...links[0]!, name: 'ipvs0' }], ['a1b2c3d4e5f6']), [], 'what is not a veth of ours is nobody’s to remove');
});

test('a task’s link is as it was made, or what it lacks is said', (t) => {
  const sandbox = { links: parseLinks(SANDBOX), routes: parseRoutes(ROUTES) };
  const task = parseLinks(TASK);
  t.is(linkFault(end, 1450, sandbox, task), undefined);
  const near = (change: Partial<FoundLink>): typeof sandbox => ({ ...sandbox, links: sandbox.links.map((link) => (link.name === 'lo' ? link : { ...link, ...change })) });
  const far = (change: Partial<FoundLink>): FoundLink[] => task.map((link) => (link.name === 'lo' ? link : { ...link, ...change }));
  const cases: [string | undefined, string][] = [
    [linkFault({ ...end, id: 'ffffffffffff' }, 1450, sandbox, task), 'it has lost eth0'],
    [linkFault(end, 1450, sandbox, []), 'it has lost eth0'],
    [linkFault(end, 1450, near({ peer: 7 }), task), 'its eth0 leads elsewhere'],
    [linkFault(end, 1450, sandbox, far({ index: 9 })), 'its eth0 leads elsewhere'],
    [linkFault(end, 1450, near({ up: false }), task), 'its eth0 is down'],
    [linkFault(end, 1450, sandbox, far({ up: false })), 'its eth0 is down'],
    [linkFault(end, 1400, sandbox, task), 'its eth0 has another MTU than 1400'],
    [linkFault(end, 1450, sandbox, far({ addresses: ['10.0.1.5'] })), 'its eth0 has lost fd3a:9c01:77e2:1111::5'],
    [linkFault(end, 1450, { ...sandbox, routes: new Map() }, task), 'there is no route to 10.0.1.5'],
    [linkFault(end, 1450, { ...sandbox, routes: new Map([...sandbox.routes, ['10.0.1.5', 'v-other']]) }, task), 'there is no route to 10.0.1.5'],
  ];
  for (const [said, wanted] of cases) t.is(said, wanted);
});
