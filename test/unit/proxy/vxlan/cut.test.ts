import test from 'ava';
import fc from 'fast-check';
import { checksumFault, decode, tcpFrame, udpFrame } from '../../../support/packets.js';
import { cutOf, frameIn, HERE, HERE6, THERE, THERE6 } from './fabric.js';

const TCPV4 = 1;
const TCPV6 = 4;
const USO = 5;
const OPTIONS = Buffer.from('0101080a0000000100000002', 'hex');

const FAMILIES = [
  { name: 'IPv4', addresses: { from: HERE, to: THERE }, gso: TCPV4 },
  { name: 'IPv6', addresses: { from: HERE6, to: THERE6 }, gso: TCPV6 },
] as const;

test('golden: a small packet is the headers of RFC 7348, and itself', (t) => {
  const frame = udpFrame({ from: HERE, to: THERE, sourcePort: 1, destinationPort: 2, payload: Buffer.from('hi') });
  const [datagram, ...others] = cutOf(frame)!;
  t.deepEqual(others, []);
  // Flags 08 and VNI 0x001001; to 02:42 and the peer's balancer address, from 02:42 and our own; IPv4.
  t.is(datagram!.subarray(0, 22).toString('hex'), '0800000000100100' + '02420a0001fb' + '02420a0001fa' + '0800');
  t.deepEqual(datagram!.subarray(22), frame.subarray(10));
});

test('golden: a super-packet of two segments', (t) => {
  const frame = tcpFrame({ from: HERE, to: THERE, sourcePort: 40_000, destinationPort: 80, seq: 0xfffffffe, ack: 1, flags: 'AP', payload: Buffer.from('abcde'), partial: true, gso: [TCPV4, 3] });
  const headers = '080000000010010002420a0001fb02420a0001fa0800';
  t.deepEqual(
    cutOf(frame)!.map((datagram) => datagram.toString('hex')),
    [
      // Length 43, identification 1234; sequence fffffffe, ACK alone.
      headers + '4500002b123440003f06138f' + '0a0001050a000106' + '9c400050' + 'fffffffe' + '00000001' + '5010faf0' + '3de30000' + '616263',
      // Length 42, identification 1235; sequence 1, ACK and PSH.
      headers + '4500002a123540003f06138f' + '0a0001050a000106' + '9c400050' + '00000001' + '00000001' + '5018faf0' + '9dd70000' + '6465',
    ],
  );
});

for (const { name, addresses, gso } of FAMILIES) {
  test(`${name}: every segment of a super-packet is right in itself, and their payloads are its own`, (t) => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 4000 }), fc.integer({ min: 40, max: 1500 }), fc.nat(0xffffffff), fc.constantFrom('A', 'AP', 'AF', 'APF'), (payload, size, seq, flags) => {
        const frame = tcpFrame({ ...addresses, payload, seq, flags, tcpOptions: OPTIONS, partial: true, gso: [gso, size] });
        const segments = cutOf(frame)!.map((datagram) => ({ frame: frameIn(datagram), ...decode(frameIn(datagram)) }));
        t.is(segments.length, Math.ceil(payload.length / size));
        for (const [i, segment] of segments.entries()) {
          t.is(checksumFault(segment.frame), undefined);
          t.is(segment.seq, (seq + i * size) % 2 ** 32);
          t.is(segment.flags, i === segments.length - 1 ? decode(frame).flags : 16);
          if (name === 'IPv4') t.is(segment.frame.readUInt16BE(14), 0x1234 + i);
        }
        t.deepEqual(Buffer.concat(segments.map(({ l4 }) => l4.subarray(32))), Buffer.from(payload));
      }),
      { numRuns: 50 },
    );
  });

  test(`${name}: a UDP super-packet becomes datagrams`, (t) => {
    const payload = Buffer.alloc(2500, 'x');
    const datagrams = cutOf(udpFrame({ ...addresses, payload, partial: true, gso: [USO, 1000] }))!.map(frameIn);
    t.deepEqual(datagrams.map((one) => decode(one).l4.readUInt16BE(4)), [1008, 1008, 508]);
    for (const one of datagrams) t.is(checksumFault(one), undefined);
    const short = cutOf(udpFrame({ ...addresses, payload: Buffer.from('0123456789'), partial: true, gso: [USO, 4] }))!.map(frameIn);
    t.deepEqual(short.map((one) => decode(one).l4.subarray(8).toString()), ['0123', '4567', '89'], 'all of it is less than a TCP header');
  });

  test(`${name}: a checksum that was left to us is worked out`, (t) => {
    for (const frame of [tcpFrame({ ...addresses, payload: Buffer.from('odd'), partial: true }), udpFrame({ ...addresses, payload: Buffer.from('even'), partial: true })]) {
      t.is(checksumFault(frameIn(cutOf(frame)![0]!)), undefined);
    }
  });
}

test('congestion experienced is told once: CWR is in the first segment alone', (t) => {
  const frame = tcpFrame({ from: HERE, to: THERE, payload: Buffer.alloc(300), partial: true, gso: [TCPV4 | 0x80, 100] });
  frame[10 + 20 + 13]! |= 0x80 | 0x40;
  t.deepEqual(cutOf(frame)!.map((datagram) => datagram[22 + 20 + 13]! & 0xc0), [0xc0, 0x40, 0x40]);
});

test('a UDP checksum that comes out as 0 is written as ffff', (t) => {
  // The payload is what makes the sum ffff.
  const fields = { from: HERE, to: THERE, sourcePort: 1, destinationPort: 2 };
  const without = udpFrame({ ...fields, payload: Buffer.alloc(2) });
  const frame = udpFrame({ ...fields, payload: without.subarray(10 + 26, 10 + 28), partial: true });
  t.is(cutOf(frame)![0]!.readUInt16BE(22 + 26), 0xffff);
});

test('orders that do not fit the packet are refused', (t) => {
  const frame = tcpFrame({ from: HERE, to: THERE, payload: Buffer.alloc(300), partial: true, gso: [TCPV4, 100] });
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(frame);
    copy.writeUInt16LE(value, at);
    return copy;
  };
  t.is(cutOf(frame)?.length, 3);
  t.is(cutOf(changed(4, 0)), undefined, 'pieces of nothing');
  t.is(cutOf(changed(4, 1))?.length, 300);
  t.is(cutOf(changed(6, 500)), undefined, 'a header beyond the end');
  t.is(cutOf(changed(6, 4)), undefined, 'a header in the header');
  const other = Buffer.from(frame);
  other[1] = TCPV6;
  t.is(cutOf(other), undefined, 'another family');
  const beyond = tcpFrame({ from: HERE, to: THERE, partial: true });
  beyond.writeUInt16LE(5000, 8);
  t.is(cutOf(beyond), undefined, 'a checksum beyond the end');
});
