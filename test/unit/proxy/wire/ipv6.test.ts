import test from 'ava';
import { makeFrame } from '../../../../proxy/wire/frame.js';
import { canAnswer6, writeIpv6 } from '../../../../proxy/wire/ipv6.js';
import { parse, Parsed, Reason } from '../../../../proxy/wire/parsed.js';
import {
  DESTINATION_OPTIONS,
  echoFrame,
  errorFrame,
  type Extension,
  FRAGMENT,
  frameOf,
  HOP_BY_HOP,
  naiveSum,
  ROUTING,
  tcpFrame,
  udpFrame,
  VNET,
} from '../../../support/packets.js';

const A = { from: 'fd00::9', to: 'fd00::2' };
/** Of 8, 16 and 264 bytes. */
const PAD: Uint8Array = Buffer.from([1, 4, 0, 0, 0, 0]);
const PAD_16: Uint8Array = Buffer.from([1, 12, ...Buffer.alloc(12)]);
const ROUTE: Uint8Array = Buffer.from([4, 0, 0, 0, 0, 0]);
const OPTIONS: Extension = [DESTINATION_OPTIONS, PAD];

function reasonOf(bytes: Uint8Array, length = bytes.length): string {
  const reason = parse(frameOf(bytes), length, new Parsed());
  return Object.entries(Reason).find(([, value]) => value === reason)?.[0] ?? `unknown reason ${reason}`;
}

function parsed(bytes: Uint8Array): Parsed {
  const packet = new Parsed();
  parse(frameOf(bytes), bytes.length, packet);
  return packet;
}

function changed(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[VNET + at] = value;
  return copy;
}

test('a TCP segment with options and payload, left to the kernel to finish', (t) => {
  const bytes = tcpFrame({ ...A, flags: 'AP', tcpOptions: Buffer.alloc(12, 1), payload: Buffer.alloc(5), partial: true, gso: [0x84, 1400] });
  t.is(reasonOf(bytes), 'ok');
  t.like(parsed(bytes), {
    family: 6,
    totalLength: 40 + 32 + 5,
    protocol: 6,
    ttl: 63,
    source: 0,
    destination: 0,
    headersLength: 40,
    l4: VNET + 40,
    l4Length: 37,
    needsChecksum: true,
    gso: 4,
    sourcePort: 40000,
    destinationPort: 80,
    flags: 0x18,
    payloadLength: 5,
  });
});

test('extension headers are stepped over, and the virtio header counts them', (t) => {
  const extensions: Extension[] = [[HOP_BY_HOP, PAD], [DESTINATION_OPTIONS, PAD_16], [ROUTING, ROUTE], OPTIONS];
  const bytes = udpFrame({ ...A, extensions, payload: Buffer.from('odd'), partial: true, gso: [5, 1400] });
  t.is(reasonOf(bytes), 'ok');
  t.like(parsed(bytes), { protocol: 17, headersLength: 80, l4: VNET + 80, l4Length: 11, totalLength: 91, gso: 5 });
});

test('echoes have their identifier where others have the port of whoever asks', (t) => {
  t.like(parsed(echoFrame({ ...A, identifier: 7 })), { protocol: 58, icmpType: 128, sourcePort: 7, destinationPort: 0 });
  t.like(parsed(echoFrame({ ...A, identifier: 7, reply: true })), { protocol: 58, icmpType: 129, sourcePort: 0, destinationPort: 7 });
  const v4 = { from: '10.0.1.9', to: '10.0.1.2' };
  t.like(parsed(echoFrame({ ...v4, identifier: 7 })), { protocol: 1, icmpType: 8, sourcePort: 7, destinationPort: 0 });
  t.like(parsed(echoFrame({ ...v4, identifier: 7, reply: true })), { protocol: 1, icmpType: 0, sourcePort: 0, destinationPort: 7 });
  t.like(parsed(errorFrame(A, 1, 4, 0, tcpFrame(A), 8)), { icmpType: 1, sourcePort: 0, destinationPort: 0 });
});

test('the largest packet: 65,535 bytes behind the header', (t) => {
  const bytes = tcpFrame({ ...A, payload: Buffer.alloc(65_535 - 20), partial: true, gso: [4, 1400] });
  t.is(reasonOf(bytes), 'ok');
  t.is(parsed(bytes).totalLength, 65_575);
});

test('each fault has its reason', (t) => {
  const tcp = tcpFrame(A);
  const udp = udpFrame({ ...A, payload: Buffer.alloc(3) });
  t.is(reasonOf(changed(tcp, 5, 19)), 'badTotalLength');
  t.is(reasonOf(changed(tcp, 5, 21)), 'truncated');
  t.is(reasonOf(changed(tcp, 7, 0)), 'badTtl');
  t.is(reasonOf(tcpFrame({ from: A.to, to: A.to })), 'land');
  t.is(reasonOf(tcpFrame({ from: '::2', to: A.to })), 'ok', 'one word of the addresses is not the address');
  t.is(reasonOf(changed(tcp, 52, 0x40)), 'badTcp');
  t.is(reasonOf(changed(tcp, 52, 0x60)), 'badTcp');
  t.is(reasonOf(tcpFrame({ ...A, flags: 'SF' })), 'badTcpFlags');
  t.is(reasonOf(tcpFrame({ ...A, sourcePort: 0 })), 'badPort');
  t.is(reasonOf(changed(udp, 45, 7)), 'badUdp');
  t.is(reasonOf(changed(udp, 45, 12)), 'badUdp');
  t.is(reasonOf(udpFrame({ ...A, noChecksum: true })), 'badUdp', 'no checksum');
  for (const protocol of [1, 47, 50, 51, 59, 135]) t.is(reasonOf(changed(udp, 6, protocol)), 'unsupportedProtocol', `${protocol}`);
  t.is(reasonOf(changed(echoFrame(A, Buffer.alloc(0)).subarray(0, VNET + 47), 5, 7)), 'badIcmp');
  t.is(reasonOf(tcpFrame({ from: '10.0.1.9', to: '10.0.1.2', ttl: 0 })), 'badTtl');
  t.is(reasonOf(changed(udpFrame({ from: '10.0.1.9', to: '10.0.1.2' }), 9, 58)), 'unsupportedProtocol', 'ICMPv6 in IPv4');
});

test('chains that no host makes are refused', (t) => {
  const many = (count: number): string => reasonOf(tcpFrame({ ...A, extensions: new Array<Extension>(count).fill(OPTIONS) }));
  t.deepEqual([many(8), many(9)], ['ok', 'badExtension']);
  const long = (bytes: number): string => reasonOf(tcpFrame({ ...A, extensions: [[DESTINATION_OPTIONS, Buffer.alloc(bytes - 2)]] }));
  t.deepEqual([long(256), long(264)], ['ok', 'badExtension']);
  t.is(reasonOf(tcpFrame({ ...A, extensions: [OPTIONS, [HOP_BY_HOP, PAD]] })), 'badExtension', 'Hop-by-Hop not first');
  t.is(reasonOf(tcpFrame({ ...A, extensions: [[HOP_BY_HOP, PAD], [HOP_BY_HOP, PAD]] })), 'badExtension', 'Hop-by-Hop twice');
  t.is(reasonOf(tcpFrame({ ...A, extensions: [[ROUTING, Buffer.from([4, 1, 0, 0, 0, 0])]] })), 'badExtension', 'segments left');
  const cut = tcpFrame({ ...A, extensions: [OPTIONS] });
  t.is(reasonOf(changed(cut, 41, 200)), 'badExtension', 'a header longer than the packet');
  t.is(reasonOf(changed(changed(cut, 40, DESTINATION_OPTIONS), 49, 4)), 'badExtension', 'the next one, too');
});

test('a fragment tells what it is a part of', (t) => {
  const header = (offset: number, more: boolean): Extension => [FRAGMENT, Buffer.from([offset >>> 8, (offset & 0xf8) | (more ? 1 : 0), 0xf0, 1, 2, 3])];
  const later = udpFrame({ ...A, extensions: [[HOP_BY_HOP, PAD], header(1448, true)], payload: Buffer.alloc(8) });
  t.is(reasonOf(later), 'fragment');
  t.like(parsed(later), {
    family: 6,
    totalLength: 40 + 8 + 8 + 16,
    protocol: 17,
    ttl: 63,
    headersLength: 56,
    l4: VNET + 56,
    l4Length: 16,
    fragmentOffset: 1448,
    moreFragments: true,
    fragmentId: 0xf0010203 | 0,
    fragmentHeader: VNET + 48,
    fragmentField: VNET + 40,
  });
  const atomic = udpFrame({ ...A, extensions: [header(0, false)] });
  t.is(reasonOf(atomic), 'fragment');
  t.like(parsed(atomic), { fragmentOffset: 0, moreFragments: false, fragmentField: VNET + 6 });
  const beforeOptions = udpFrame({ ...A, extensions: [header(0, true), OPTIONS] });
  t.like(parsed(beforeOptions), { protocol: DESTINATION_OPTIONS, l4Length: 16 });
  t.is(reasonOf(changed(Buffer.from(atomic.subarray(0, VNET + 47)), 5, 7)), 'badExtension', 'half a Fragment header');
});

test('a fragment of IPv4 does, too', (t) => {
  const bytes = udpFrame({ from: '10.0.1.9', to: '10.0.1.2', ipOptions: Buffer.from([1, 1, 1, 0]), payload: Buffer.alloc(8) });
  bytes.writeUInt16BE(0x2000 | (1480 / 8), VNET + 6);
  t.is(reasonOf(bytes), 'fragment');
  t.like(parsed(bytes), { family: 4, protocol: 17, headersLength: 24, l4: VNET + 24, l4Length: 16, fragmentOffset: 1480, moreFragments: true, fragmentId: 0x1234, fragmentHeader: 0 });
});

test('a virtio header that does not fit the packet is refused', (t) => {
  const partial = tcpFrame({ ...A, extensions: [OPTIONS], partial: true });
  for (const [at, value] of [[6, 40], [8, 6]] as const) {
    const bytes = Buffer.from(partial);
    bytes[at] = value;
    t.is(reasonOf(bytes), 'badVirtioHeader');
  }
  t.is(reasonOf(tcpFrame({ ...A, partial: true, gso: [1, 1400] })), 'badVirtioHeader', 'TSO of IPv4');
  t.is(reasonOf(tcpFrame({ from: '10.0.1.9', to: '10.0.1.2', partial: true, gso: [4, 1400] })), 'badVirtioHeader', 'TSO of IPv6 on IPv4');
  t.is(reasonOf(udpFrame({ ...A, partial: true, gso: [4, 1400] })), 'badVirtioHeader');
  t.is(reasonOf(udpFrame({ ...A, partial: true, gso: [3, 1400] })), 'badVirtioHeader', 'UFO');
});

test('truncated at every byte, every packet is refused', (t) => {
  const extensions: Extension[] = [[HOP_BY_HOP, PAD], OPTIONS];
  for (const bytes of [tcpFrame({ ...A, payload: Buffer.alloc(9) }), udpFrame({ ...A, extensions, payload: Buffer.alloc(9) }), echoFrame(A)]) {
    for (let length = 0; length < bytes.length; length++) {
      const cut = Buffer.from(bytes.subarray(0, length));
      t.not(reasonOf(cut), 'ok', `${length} bytes`);
      if (length < VNET + 40) continue;
      // As if it had been sent so short.
      cut.writeUInt16BE(length - VNET - 40, VNET + 4);
      const packet = new Parsed();
      if (parse(frameOf(cut), length, packet) === Reason.ok) t.is(packet.l4 + packet.l4Length, length);
    }
    t.is(reasonOf(bytes), 'ok');
  }
});

test('the packets of a Linux host are read, and their checksums are right by the sum of the tests', (t) => {
  // Captured on a veth: an echo request, and the first fragment of 3000 bytes of UDP.
  const echo = '600e5c7b00183a40fd000000000000000000000000000009fd000000000000000000000000000005800095ef003900012928036b00000000b6e00c0000000000';
  const bytes = Buffer.from('00'.repeat(VNET) + echo, 'hex');
  t.is(reasonOf(bytes), 'ok');
  t.like(parsed(bytes), { protocol: 58, icmpType: 128, ttl: 64, sourcePort: 0x39, l4Length: 24 });
  const pseudo = Buffer.concat([bytes.subarray(VNET + 8, VNET + 40), Buffer.from([0, 0, 0, 24, 0, 0, 0, 58])]);
  t.is(naiveSum(Buffer.concat([pseudo, bytes.subarray(VNET + 40)])), 0xffff);
  const head = '600f2e5105b02c40fd000000000000000000000000000009fd00000000000000000000000000000511000001956833cdb48100360bc057c5';
  const fragment = Buffer.concat([Buffer.alloc(VNET), Buffer.from(head, 'hex'), Buffer.alloc(1440, 0x78)]);
  t.is(reasonOf(fragment), 'fragment');
  t.like(parsed(fragment), { protocol: 17, fragmentOffset: 0, moreFragments: true, fragmentId: 0x956833cd | 0, l4Length: 1448 });
});

test('sources that nothing may be sent to', (t) => {
  const answerable = (from: string): boolean => canAnswer6(frameOf(udpFrame({ from, to: 'fd00::2' })), VNET);
  for (const from of ['fd00::9', '2001:db8::1', 'fe80::1', '::2', '1::', '0:1::', '0:0:1::', '0:0:0:0:1::', 'fe00::']) t.true(answerable(from), from);
  for (const from of ['::', '::1', 'ff02::1', 'ff00::']) t.false(answerable(from), from);
});

test('a header that we write', (t) => {
  const frame = makeFrame(new Uint8Array(60).fill(0xee));
  writeIpv6(frame, 10, 20, 6);
  t.is(Buffer.from(frame.bytes.subarray(10, 18)).toString('hex'), '6000000000140640');
  t.is(frame.bytes[18], 0xee, 'the addresses are not its own');
});
