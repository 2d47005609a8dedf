import test from 'ava';
import { Counter } from '../../../../proxy/dataplane/counters.js';
import { parse, Parsed, Reason, REASONS } from '../../../../proxy/wire/parsed.js';
import { makeFrame } from '../../../../proxy/wire/frame.js';
import { parseIpv4 } from '../../../../proxy/net/addr.js';
import { echoFrame, frameOf, tcpFrame, udpFrame, VNET } from '../../../support/packets.js';

const A = { from: '10.0.1.9', to: '10.0.1.2' };

function reasonOf(bytes: Uint8Array, length = bytes.length): string {
  const reason = parse(frameOf(bytes), length, new Parsed());
  return Object.entries(Reason).find(([, value]) => value === reason)?.[0] ?? `unknown reason ${reason}`;
}

function changed(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[VNET + at] = value;
  return copy;
}

test('a TCP segment with IP and TCP options and payload', (t) => {
  const packet = new Parsed();
  const bytes = tcpFrame({ ...A, flags: 'AP', ipOptions: Buffer.from([1, 1, 1, 0]), tcpOptions: Buffer.alloc(12, 1), payload: Buffer.alloc(5), partial: true });
  t.is(parse(frameOf(bytes), bytes.length, packet), Reason.ok);
  t.like(packet, {
    totalLength: 24 + 32 + 5,
    protocol: 6,
    source: parseIpv4(A.from),
    destination: parseIpv4(A.to),
    l4: VNET + 24,
    l4Length: 37,
    needsChecksum: true,
    sourcePort: 40000,
    destinationPort: 80,
    flags: 0x18,
    payloadLength: 5,
  });
});

test('the largest packet', (t) => {
  const bytes = tcpFrame({ ...A, payload: Buffer.alloc(65_535 - 40), partial: true, gso: [1, 1400] });
  const packet = new Parsed();
  t.is(parse(frameOf(bytes), bytes.length, packet), Reason.ok);
  t.is(packet.totalLength, 65_535);
});

test('each fault has its reason', (t) => {
  const tcp = tcpFrame(A);
  const udp = udpFrame({ ...A, payload: Buffer.alloc(3) });
  t.is(reasonOf(changed(tcp, 0, 0x55)), 'notIp');
  t.is(reasonOf(changed(tcp, 0, 0x44)), 'badHeaderLength');
  t.is(reasonOf(changed(tcp, 3, 39)), 'badTotalLength');
  t.is(reasonOf(changed(tcp, 3, 41)), 'truncated');
  t.is(reasonOf(Buffer.concat([tcp, Buffer.alloc(1)])), 'badTotalLength', 'a frame longer than its packet');
  t.is(reasonOf(changed(tcp, 6, 0x20)), 'fragment', 'a first fragment');
  t.is(reasonOf(changed(tcp, 7, 1)), 'fragment', 'a later one');
  t.is(reasonOf(tcpFrame({ from: A.to, to: A.to })), 'land');
  t.is(reasonOf(changed(tcp, 32, 0x40)), 'badTcp', 'data offset below 5');
  t.is(reasonOf(changed(tcp, 32, 0x60)), 'badTcp', 'data offset beyond the packet');
  for (const flags of ['SF', 'SR', 'SFA', '', 'F', 'FP']) t.is(reasonOf(tcpFrame({ ...A, flags })), 'badTcpFlags', flags);
  for (const flags of ['S', 'SA', 'A', 'FA', 'R', 'RA', 'AP']) t.is(reasonOf(tcpFrame({ ...A, flags })), 'ok', flags);
  t.is(reasonOf(tcpFrame({ ...A, sourcePort: 0 })), 'badPort');
  t.is(reasonOf(udpFrame({ ...A, destinationPort: 0 })), 'badPort');
  t.is(reasonOf(changed(udp, 25, 7)), 'badUdp');
  t.is(reasonOf(changed(udp, 25, 12)), 'badUdp', 'longer than the packet');
  t.is(reasonOf(changed(udp, 9, 47)), 'unsupportedProtocol');
  const shortIcmp = echoFrame(A, Buffer.alloc(0)).subarray(0, VNET + 27);
  shortIcmp[VNET + 3] = 27;
  t.is(reasonOf(shortIcmp), 'badIcmp');
});

test('a virtio header that does not fit the packet is refused', (t) => {
  const partial = tcpFrame({ ...A, partial: true });
  for (const [at, value] of [[6, 24], [8, 6]] as const) {
    const bytes = Buffer.from(partial);
    bytes[at] = value;
    t.is(reasonOf(bytes), 'badVirtioHeader');
  }
  t.is(reasonOf(tcpFrame({ ...A, partial: true, gso: [5, 1400] })), 'badVirtioHeader', 'USO on TCP');
  t.is(reasonOf(udpFrame({ ...A, partial: true, gso: [1, 1400] })), 'badVirtioHeader', 'TSO on UDP');
  t.is(reasonOf(tcpFrame({ ...A, partial: true, gso: [0x81, 1400] })), 'ok', 'TSO with ECN');
  t.is(reasonOf(udpFrame({ ...A, partial: true, gso: [5, 1400] })), 'ok');
});

test('truncated at every byte, every packet is refused', (t) => {
  for (const bytes of [tcpFrame({ ...A, payload: Buffer.alloc(9) }), udpFrame({ ...A, payload: Buffer.alloc(9) }), echoFrame(A)]) {
    for (let length = 0; length < bytes.length; length++) t.not(reasonOf(bytes.subarray(0, length), length), 'ok', `${length} bytes`);
    t.is(reasonOf(bytes), 'ok');
  }
});

test('a length beyond the buffer is refused', (t) => {
  const frame = makeFrame(new Uint8Array(100));
  t.is(parse(frame, 101, new Parsed()), Reason.truncated);
});

test('each reason has the counter of its name', (t) => {
  const name = (reason: string): string => `dropped${reason[0]?.toUpperCase()}${reason.slice(1)}`;
  const counters: Record<string, number> = Counter;
  for (const [reason, value] of Object.entries(Reason)) {
    if (value !== Reason.ok && value !== Reason.fragment) t.is(counters[name(reason)], Counter.droppedTruncated + value - 1, reason);
  }
  t.is(Object.keys(Reason).length, REASONS);
  t.deepEqual(Object.values(Counter), Object.keys(Counter).map((_, i) => i as never), 'indexes are dense');
});
