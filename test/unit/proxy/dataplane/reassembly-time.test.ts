/** Datagrams that are not whole in time: who is told, by what, and who is not. */
import test from 'ava';
import { IPV4, IPV6, Mesh, plain, snapshot, type Addresses } from '../../../support/mesh.js';
import { cut } from '../../../support/fragments.js';
import { checksumFault, decode, DESTINATION_OPTIONS, echoFrame, errorFrame, icmpFrame, naiveSum, udpFrame, VNET } from '../../../support/packets.js';

const payload = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7) & 255));
const PARTS = { at: [1400, 2800, 4200] };
const WAIT = 31_000;

/** What is sent after the reassembly time to who sent these fragments. */
function late(fragments: readonly Uint8Array[], mesh = new Mesh()): Buffer[] {
  for (const fragment of fragments) mesh.send(fragment);
  mesh.wait(WAIT);
  if (mesh.unaccounted() !== 0) throw new Error('a packet is not accounted for');
  return mesh.takeEmitted();
}

const FAMILIES: readonly (readonly [string, Addresses, readonly [number, number], number])[] = [
  ['IPv4', IPV4, [11, 1], 576],
  ['IPv6', IPV6, [3, 1], 1280],
];

for (const [family, net, [type, code], limit] of FAMILIES) {
  const head = family === 'IPv4' ? 20 : 40;
  const fragments = cut(udpFrame({ from: net.client, to: net.vip, payload }), PARTS);

  test(`${family}: the sender is told, from the address that it sent to, with as much of the first fragment as fits`, (t) => {
    const mesh = new Mesh();
    const [error, ...more] = late([fragments[2]!, fragments[0]!, fragments[1]!], mesh);
    t.deepEqual(more, []);
    const { fromText, toText, l4 } = decode(error!);
    t.deepEqual([fromText, toText, l4[0], l4[1], l4.readUInt32BE(4)], [net.vip, net.client, type, code, 0]);
    t.is(checksumFault(error!), undefined);
    t.is(error!.length - VNET, limit);
    t.deepEqual(l4.subarray(8), fragments[0]!.subarray(VNET, VNET + limit - head - 8));
    t.deepEqual([mesh.count('emittedTimeExceeded'), mesh.count('fragmentsTimedOut'), mesh.count('heldFragments')], [1, 3, 3]);
    mesh.wait(WAIT);
    t.deepEqual(mesh.takeEmitted(), [], 'once');
  });

  test(`${family}: an endpoint is told by the balancer address`, (t) => {
    const [error] = late(cut(udpFrame({ from: net.endpoints[0], to: net.balancer, payload }), PARTS).slice(0, 2));
    t.deepEqual([decode(error!).fromText, decode(error!).toText], [net.balancer, net.endpoints[0]]);
  });

  test(`${family}: an echo request is a query, about which its sender is told`, (t) => {
    const [error] = late(cut(echoFrame({ from: net.client, to: net.vip }, payload), PARTS).slice(0, 3));
    t.deepEqual([decode(error!).l4[0], decode(error!).l4[1]], [type, code]);
  });

  test(`${family}: nobody is told whose first fragment did not come, or whose datagram became whole`, (t) => {
    t.deepEqual(late(fragments.slice(1)), []);
    const mesh = new Mesh();
    const out = late(fragments, mesh);
    t.is(mesh.count('emittedTimeExceeded'), 0);
    t.true(out.every((frame) => decode(frame).protocol === 17));
  });

  test(`${family}: nobody is told about an ICMP error or a redirect, by an address that is not ours, or at one that cannot be`, (t) => {
    const quoted = udpFrame({ from: net.vip, to: net.client, payload });
    const [unreachable, redirect] = family === 'IPv4' ? [3, 5] : [1, 137];
    for (const errorType of [unreachable, redirect]) {
      const error = errorFrame({ from: net.client, to: net.vip }, errorType, 0, 0, quoted, 1000);
      t.deepEqual(late(cut(error, { at: [480] }).slice(0, 1)), [], `type ${errorType}`);
    }
    const [from, elsewhere, loopback] = family === 'IPv4' ? ['10.0.1.9', '10.0.1.77', '127.0.0.1'] : ['fd00::1:9', 'fd00::1:77', '::1'];
    for (const addresses of [{ from, to: elsewhere }, { from: loopback, to: net.vip }, { from: net.emptyVip, to: net.vip }]) {
      t.deepEqual(late(cut(udpFrame({ ...(addresses), payload }), PARTS).slice(0, 1)), [], JSON.stringify(addresses));
    }
  });

  test(`${family}: errors about datagrams have the limit of all ICMP errors`, (t) => {
    const mesh = new Mesh();
    const first = (id: number): Buffer => cut(udpFrame({ from: net.client, to: net.vip, payload }), { ...PARTS, id })[0]!;
    t.is(late(Array.from({ length: 150 }, (_, id) => first(id + 1)), mesh).length, 100);
    t.is(mesh.count('emittedTimeExceeded'), 100);
    t.is(mesh.count('fragmentsTimedOut'), 150);
    t.is(late([first(1)], mesh).length, 1, 'a later time has its own');
  });
}

test('IPv6: extension headers behind the Fragment header do not hide an ICMPv6 error', (t) => {
  const extensions = [[DESTINATION_OPTIONS, Buffer.from([1, 4, 0, 0, 0, 0])]] as const;
  const error = icmpFrame({ from: IPV6.client, to: IPV6.vip, extensions }, Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), payload.subarray(0, 1000)]));
  t.deepEqual(late(cut(error, { at: [480] }).slice(0, 1)), []);
  const datagram = udpFrame({ from: IPV6.client, to: IPV6.vip, extensions, payload });
  t.is(late(cut(datagram, { at: [480] }).slice(0, 1)).length, 1);
});

test('IPv4: a first fragment whose header checksum is wrong is not answered', (t) => {
  const [first] = cut(udpFrame({ from: IPV4.client, to: IPV4.vip, payload }), PARTS);
  first![VNET + 8]! -= 1;
  t.not(naiveSum(first!, VNET, VNET + 20), 0xffff);
  t.deepEqual(late([first!]), []);
});

test('nobody is told on a network, or in a family, that is gone by then', (t) => {
  const first = (from: string, to: string): Buffer => cut(udpFrame({ from, to, payload }), PARTS)[0]!;
  const mesh = new Mesh();
  mesh.send(first(IPV4.client, IPV4.emptyVip));
  // Its own address is still known, as an endpoint's of a service.
  mesh.send(first(IPV6.endpoints[0], IPV6.balancer));
  const [network] = snapshot(2, plain().slice(0, 1)).networks;
  const { balancer6: _, ...withoutIpv6 } = network!;
  mesh.pipeline.configure({ epoch: 2, networks: [withoutIpv6] });
  mesh.wait(WAIT);
  t.deepEqual(mesh.takeEmitted(), [], 'neither address is there');
  mesh.send(first(IPV4.client, IPV4.vip));
  mesh.pipeline.configure({ epoch: 3, networks: [] });
  mesh.wait(WAIT);
  t.deepEqual(mesh.takeEmitted(), []);
  t.is(mesh.count('fragmentsTimedOut'), 3);
});
