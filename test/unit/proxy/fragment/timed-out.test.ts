/** What a reassembler tells of datagrams that were not whole in time. */
import test from 'ava';
import { Reassembler } from '../../../../proxy/fragment/reassembler.js';
import { makeFrame } from '../../../../proxy/wire/frame.js';
import { parse, Parsed } from '../../../../proxy/wire/parsed.js';
import { cut } from '../../../support/fragments.js';
import { DESTINATION_OPTIONS, type Extension, HOP_BY_HOP, udpFrame } from '../../../support/packets.js';

const payload = Buffer.from(Array.from({ length: 9000 }, (_, i) => (i * 11) & 255));
const PAD = Buffer.from([1, 4, 0, 0, 0, 0]);
const HOP: Extension = [HOP_BY_HOP, PAD];
const OPTIONS: Extension = [DESTINATION_OPTIONS, PAD];

const DATAGRAMS: readonly (readonly [string, Buffer, number])[] = [
  ['IPv4', udpFrame({ from: '10.0.1.9', to: '10.0.1.2', payload }), 0],
  ['IPv4 with options', udpFrame({ from: '10.0.1.9', to: '10.0.1.2', payload, ipOptions: Buffer.from([1, 1, 1, 0]) }), 0],
  ['IPv6', udpFrame({ from: 'fd00::9', to: 'fd00::2', payload }), 0],
  ['IPv6 with extension headers', udpFrame({ from: 'fd00::9', to: 'fd00::2', payload, extensions: [HOP, OPTIONS] }), 8],
];

for (const [name, datagram, repeated] of DATAGRAMS) {
  test(`${name}: who is told gets the first fragment as it came, if it came`, (t) => {
    const told: (readonly [number, string])[] = [];
    const reassembler = new Reassembler({
      count: () => undefined,
      timeoutMs: 5000,
      timedOut: (network, { bytes }, length) => {
        told.push([network, Buffer.from(bytes.subarray(0, length)).toString('hex')]);
        // It may be changed; what is held is not.
        bytes.fill(0xdd);
      },
    });
    const before = reassembler.available;
    const frame = makeFrame();
    const packet = new Parsed();
    const add = (bytes: Buffer, network: number, nowMs: number): number => {
      frame.bytes.fill(0xee).set(bytes);
      parse(frame, bytes.length, packet);
      return reassembler.add(frame, packet, network, nowMs);
    };
    // A large one, which takes several chunks, and a small one.
    const large = cut(datagram, { at: [4000, 8000], id: 1, repeated });
    const small = cut(datagram, { at: [1400, 8000], id: 2, repeated });
    const late = cut(datagram, { at: [1400, 8000], id: 3, repeated });
    add(large[1]!, 7, 0);
    add(large[0]!, 7, 10);
    add(small[0]!, 65_535, 0);
    add(late[1]!, 7, 0);
    reassembler.expire(4999);
    t.deepEqual(told, []);
    reassembler.expire(5000);
    t.deepEqual(told, [[7, large[0]!.toString('hex')], [65_535, small[0]!.toString('hex')]]);
    t.is(reassembler.available, before);
    t.is(large.map((fragment) => add(fragment, 7, 5000)).filter((length) => length > 0).length, 1);
    reassembler.expire(20_000);
    t.is(told.length, 2, 'what is whole is nothing to tell of');
  });
}
