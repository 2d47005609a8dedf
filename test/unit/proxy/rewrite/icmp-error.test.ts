import test from 'ava';
import { parseIpv4 } from '../../../../proxy/net/addr.js';
import { BALANCER, CLIENT, ENDPOINTS, Mesh, VIP } from '../../../support/mesh.js';
import { checksumFault, decode, errorFrame, icmpFrame, naiveSum, tcpFrame, udpFrame, VNET } from '../../../support/packets.js';

const ROUTER = '10.0.1.1';

/** The packet inside an ICMP error, as a frame of its own with an empty virtio header. */
function quoteOf(frame: Uint8Array): Buffer {
  return Buffer.concat([Buffer.alloc(VNET), decode(frame).l4.subarray(8)]);
}

const KINDS = [
  { name: 'tcp', first: tcpFrame({ from: CLIENT, to: VIP, flags: 'S', payload: Buffer.alloc(40, 3) }), minimum: 8 },
  { name: 'tcp with its checksum', first: tcpFrame({ from: CLIENT, to: VIP, flags: 'S', payload: Buffer.alloc(40, 3) }), minimum: 60 },
  { name: 'udp', first: udpFrame({ from: CLIENT, to: VIP, payload: Buffer.alloc(40, 3) }), minimum: 8 },
  { name: 'udp, whole', first: udpFrame({ from: CLIENT, to: VIP, payload: Buffer.alloc(40, 3) }), minimum: 48 },
  { name: 'udp without checksum', first: udpFrame({ from: CLIENT, to: VIP, noChecksum: true }), minimum: 8 },
] as const;

for (const { name, first, minimum } of KINDS) {
  test(`from the endpoint side, quoting ${minimum} bytes of ${name}: the client sees its own packet`, (t) => {
    for (const [reporter, shown] of [[ENDPOINTS[0], VIP], [ROUTER, ROUTER]] as const) {
      const mesh = new Mesh();
      const sent = mesh.pass(first);
      const opened = mesh.nonZero();
      const error = errorFrame({ from: reporter, to: BALANCER }, 3, 4, 1400, sent, minimum);
      const out = mesh.pass(error);
      const { from, to, l4 } = decode(out);
      t.deepEqual([from, to], [parseIpv4(shown), parseIpv4(CLIENT)]);
      t.is(checksumFault(out), undefined);
      t.is(l4.subarray(0, 2).toString('hex') + l4.subarray(4, 8).toString('hex'), '030400000578', 'type, code and MTU are as they were');
      // Byte for byte what the client sent, addresses, ports, both checksums.
      t.deepEqual(quoteOf(out).subarray(VNET), first.subarray(VNET, VNET + 20 + minimum));
      t.is(mesh.table.size, 1, 'the flow lives');
      t.is(mesh.count('forwardedPackets'), (opened.forwardedPackets ?? 0) + 1);
    }
  });

  test(`from the client side, quoting ${minimum} bytes of ${name}: the endpoint sees its own packet`, (t) => {
    const mesh = new Mesh();
    mesh.pass(first);
    const fields = { from: ENDPOINTS[0], to: BALANCER, sourcePort: decode(first).destinationPort, destinationPort: 40000, payload: Buffer.alloc(40, 9) };
    const answer = name.startsWith('tcp') ? tcpFrame({ ...fields, flags: 'SA' }) : udpFrame({ ...fields, noChecksum: name.endsWith('without checksum') });
    const delivered = mesh.pass(answer);
    const out = mesh.pass(errorFrame({ from: CLIENT, to: VIP }, 11, 0, 0, delivered, minimum));
    const { from, to } = decode(out);
    t.deepEqual([from, to], [parseIpv4(BALANCER), parseIpv4(ENDPOINTS[0])]);
    t.is(checksumFault(out), undefined);
    t.deepEqual(quoteOf(out).subarray(VNET), answer.subarray(VNET, VNET + 20 + minimum));
    t.is(mesh.table.size, 1);
  });
}

test('a quote whose TTL a router took from keeps a right header checksum', (t) => {
  const mesh = new Mesh();
  const sent = mesh.pass(tcpFrame({ from: CLIENT, to: VIP, flags: 'S' }));
  sent[VNET + 8]! -= 5;
  sent.writeUInt16BE(0, VNET + 10);
  sent.writeUInt16BE(0xffff - naiveSum(sent, VNET, VNET + 20), VNET + 10);
  const out = mesh.pass(errorFrame({ from: ROUTER, to: BALANCER }, 11, 0, 0, sent, 8));
  t.is(naiveSum(quoteOf(out), VNET, VNET + 20), 0xffff);
});

test('an error neither keeps a flow alive nor ends it', (t) => {
  const mesh = new Mesh();
  const sent = mesh.pass(udpFrame({ from: CLIENT, to: VIP }));
  const error = errorFrame({ from: ENDPOINTS[0], to: BALANCER }, 3, 3, 0, sent, 8);
  mesh.wait(290_000);
  t.truthy(mesh.send(error));
  t.is(mesh.table.size, 1);
  mesh.wait(20_000);
  t.is(mesh.table.size, 0);
});

test('errors that belong to no flow, or cannot be read, are dropped', (t) => {
  const mesh = new Mesh();
  const sent = mesh.pass(tcpFrame({ from: CLIENT, to: VIP, flags: 'S' }));
  const toBalancer = { from: ROUTER, to: BALANCER };
  const unmatched = [
    errorFrame(toBalancer, 3, 3, 0, tcpFrame({ from: BALANCER, to: ENDPOINTS[0], sourcePort: 1 }), 8),
    errorFrame(toBalancer, 3, 3, 0, sent, 7),
    errorFrame(toBalancer, 3, 3, 0, icmpFrame({ from: BALANCER, to: ENDPOINTS[0] }, Buffer.alloc(8)), 8),
    errorFrame({ from: ROUTER, to: VIP }, 3, 3, 0, sent, 8), // quotes a packet that the VIP did not send
    icmpFrame(toBalancer, Buffer.from([3, 3, 0, 0, 0, 0, 0, 0])),
    icmpFrame(toBalancer, Buffer.concat([Buffer.from([3, 3, 0, 0, 0, 0, 0, 0]), Buffer.alloc(40, 0x4f)])),
  ];
  const fragment = Buffer.from(sent);
  fragment[VNET + 7] = 1;
  unmatched.push(errorFrame(toBalancer, 11, 1, 0, fragment, 8));
  for (const bytes of unmatched) t.is(mesh.send(bytes), undefined);
  t.is(mesh.count('droppedIcmpUnmatched'), unmatched.length);
  const broken = errorFrame(toBalancer, 3, 3, 0, sent, 8);
  broken[broken.length - 1]! ^= 1;
  t.is(mesh.send(broken), undefined);
  t.is(mesh.count('droppedBadChecksum'), 1);
  t.is(mesh.send(errorFrame(toBalancer, 5, 1, 0, sent, 8)), undefined, 'a redirect');
  t.is(mesh.count('droppedIcmpUnsupported'), 1);
});

test('an error about a flow whose endpoint is gone ends the flow and goes nowhere', (t) => {
  const mesh = new Mesh();
  const sent = mesh.pass(udpFrame({ from: CLIENT, to: VIP }));
  mesh.apply([]);
  mesh.apply(mesh.config.networks[0]!.services);
  t.is(mesh.send(errorFrame({ from: ENDPOINTS[0], to: BALANCER }, 3, 3, 0, sent, 8)), undefined);
  t.is(mesh.table.size, 0);
});
