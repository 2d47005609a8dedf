/** What a new flow gets when every port toward one endpoint is taken, and another endpoint has some. */
import test from 'ava';
import { DEFAULT_POLICY } from '../../../../proxy/config/snapshot.js';
import { MOST_VISITED } from '../../../../proxy/dataplane/flows.js';
import { ownerOf } from '../../../../proxy/flow/owner.js';
import { type Addresses, endpoint, ENDPOINTS, IPV4, IPV6, ipv6Of, Mesh, plain, service, snapshot, VIP } from '../../../support/mesh.js';
import { decode, tcpFrame, udpFrame } from '../../../support/packets.js';

/** Ports of the pool. */
const PORTS = 64_512;
const [FULL, FREE] = ENDPOINTS;

/** Clients with one port each, so that nearly all need one of the pool's. */
const clientOf = (net: Addresses, i: number): string => (net === IPV4 ? `10.${20 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}` : `fd01::${(i + 1).toString(16)}`);
const udp = (net: Addresses, i: number): Uint8Array => udpFrame({ from: clientOf(net, i), to: net.vip, sourcePort: 2000 });
const tcp = (i: number, flags: string): Uint8Array => tcpFrame({ from: clientOf(IPV4, i), to: VIP, sourcePort: 2000, flags });

/** Every port toward the first endpoint is taken, and then there is another one. */
function fullMesh(frameOf: (i: number) => Uint8Array, ejectAfter = 0): Mesh {
  const mesh = new Mesh({ maxFlows: 140_000, config: snapshot(1, [service(VIP, [endpoint(FULL)])]) });
  for (let i = 0; i < PORTS; i++) mesh.pass(frameOf(i));
  mesh.apply(plain({ policy: { ...DEFAULT_POLICY, ejectAfter } }));
  return mesh;
}

for (const [family, net, free] of [['IPv4', IPV4, FREE], ['IPv6', IPV6, ipv6Of(FREE)]] as const) {
  test(`${family}: a flow goes where there is a port, whosever turn it is`, (t) => {
    const mesh = fullMesh((i) => udp(net, i));
    for (let i = 0; i < 20; i++) t.is(decode(mesh.pass(udp(net, PORTS + i))).toText, free);
    t.deepEqual([mesh.count('droppedPortExhausted'), mesh.count('flowsEvicted'), mesh.unaccounted()], [0, 0, 0]);
    t.deepEqual([mesh.stats.active(65_536), mesh.stats.active(65_537)], [PORTS, 20], 'counted where they went');
  });
}

test('and if the only one with a port is ejected, there', (t) => {
  const mesh = fullMesh((i) => udp(IPV4, i), 1);
  for (const [i, flags] of ['SA', 'RA'].entries()) {
    const syn = decode(mesh.pass(tcp(i, 'S')));
    mesh.pass(tcpFrame({ from: syn.toText, to: IPV4.balancer, sourcePort: 80, destinationPort: syn.sourcePort, flags }));
  }
  t.is(mesh.count('endpointsEjected'), 1);
  t.is(decode(mesh.pass(tcp(2, 'S'))).toText, FULL, 'the other one is ejected');
  for (let i = 0; i < 20; i++) t.is(decode(mesh.pass(udp(IPV4, PORTS + i))).toText, FREE);
  t.is(mesh.count('droppedPortExhausted'), 0);
});

test('no connection that is opening gives way while another endpoint has a port; those that are over do at once', (t) => {
  const mesh = fullMesh((i) => tcp(i, 'S'));
  for (let i = 0; i < 20; i++) t.is(decode(mesh.pass(tcp(PORTS + i, 'S'))).toText, FREE);
  t.is(mesh.count('flowsEvicted'), 0);
  for (let i = 0; i < PORTS; i++) mesh.pass(tcp(i, 'R'));
  const went = Array.from({ length: 20 }, (_, i) => decode(mesh.pass(tcp(PORTS + 100 + i, 'S'))).toText);
  t.deepEqual([FULL, FREE].map((address) => went.filter((text) => text === address).length), [10, 10]);
  t.deepEqual([mesh.count('flowsEvicted'), mesh.count('droppedPortExhausted')], [10, 0]);
});

test('when no endpoint has a port, one that is opening gives its own', (t) => {
  const mesh = fullMesh((i) => tcp(i, 'S'));
  for (let i = 0; i < PORTS; i++) mesh.pass(tcp(PORTS + i, 'S'));
  t.is(mesh.count('flowsEvicted'), 0);
  for (let i = 0; i < 20; i++) mesh.pass(tcpFrame({ from: `10.9.0.${i}`, to: VIP, sourcePort: 2000, flags: 'S' }));
  t.deepEqual([mesh.count('flowsEvicted'), mesh.count('droppedPortExhausted'), mesh.table.size, mesh.unaccounted()], [20, 0, 2 * PORTS, 0]);
  t.is(mesh.stats.active(65_536) + mesh.stats.active(65_537), 2 * PORTS);
});

test('with every port of many endpoints taken, the search for one is bounded, and goes on with the next flow', (t) => {
  const [workers, endpoints] = [8, 48];
  const each = PORTS / workers;
  const addresses = Array.from({ length: endpoints }, (_, i) => `10.0.1.${100 + i}`);
  const mesh = new Mesh({ maxFlows: each * endpoints + 64, worker: { index: 0, count: workers }, config: snapshot(1, [service(VIP, addresses.map((address) => endpoint(address)))]) });
  const sourcePort = [2000, 2001, 2002, 2003, 2004, 2005, 2006, 2007, 2008, 2009, 2010, 2011, 2012, 2013, 2014, 2015].find((port) => ownerOf(port, workers) === 0)!;
  const next = (() => ((i) => () => udpFrame({ from: clientOf(IPV4, i++), to: VIP, sourcePort }))(0))();
  for (let i = 0; i < each * endpoints; i++) mesh.pass(next());
  let looks = 0;
  const { table } = mesh;
  const find = table.findByEndpoint.bind(table);
  table.findByEndpoint = (...key) => (looks++, find(...key));
  /** What each flow costs until none has anything to search through but what is remembered. */
  const costs = [];
  do {
    looks = 0;
    t.is(mesh.send(next()), undefined);
    costs.push(looks);
  } while (looks > MOST_VISITED);
  t.true(costs.length > 1, 'so many are too many for one');
  for (const cost of costs) t.true(cost < MOST_VISITED + 3 * each, `${cost} ports looked at`);
  t.deepEqual([mesh.count('droppedPortExhausted'), mesh.unaccounted()], [costs.length, 0]);
  mesh.wait(1100);
  looks = 0;
  t.is(mesh.send(next()), undefined);
  t.true(looks > MOST_VISITED && looks < MOST_VISITED + 3 * each, `after a second they are looked at again: ${looks}`);
});
