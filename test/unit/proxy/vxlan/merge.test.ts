import test from 'ava';
import fc from 'fast-check';
import { checksumFault, decode, type TcpFields, tcpFrame, udpFrame } from '../../../support/packets.js';
import { arrive, cutOf, frameIn, HERE, HERE6, THERE, THERE6 } from './fabric.js';

const OPTIONS = Buffer.from('0101080a0000000100000002', 'hex');
const FAMILIES = [
  { name: 'IPv4', addresses: { from: HERE, to: THERE }, gso: 1 },
  { name: 'IPv6', addresses: { from: HERE6, to: THERE6 }, gso: 4 },
] as const;
const NEEDS_CSUM = 1;
const DATA_VALID = 2;

for (const { name, addresses, gso } of FAMILIES) {
  const superPacket = (fields: Partial<TcpFields>, size: number): Buffer => {
    const frame = tcpFrame({ ...addresses, tcpOptions: OPTIONS, ...fields, partial: true, gso: [gso, size] });
    // As the kernel has it, and we.
    frame.writeUInt16LE(frame.readUInt16LE(6) + 32, 2);
    return frame;
  };

  test(`${name}: to cut and to merge is to have done nothing`, (t) => {
    fc.assert(
      fc.property(fc.integer({ min: 41, max: 1300 }), fc.integer({ min: 2, max: 5 }), fc.nat(1000), fc.nat(0xffffffff), fc.constantFrom('A', 'AP', 'AF'), (size, count, rest, seq, flags) => {
        const payload = Buffer.from(Array.from({ length: size * (count - 1) + 1 + (rest % size) }, (_, i) => (i * 31 + rest) & 255));
        const frame = superPacket({ payload, seq, flags }, size);
        const { frames, verdicts } = arrive(cutOf(frame)!);
        t.true(verdicts.every((verdict) => verdict === 0));
        t.deepEqual(frames, [frame]);
      }),
      { numRuns: 50 },
    );
  });

  test(`${name}: what came together is cut again into just what came`, (t) => {
    fc.assert(
      fc.property(fc.array(fc.record({ length: fc.constantFrom(0, 99, 100, 100, 100, 101), gap: fc.constantFrom(0, 0, 0, 0, 5), flags: fc.constantFrom('A', 'A', 'A', 'AP', 'AF', 'AR'), ack: fc.constantFrom(7, 7, 7, 8) }), { maxLength: 12 }), (segments) => {
        let seq = 0xffffff00;
        const came = segments.flatMap(({ length, gap, flags, ack }) => {
          const frame = tcpFrame({ ...addresses, payload: Buffer.alloc(length, 'p'), seq: (seq + gap) >>> 0, ack, flags });
          seq += gap + length;
          return cutOf(frame)!;
        });
        // Of equal identifications the cut makes others; so does any that follows.
        const bare = (datagram: Buffer): string => {
          const { flags, seq: number, ack, l4 } = decode(frameIn(datagram));
          return [flags, number, ack, l4.length].join();
        };
        const { frames } = arrive(came);
        for (const frame of frames) t.is(checksumFault(frame), undefined);
        t.deepEqual(frames.flatMap((frame) => cutOf(frame)!).map(bare), came.map(bare));
      }),
      { numRuns: 100 },
    );
  });

  test(`${name}: what differs in anything but its place stays apart`, (t) => {
    const at = (i: number, fields: Partial<TcpFields> = {}): Buffer => tcpFrame({ ...addresses, payload: Buffer.alloc(100, 'p'), seq: 1000 + i * 100, tcpOptions: OPTIONS, ...fields });
    const count = (...frames: Buffer[]): number => arrive(frames.flatMap((frame) => cutOf(frame)!)).frames.length;
    t.is(count(at(0), at(1), at(2)), 1);
    t.is(count(at(0), at(2)), 2, 'a gap');
    t.is(count(at(0), at(0)), 2, 'the same again');
    t.is(count(at(0), at(1, { ack: 9 })), 2, 'another acknowledgement');
    t.is(count(at(0), at(1, { sourcePort: 5 })), 2, 'another flow');
    t.is(count(at(0), at(1, { ttl: 9 })), 2, 'another TTL');
    t.is(count(at(0), at(1, { tcpOptions: Buffer.from('0101080a0000000200000002', 'hex') })), 2, 'another time stamp');
    t.is(count(at(0), at(1, { payload: Buffer.alloc(101) })), 2, 'longer than the first');
    t.is(count(at(0), at(1, { payload: Buffer.alloc(50) }), tcpFrame({ ...addresses, payload: Buffer.alloc(100), seq: 1150, tcpOptions: OPTIONS })), 2, 'a short one is the last');
    t.is(count(at(0, { flags: 'AP' }), at(1)), 2, 'PSH is the last');
    t.is(count(at(0), at(1, { flags: 'SA' })), 2, 'a SYN');
    t.is(count(at(0), at(1, { flags: 'AR' })), 2, 'a RST');
    const window = at(1);
    window.writeUInt16BE(5, window.length - 100 - 32 + 14);
    t.is(count(at(0), window), 2, 'another window; also a wrong checksum');
  });

  test(`${name}: a checksum is verified, or left as it is`, (t) => {
    const right = tcpFrame({ ...addresses, payload: Buffer.from('data') });
    const wrong = Buffer.from(right);
    wrong[wrong.length - 1]! ^= 1;
    const [good, bad] = arrive([...cutOf(right)!, ...cutOf(wrong)!]).frames as [Buffer, Buffer];
    t.deepEqual([good[0], good[1]], [DATA_VALID, 0]);
    t.deepEqual(bad, wrong, 'the receiver is to see it');
  });

  test(`${name}: what a kernel's device on this machine has left for others to do is done`, (t) => {
    // No header of ours was written by cutting: the field is the pseudo-header's sum still.
    const raw = (frame: Buffer): Buffer => Buffer.concat([cutOf(tcpFrame({ ...addresses }))![0]!.subarray(0, 22), frame.subarray(10)]);
    for (const frame of [tcpFrame({ ...addresses, payload: Buffer.from('data'), partial: true }), udpFrame({ ...addresses, payload: Buffer.from('data'), partial: true })]) {
      t.deepEqual(arrive([raw(frame)]).frames, [frame]);
    }
    const [uncut] = arrive([raw(tcpFrame({ ...addresses, payload: Buffer.alloc(20_000), partial: true }))]).frames as [Buffer];
    t.deepEqual([uncut[0], uncut[1], uncut.readUInt16LE(4)], [NEEDS_CSUM, gso, 1450 - (name === 'IPv4' ? 40 : 60)]);
    t.is(checksumFault(uncut), undefined);
    t.is(Buffer.concat(cutOf(uncut)!.map((datagram) => decode(frameIn(datagram)).l4.subarray(20))).length, 20_000);
  });

  test(`${name}: UDP goes on as it is`, (t) => {
    const frame = udpFrame({ ...addresses, payload: Buffer.alloc(1000, 'u') });
    t.deepEqual(arrive([...cutOf(frame)!, ...cutOf(frame)!]).frames, [frame, frame]);
  });
}

test('IPv4 identifications may all be the same, with DF, but not without, nor jump', (t) => {
  const numbered = (i: number, id: number, df: boolean): Buffer => {
    const frame = tcpFrame({ from: HERE, to: THERE, payload: Buffer.alloc(100), seq: 1000 + 100 * i });
    const [wasId, wasFragment] = [frame.readUInt16BE(14), frame.readUInt16BE(16)];
    frame.writeUInt16BE(id, 14);
    frame.writeUInt16BE(df ? 0x4000 : 0, 16);
    const sum = (~frame.readUInt16BE(20) & 0xffff) + (~wasId & 0xffff) + id + (~wasFragment & 0xffff) + (df ? 0x4000 : 0);
    const once = (sum & 0xffff) + (sum >>> 16);
    frame.writeUInt16BE(~((once & 0xffff) + (once >>> 16)) & 0xffff, 20);
    return frame;
  };
  const count = (df: boolean, ...ids: number[]): number => {
    const { verdicts, frames } = arrive(ids.flatMap((id, i) => cutOf(numbered(i, id, df))!));
    t.true(verdicts.every((verdict) => verdict === 0));
    return frames.length;
  };
  t.is(count(true, 7, 7, 7), 1);
  t.is(count(true, 0xffff, 0, 1), 1);
  t.is(count(false, 7, 8, 9), 1);
  t.is(count(false, 7, 7), 2);
  t.is(count(true, 7, 9), 2);
  t.is(count(true, 7, 7, 8), 2);
});

test('no super-packet is larger than IPv4 can say', (t) => {
  const frames = Array.from({ length: 60 }, (_, i) => tcpFrame({ from: HERE, to: THERE, payload: Buffer.alloc(1400), seq: i * 1400 }));
  const merged = arrive(frames.flatMap((frame) => cutOf(frame)!)).frames;
  // All have one identification: with DF that is one packet of 46 segments, and the rest.
  t.deepEqual(merged.map(({ length }) => length), [10 + 40 + 46 * 1400, 10 + 40 + 14 * 1400]);
});
