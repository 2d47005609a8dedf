/** Fragmented datagrams through a VIP: put together, translated as one, and cut again where no router would. */
import test from 'ava';
import fc from 'fast-check';
import { IPV4, IPV6, Mesh, MTU } from '../../../support/mesh.js';
import { checksumFault, decode, FRAGMENT, udpFrame, VNET } from '../../../support/packets.js';

const payload = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7) & 255));

/** Cuts a frame's IPv4 packet into parts of `size` bytes of payload. */
function cut4(frame: Buffer, size: number): Buffer[] {
  const header = frame.subarray(VNET, VNET + 20);
  const body = frame.subarray(VNET + 20);
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const part = Buffer.concat([Buffer.alloc(VNET), header, body.subarray(at, at + size)]);
    const ip = part.subarray(VNET, VNET + 20);
    ip.writeUInt16BE(part.length - VNET, 2);
    ip.writeUInt16BE((at / 8) | (at + size < body.length ? 0x2000 : 0), 6);
    ip.writeUInt16BE(0, 10);
    let sum = 0;
    for (let i = 0; i < 20; i += 2) sum += ip.readUInt16BE(i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    ip.writeUInt16BE(~sum & 0xffff, 10);
    parts.push(part);
  }
  return parts;
}

function cut6(frame: Buffer, size: number): Buffer[] {
  const header = frame.subarray(VNET, VNET + 40);
  const body = frame.subarray(VNET + 40);
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const fragment = Buffer.from([17, 0, 0, 0, 0, 0, 0, 99]);
    fragment.writeUInt16BE(at | (at + size < body.length ? 1 : 0), 2);
    const part = Buffer.concat([Buffer.alloc(VNET), header, fragment, body.subarray(at, at + size)]);
    part.writeUInt16BE(part.length - VNET - 40, VNET + 4);
    part[VNET + 6] = FRAGMENT;
    parts.push(part);
  }
  return parts;
}

test('IPv4: a datagram in any order comes out whole, translated, and free to be cut by the next router', (t) => {
  fc.assert(
    fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }), fc.constantFrom(1000, 1480), (order, size) => {
      const mesh = new Mesh();
      const parts = cut4(udpFrame({ from: IPV4.client, to: IPV4.vip, payload }), size);
      const outs = order.filter((i) => i < parts.length).map((i) => mesh.send(parts[i]!));
      t.deepEqual(outs.slice(0, -1).filter((out) => out !== undefined), []);
      const whole = outs.at(-1)!;
      t.is(checksumFault(whole), undefined);
      t.is(whole.readUInt16BE(VNET + 6), 0, 'no DF, no offset');
      t.deepEqual(decode(whole).l4.subarray(8), payload);
      t.is(decode(whole).fromText, IPV4.balancer);
      t.is(mesh.count('heldFragments'), parts.length - 1);
      t.is(mesh.unaccounted(), 0);
    }),
    { numRuns: 40 },
  );
});

test('IPv6: what was cut for a path narrower than the network stays cut', (t) => {
  const mesh = new Mesh();
  const body = payload.subarray(0, 1390);
  for (const part of cut6(udpFrame({ from: IPV6.client, to: IPV6.vip, payload: body }), 1200)) t.is(mesh.send(part), undefined);
  const out = mesh.takeEmitted();
  t.deepEqual(out.map((frame) => [frame.length - VNET <= 1280, frame[VNET + 6], frame.readUInt16LE(4)]), [[true, FRAGMENT, 0], [true, FRAGMENT, 0]]);
  t.deepEqual(Buffer.concat(out.map((frame) => frame.subarray(VNET + 48))).subarray(8), body);
});

test('IPv6: a datagram in any order is translated and cut to what fits the network, there and back', (t) => {
  for (const size of [1000, 1400]) {
    const mesh = new Mesh();
    const deliver = (parts: readonly Buffer[]): Buffer => {
      for (const part of parts) t.is(mesh.send(part), undefined);
      const out = mesh.takeEmitted();
      t.true(out.length > 1 && out.every((frame) => frame.length - VNET <= MTU));
      for (const frame of out) t.is(frame[VNET + 6], FRAGMENT);
      return Buffer.concat(out.map((frame) => frame.subarray(VNET + 48)));
    };
    const there = deliver(cut6(udpFrame({ from: IPV6.client, to: IPV6.vip, payload }), size).reverse());
    t.deepEqual(there.subarray(8), payload);
    t.deepEqual([there.readUInt16BE(0), there.readUInt16BE(2)], [40000, 53]);
    const reader = mesh.reader.list(mesh.config)[0]!;
    const endpoint = reader.endpoint.slice(1, reader.endpoint.indexOf(']'));
    const back = deliver(cut6(udpFrame({ from: endpoint, to: IPV6.balancer, sourcePort: 53, destinationPort: 40000, payload }), size));
    t.deepEqual([back.readUInt16BE(0), back.readUInt16BE(2)], [53, 40000]);
    t.is(mesh.unaccounted(), 0);
  }
});

test('fragments are the first worker’s to put together, and the datagram its owner’s', (t) => {
  const [first, second] = [0, 1].map((index) => new Mesh({ worker: { index, count: 2 } }));
  const parts = cut4(udpFrame({ from: IPV4.client, to: IPV4.vip, sourcePort: 40_002, payload }), 1480);
  t.is(second!.process(parts[0]!), -1);
  for (const part of parts.slice(0, -1)) t.is(first!.process(part), 0);
  t.is(first!.process(parts.at(-1)!), -2, 'port 40002 is worker 1’s');
  const whole = Buffer.from(first!.frame.bytes.subarray(0, first!.pipeline.handOverLength));
  t.deepEqual(decode(second!.pass(whole)).l4.subarray(8), payload);
});

test('a datagram that never becomes whole is forgotten after its time', (t) => {
  const mesh = new Mesh();
  const parts = cut4(udpFrame({ from: IPV4.client, to: IPV4.vip, payload }), 1480);
  for (const part of parts.slice(1)) mesh.send(part);
  mesh.wait(61_000);
  t.is(mesh.send(parts[0]!), undefined);
  t.is(mesh.table.size, 0);
});
