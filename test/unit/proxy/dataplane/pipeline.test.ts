import test from 'ava';
import { parseIpv4 } from '../../../../proxy/net/addr.js';
import { BALANCER, CLIENT, EMPTY_VIP, endpoint, ENDPOINTS, IPV6, Mesh, PLAIN, service, VIP } from '../../../support/mesh.js';
import { checksumFault, decode, echoFrame, icmpFrame, tcpFrame, udpFrame, VNET } from '../../../support/packets.js';

const TO_VIP = { from: CLIENT, to: VIP };
const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;

/** Opens a TCP flow as far as `established` and answers the endpoint it went to. */
function connect(mesh: Mesh, fields = TO_VIP, sourcePort = 40000): { endpoint: string; port: number } {
  const syn = decode(mesh.pass(tcpFrame({ ...fields, sourcePort, flags: 'S' })));
  const address = ENDPOINTS.find((text) => parseIpv4(text) === syn.to) ?? '?';
  mesh.pass(tcpFrame({ from: address, to: BALANCER, sourcePort: 80, destinationPort: syn.sourcePort, flags: 'SA' }));
  mesh.pass(tcpFrame({ ...fields, sourcePort, flags: 'A' }));
  return { endpoint: address, port: syn.sourcePort };
}

test('a SYN to the VIP, byte by byte', (t) => {
  const mesh = new Mesh();
  const out = mesh.pass(tcpFrame({ ...TO_VIP, flags: 'S', seq: 0x01020304, payload: Buffer.from('hi') }));
  t.is(
    out.toString('hex'),
    [
      '00000000000000000000', // virtio: as it came
      '4500002a', '12344000', '3f06', '129c', '0a0001fa', '0a000105', // IP: TTL untouched, 10.0.1.250 to 10.0.1.5
      '9c400050', '01020304', '00000000', '5002faf0', '94f1', '0000', '6869', // TCP: the client's own port kept
    ].join(''),
  );
  t.is(checksumFault(out), undefined);
});

test('its answer, byte by byte', (t) => {
  const mesh = new Mesh();
  mesh.pass(tcpFrame({ ...TO_VIP, flags: 'S' }));
  const out = mesh.pass(tcpFrame({ from: ENDPOINTS[0], to: BALANCER, sourcePort: 80, destinationPort: 40000, flags: 'SA', seq: 7, ack: 1001 }));
  t.is(
    out.toString('hex'),
    ['00000000000000000000', '45000028', '12344000', '3f06', '1392', '0a000102', '0a000109', '00509c40', '00000007', '000003e9', '5012faf0', 'fe56', '0000'].join(''),
  );
  t.is(checksumFault(out), undefined);
});

test('new flows take turns, a flow stays with its endpoint', (t) => {
  const mesh = new Mesh();
  const to = (sourcePort: number, flags: string) => decode(mesh.pass(tcpFrame({ ...TO_VIP, sourcePort, flags }))).to;
  const first = to(1001, 'S');
  const second = to(1002, 'S');
  t.deepEqual([first, second].sort(), ENDPOINTS.map(parseIpv4).sort());
  t.is(to(1001, 'S'), first, 'a retransmitted SYN');
  t.is(to(1001, 'A'), first);
  t.is(to(1002, 'A'), second);
  t.is(mesh.count('flowsOpened'), 2);
});

test('a super-packet is rewritten once, its virtio header kept', (t) => {
  const mesh = new Mesh();
  connect(mesh);
  const packet = tcpFrame({ ...TO_VIP, flags: 'AP', payload: Buffer.alloc(60_000, 0x55), partial: true, gso: [1, 1398] });
  const out = mesh.pass(packet);
  t.is(out.length, packet.length);
  t.deepEqual(out.subarray(0, VNET), packet.subarray(0, VNET));
  t.is(checksumFault(out), undefined);
});

test('IP options are kept', (t) => {
  const mesh = new Mesh();
  const out = mesh.pass(udpFrame({ ...TO_VIP, ipOptions: Buffer.from([0x94, 4, 0, 0]) }));
  t.is(out[VNET + 20], 0x94);
  t.is(checksumFault(out), undefined);
});

test('UDP: a checksum of 0 stays 0, a computed 0 becomes 0xffff, both ways', (t) => {
  const mesh = new Mesh();
  const there = mesh.pass(udpFrame({ ...TO_VIP, noChecksum: true }));
  t.is(decode(there).l4.readUInt16BE(6), 0);
  const back = mesh.pass(udpFrame({ from: ENDPOINTS[0], to: BALANCER, sourcePort: 53, destinationPort: 40000, noChecksum: true }));
  t.is(decode(back).l4.readUInt16BE(6), 0);
  // A payload word that makes the sum after the rewrite 0xffff, so that its complement is 0.
  const seen = new Set<number>();
  for (let word = 0; word <= 0xffff; word++) {
    const out = decode(mesh.pass(udpFrame({ ...TO_VIP, payload: Buffer.from([word >> 8, word & 255]) })));
    seen.add(out.l4.readUInt16BE(6));
  }
  t.false(seen.has(0));
  t.true(seen.has(0xffff));
});

test('an error in a checksum is carried on', (t) => {
  const mesh = new Mesh();
  const bytes = tcpFrame({ ...TO_VIP, flags: 'S' });
  bytes[VNET + 36]! ^= 0x40;
  t.is(checksumFault(mesh.pass(bytes)), 'L4 checksum');
});

test('the balancer address answers an echo request', (t) => {
  const mesh = new Mesh();
  const out = mesh.pass(echoFrame({ from: CLIENT, to: BALANCER, ttl: 3, ipOptions: Buffer.from([1, 1, 1, 0]) }, Buffer.from('abcde')));
  const { from, to, l4, ttl } = decode(out);
  t.deepEqual([from, to, ttl], [parseIpv4(BALANCER), parseIpv4(CLIENT), 64]);
  t.is(l4.subarray(0, 2).toString('hex'), '0000');
  t.is(l4.subarray(4).toString('hex'), '12340001' + Buffer.from('abcde').toString('hex'));
  t.is(checksumFault(out), undefined);
  t.is(mesh.count('repliedEcho'), 1);
});

test('an echo request with a broken checksum gets a reply with a broken checksum', (t) => {
  const mesh = new Mesh();
  const bytes = echoFrame({ from: CLIENT, to: BALANCER });
  bytes[bytes.length - 1]! ^= 1;
  t.is(checksumFault(mesh.pass(bytes)), 'ICMP checksum');
});

test('no endpoint: a SYN gets a RST that acknowledges it', (t) => {
  const mesh = new Mesh();
  const bytes = tcpFrame({ from: CLIENT, to: EMPTY_VIP, flags: 'S', seq: 0xffffffff, tcpOptions: Buffer.alloc(4, 1), payload: Buffer.from('abc'), partial: true });
  const out = mesh.pass(bytes);
  const reset = decode(out);
  t.is(out.subarray(0, VNET).toString('hex'), '00'.repeat(10));
  t.is(out.length, VNET + 40);
  t.like(reset, { from: parseIpv4(EMPTY_VIP), to: parseIpv4(CLIENT), sourcePort: 80, destinationPort: 40000, flags: RST | ACK, seq: 0, ack: 3 });
  t.is(checksumFault(out), undefined);
  t.deepEqual(mesh.nonZero().refusedNoEndpoint, 1);
  t.is(mesh.table.size, 0);
});

test('no endpoint: a datagram gets a port unreachable that quotes it', (t) => {
  const mesh = new Mesh();
  for (const [size, quoted] of [[20, 48], [2000, 548]] as const) {
    const bytes = udpFrame({ from: CLIENT, to: EMPTY_VIP, payload: Buffer.alloc(size, 7) });
    const out = mesh.pass(bytes);
    const { from, to, protocol, l4 } = decode(out);
    t.deepEqual([from, to, protocol], [parseIpv4(EMPTY_VIP), parseIpv4(CLIENT), 1]);
    t.is(l4.subarray(0, 2).toString('hex'), '0303');
    t.deepEqual(l4.subarray(8), bytes.subarray(VNET, VNET + quoted));
    t.is(checksumFault(out), undefined);
  }
  t.is(mesh.count('refusedNoEndpoint'), 2);
});

test('endpoints of weight 0 only are none', (t) => {
  const mesh = new Mesh();
  mesh.apply([service(VIP, [endpoint(ENDPOINTS[0], 0)])]);
  t.is(decode(mesh.pass(tcpFrame({ ...TO_VIP, flags: 'S' }))).flags, RST | ACK);
  t.is(mesh.count('refusedNoEndpoint'), 1);
});

test('mid-stream TCP of no flow: RST with the sequence it acknowledges; a RST: nothing', (t) => {
  const mesh = new Mesh();
  const reset = decode(mesh.pass(tcpFrame({ ...TO_VIP, flags: 'AP', seq: 5, ack: 0x89abcdef, payload: Buffer.from('x') })));
  t.like(reset, { flags: RST, seq: 0x89abcdef, ack: 0, from: parseIpv4(VIP) });
  t.is(decode(mesh.pass(tcpFrame({ ...TO_VIP, flags: 'SA', ack: 9 }))).seq, 9, 'a SYN,ACK begins nothing');
  t.is(mesh.send(tcpFrame({ ...TO_VIP, flags: 'R' })), undefined);
  t.is(mesh.send(tcpFrame({ from: CLIENT, to: BALANCER, flags: 'RA' })), undefined);
  t.deepEqual([mesh.count('refusedNoFlow'), mesh.count('droppedStrayReset')], [2, 2]);
});

test('the balancer address: no flow, no service', (t) => {
  const mesh = new Mesh();
  const reset = decode(mesh.pass(tcpFrame({ from: ENDPOINTS[0], to: BALANCER, flags: 'S', seq: 1 })));
  t.like(reset, { from: parseIpv4(BALANCER), to: parseIpv4(ENDPOINTS[0]), flags: RST | ACK, ack: 2 });
  t.is(decode(mesh.pass(udpFrame({ from: ENDPOINTS[0], to: BALANCER }))).l4.subarray(0, 2).toString('hex'), '0303');
  t.is(mesh.count('refusedNoFlow'), 2);
});

test('a refusal is not given to a packet with a wrong checksum, nor to an address that cannot be answered', (t) => {
  const mesh = new Mesh();
  const bytes = tcpFrame({ from: CLIENT, to: EMPTY_VIP, flags: 'S' });
  bytes[VNET + 25]! ^= 1;
  t.is(mesh.send(bytes), undefined);
  const datagram = udpFrame({ from: CLIENT, to: EMPTY_VIP, payload: Buffer.from('abc') });
  datagram[datagram.length - 1]! ^= 1;
  t.is(mesh.send(datagram), undefined);
  t.is(mesh.count('droppedBadChecksum'), 2);
  for (const from of ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255', EMPTY_VIP, BALANCER]) {
    t.is(mesh.send(tcpFrame({ from, to: VIP, flags: 'S' })), undefined, from);
    t.is(mesh.send(echoFrame({ from, to: VIP })), undefined, from);
  }
  t.is(mesh.send(udpFrame({ from: '127.0.0.1', to: BALANCER })), undefined);
  t.is(mesh.count('droppedMartianSource'), 13);
});

test('IPv6: nor to an address that cannot be answered', (t) => {
  const mesh = new Mesh();
  const martians = ['::', '::1', 'ff02::1', IPV6.emptyVip, IPV6.balancer];
  for (const from of martians) {
    t.is(mesh.send(tcpFrame({ from, to: IPV6.vip, flags: 'S' })), undefined, from);
    t.is(mesh.send(echoFrame({ from, to: IPV6.vip })), undefined, from);
    t.is(mesh.send(udpFrame({ from, to: IPV6.vip })), undefined, from);
  }
  t.is(mesh.count('droppedMartianSource'), 3 * martians.length);
  // Zeros where a half of such an address has them are no fault.
  t.truthy(mesh.send(tcpFrame({ from: 'fd00::', to: IPV6.vip, flags: 'S' })));
  t.truthy(mesh.send(tcpFrame({ from: '2001:db8::ff00:0:0:1', to: IPV6.vip, flags: 'S' })));
});

test('port unreachables are limited to 100 in 100 ms; RSTs are not', (t) => {
  const mesh = new Mesh();
  const datagram = udpFrame({ from: CLIENT, to: EMPTY_VIP });
  for (let i = 0; i < 150; i++) mesh.send(datagram);
  t.deepEqual([mesh.count('refusedNoEndpoint'), mesh.count('droppedIcmpLimited')], [100, 50]);
  mesh.now += 100;
  t.truthy(mesh.send(datagram));
  for (let i = 0; i < 150; i++) mesh.pass(tcpFrame({ from: CLIENT, to: EMPTY_VIP, flags: 'S' }));
});

test('hairpin: the client is the endpoint', (t) => {
  const mesh = new Mesh({ config: { ...PLAIN, networks: [{ ...PLAIN.networks[0]!, services: [service(VIP, [endpoint(CLIENT)])] }] } });
  const there = decode(mesh.pass(tcpFrame({ ...TO_VIP, flags: 'S' })));
  t.like(there, { from: parseIpv4(BALANCER), to: parseIpv4(CLIENT), sourcePort: 40000, destinationPort: 80, flags: SYN });
  const back = decode(mesh.pass(tcpFrame({ from: CLIENT, to: BALANCER, sourcePort: 80, destinationPort: 40000, flags: 'SA' })));
  t.like(back, { from: parseIpv4(VIP), to: parseIpv4(CLIENT), sourcePort: 80, destinationPort: 40000 });
});

test('two clients with the same port and the same endpoint: the second gets another one, and both get their answers', (t) => {
  const mesh = new Mesh({ config: { ...PLAIN, networks: [{ ...PLAIN.networks[0]!, services: [service(VIP, [endpoint(ENDPOINTS[0])])] }] } });
  const clients = [CLIENT, '10.0.1.10', '10.0.1.11'];
  const ports = clients.map((from) => decode(mesh.pass(udpFrame({ from, to: VIP }))).sourcePort);
  t.is(ports[0], 40000);
  t.is(new Set(ports).size, 3);
  clients.forEach((client, i) => {
    const back = mesh.pass(udpFrame({ from: ENDPOINTS[0], to: BALANCER, sourcePort: 53, destinationPort: ports[i]! }));
    t.like(decode(back), { from: parseIpv4(VIP), to: parseIpv4(client), destinationPort: 40000 });
    t.is(checksumFault(back), undefined);
  });
});

test('the same tuple on two networks is two flows', (t) => {
  const other = { ...PLAIN.networks[0]!, index: 9, id: 'id2', name: 'overlay2' };
  const mesh = new Mesh({ config: { epoch: 1, networks: [...PLAIN.networks, other] } });
  mesh.pass(udpFrame(TO_VIP));
  t.truthy(mesh.send(udpFrame(TO_VIP), 9));
  t.is(mesh.table.size, 2);
  t.is(mesh.send(udpFrame(TO_VIP), 4), undefined);
  t.is(mesh.send(udpFrame({ from: CLIENT, to: '10.0.1.77' })), undefined);
  t.deepEqual([mesh.count('droppedUnknownNetwork'), mesh.count('droppedUnknownDestination')], [1, 1]);
});

test('a draining endpoint keeps its flows and gets no new one', (t) => {
  const mesh = new Mesh();
  const flow = connect(mesh);
  mesh.apply([service(VIP, ENDPOINTS.map((address) => endpoint(address, address === flow.endpoint ? 0 : 1)))]);
  t.is(decode(mesh.pass(tcpFrame(TO_VIP))).to, parseIpv4(flow.endpoint));
  for (let port = 1; port < 20; port++) {
    t.not(decode(mesh.pass(tcpFrame({ ...TO_VIP, sourcePort: port, flags: 'S' }))).to, parseIpv4(flow.endpoint));
  }
});

test('a dead endpoint: whichever side speaks first, both get a RST that they believe', (t) => {
  for (const clientFirst of [true, false]) {
    const mesh = new Mesh();
    const flow = connect(mesh);
    const fromClient = { ...TO_VIP, flags: 'A', ack: 2077 };
    const fromEndpoint = { from: flow.endpoint, to: BALANCER, sourcePort: 80, destinationPort: flow.port, flags: 'A', ack: 88 };
    mesh.pass(tcpFrame(fromClient));
    mesh.pass(tcpFrame(fromEndpoint));
    mesh.configure([service(VIP, [endpoint(ENDPOINTS.find((address) => address !== flow.endpoint)!)])]);
    t.is(mesh.send(tcpFrame(clientFirst ? { ...fromClient, ack: 2079 } : { ...fromEndpoint, ack: 90 })), undefined);
    const [toClient, toEndpoint] = mesh.takeEmitted();
    const [clientNext, endpointNext] = clientFirst ? [2079, 88] : [2077, 90];
    t.like(decode(toClient!), { flags: RST | ACK, seq: clientNext, ack: endpointNext, from: parseIpv4(VIP), to: parseIpv4(CLIENT), sourcePort: 80, destinationPort: 40000 });
    t.like(decode(toEndpoint!), { flags: RST | ACK, seq: endpointNext, ack: clientNext, from: parseIpv4(BALANCER), to: parseIpv4(flow.endpoint), sourcePort: flow.port, destinationPort: 80 });
    t.deepEqual([checksumFault(toClient!), checksumFault(toEndpoint!)], [undefined, undefined]);
    t.deepEqual([mesh.table.size, mesh.count('refusedEndpointGone'), mesh.count('emittedResets'), mesh.count('flowsEnded')], [0, 1, 2, 1]);
  }
});

test('a dead endpoint: the next SYN of a flow that was opening goes elsewhere', (t) => {
  const mesh = new Mesh();
  const syn = tcpFrame({ ...TO_VIP, flags: 'S' });
  const first = decode(mesh.pass(syn)).to;
  const left = ENDPOINTS.filter((address) => parseIpv4(address) !== first);
  mesh.configure([service(VIP, left.map((address) => endpoint(address)))]);
  t.is(decode(mesh.pass(syn)).to, parseIpv4(left[0]!));
});

test('a dead endpoint: the very next datagram goes to a live one, answers of the dead one go nowhere', (t) => {
  const mesh = new Mesh();
  const first = decode(mesh.pass(udpFrame(TO_VIP))).to;
  const dead = ENDPOINTS.find((address) => parseIpv4(address) === first)!;
  const left = ENDPOINTS.find((address) => address !== dead)!;
  mesh.pass(udpFrame({ ...TO_VIP, sourcePort: 40001 }));
  mesh.pass(udpFrame({ ...TO_VIP, sourcePort: 40002 }));
  mesh.configure([service(VIP, [endpoint(left)])]);
  t.is(decode(mesh.pass(udpFrame(TO_VIP))).to, parseIpv4(left));
  t.is(mesh.send(udpFrame({ from: dead, to: BALANCER, sourcePort: 53, destinationPort: 40002 })), undefined);
  t.is(mesh.count('droppedEndpointGone'), 1);
});

test('a VIP that is gone: a connection gets a RST, a datagram nothing; an unchanged flow goes on over any number of epochs', (t) => {
  const mesh = new Mesh();
  connect(mesh);
  mesh.pass(udpFrame(TO_VIP));
  for (let i = 0; i < 5; i++) mesh.apply(PLAIN.networks[0]!.services);
  t.is(decode(mesh.pass(tcpFrame(TO_VIP))).from, parseIpv4(BALANCER));
  mesh.configure([]);
  t.is(mesh.send(tcpFrame({ ...TO_VIP, ack: 2005 })), undefined);
  t.like(decode(mesh.takeEmitted()[0]!), { flags: RST | ACK, seq: 2005, to: parseIpv4(CLIENT) });
  t.is(mesh.send(udpFrame(TO_VIP)), undefined);
  t.is(mesh.count('droppedUnknownDestination'), 1);
  t.is(mesh.table.size, 0);
});

test('an address that moves to the balancer keeps flows translatable', (t) => {
  const mesh = new Mesh();
  connect(mesh);
  const moved = '10.0.1.251';
  mesh.pipeline.configure({ epoch: 9, networks: [{ ...PLAIN.networks[0]!, balancer: parseIpv4(moved) }] });
  const out = mesh.pass(tcpFrame(TO_VIP));
  t.is(decode(out).from, parseIpv4(moved));
  t.is(checksumFault(out), undefined);
});

test('a new SYN on a flow that is over is a new connection with a new choice', (t) => {
  const mesh = new Mesh();
  const flow = connect(mesh);
  mesh.pass(tcpFrame({ ...TO_VIP, flags: 'RA' }));
  const out = decode(mesh.pass(tcpFrame({ ...TO_VIP, flags: 'S' })));
  t.not(out.to, parseIpv4(flow.endpoint));
  t.is(out.flags, SYN);
  t.deepEqual([mesh.table.size, mesh.count('flowsOpened')], [1, 2]);
});

test('a SYN on a flow that is established goes to its endpoint, who knows what to do', (t) => {
  const mesh = new Mesh();
  const flow = connect(mesh);
  t.is(decode(mesh.pass(tcpFrame({ ...TO_VIP, flags: 'S' }))).to, parseIpv4(flow.endpoint));
});

test('flags pass through', (t) => {
  const mesh = new Mesh();
  connect(mesh);
  t.is(decode(mesh.pass(tcpFrame({ ...TO_VIP, flags: 'FA' }))).flags, FIN | ACK);
});

test('ICMP that is neither echo request nor error is dropped, as is all ICMP to others', (t) => {
  const mesh = new Mesh();
  t.is(mesh.send(icmpFrame(TO_VIP, Buffer.from([13, 0, 0, 0, 0, 0, 0, 0]))), undefined);
  t.is(mesh.send(echoFrame({ from: CLIENT, to: '10.0.1.77' })), undefined);
  t.deepEqual([mesh.count('droppedIcmpUnsupported'), mesh.count('droppedUnknownDestination')], [1, 1]);
});

test('a full table: flows that are over or never opened give way first, of established ones only the one idle for longest', (t) => {
  const mesh = new Mesh({ maxFlows: 4 });
  for (const port of [1, 2, 3]) connect(mesh, TO_VIP, port);
  mesh.wait(5000);
  mesh.pass(tcpFrame({ ...TO_VIP, sourcePort: 4, flags: 'S' }));
  mesh.wait(5000);
  mesh.pass(tcpFrame({ ...TO_VIP, sourcePort: 5, flags: 'S' }));
  t.deepEqual([mesh.table.size, mesh.count('flowsEvicted')], [4, 1], '4 gave way to 5');
  connect(mesh, TO_VIP, 6);
  t.is(mesh.count('flowsEvicted'), 2);
  mesh.wait(5000);
  for (const port of [1, 3, 6]) mesh.pass(tcpFrame({ ...TO_VIP, sourcePort: port }));
  connect(mesh, TO_VIP, 7);
  t.is(mesh.count('flowsEvicted'), 3);
  const alive = [1, 2, 3, 6, 7].filter((port) => (decode(mesh.pass(tcpFrame({ ...TO_VIP, sourcePort: port }))).flags & RST) === 0);
  t.deepEqual(alive, [1, 3, 6, 7]);
  mesh.pass(tcpFrame({ ...TO_VIP, sourcePort: 3, flags: 'RA' }));
  mesh.pass(tcpFrame({ ...TO_VIP, sourcePort: 8, flags: 'S' }));
  t.is(decode(mesh.pass(tcpFrame({ ...TO_VIP, sourcePort: 3 }))).flags & RST, RST, 'the closed one gave way');
  t.deepEqual([mesh.count('flowsEvicted'), mesh.count('droppedTableFull')], [4, 0]);
  t.is(mesh.unaccounted(), 0);
});

test('port exhaustion: each port once, then a drop with its own counter, and again once a flow has ended', (t) => {
  const mesh = new Mesh({ maxFlows: 70_000, config: { ...PLAIN, networks: [{ ...PLAIN.networks[0]!, services: [service(VIP, [endpoint(ENDPOINTS[0])])] }] } });
  const ports = new Set<number>();
  // Clients with one port each, so all but the first need one of the pool's 64,512.
  for (let i = 0; i < 64_512; i++) ports.add(decode(mesh.pass(udpFrame({ from: `10.7.${i >> 8}.${i & 255}`, to: VIP, sourcePort: 2000 }))).sourcePort);
  t.is(ports.size, 64_512);
  t.is(mesh.send(udpFrame({ from: CLIENT, to: VIP, sourcePort: 2000 })), undefined);
  t.is(mesh.send(udpFrame({ from: CLIENT, to: VIP, sourcePort: 2000 })), undefined);
  t.is(mesh.count('droppedPortExhausted'), 2);
  t.truthy(mesh.send(udpFrame({ from: CLIENT, to: VIP, destinationPort: 54 })), 'another port of the endpoint is another space');
  t.truthy(mesh.send(udpFrame({ from: CLIENT, to: VIP, sourcePort: 1000 })), 'its own port below the pool is free');
  mesh.wait(121_000);
  t.is(mesh.count('flowsEvicted'), 0);
  t.truthy(mesh.send(udpFrame({ from: CLIENT, to: VIP, sourcePort: 2000 })), 'one that was silent for two minutes gives its port away');
  t.deepEqual([mesh.count('flowsEvicted'), mesh.unaccounted()], [1, 0]);
});

test('SYNs that nobody follows up do not shut an endpoint: one of them gives its port to the next connection', (t) => {
  const mesh = new Mesh({ maxFlows: 70_000, config: { ...PLAIN, networks: [{ ...PLAIN.networks[0]!, services: [service(VIP, [endpoint(ENDPOINTS[0])])] }] } });
  for (let i = 0; i < 64_512; i++) mesh.pass(tcpFrame({ from: `10.7.${i >> 8}.${i & 255}`, to: VIP, sourcePort: 2000, flags: 'S' }));
  for (let client = 1; client < 200; client++) mesh.pass(tcpFrame({ from: `10.8.0.${client}`, to: VIP, sourcePort: 2000, flags: 'S' }));
  t.deepEqual([mesh.count('flowsEvicted'), mesh.count('droppedPortExhausted'), mesh.table.size, mesh.unaccounted()], [199, 0, 64_512, 0]);
  t.is(mesh.stats.active(65_536), 64_512, "the endpoint's count follows");
});
