import test from 'ava';
import { makeFrame } from '../../../../proxy/wire/frame.js';
import { buildReset } from '../../../../proxy/rewrite/reset.js';
import { replyReset } from '../../../../proxy/rewrite/reply.js';
import { parse, Parsed } from '../../../../proxy/wire/parsed.js';
import { Handles } from '../../../support/handles.js';
import { checksumFault, decode, frameOf, tcpFrame, type TcpFields, VNET } from '../../../support/packets.js';

const FAMILIES = [
  { family: 4, from: '10.0.1.250', to: '10.0.1.5', headers: 20 },
  { family: 6, from: 'fd00::fa', to: 'fd00::5', headers: 40 },
] as const;

for (const { family, from, to, headers } of FAMILIES) {
  test(`IPv${family}: a RST out of nothing, with and without ACK`, (t) => {
    const handles = new Handles();
    for (const [hasAck, flags, ack] of [[true, 0x14, 0xfffffffe], [false, 0x04, 0]] as const) {
      const frame = makeFrame(new Uint8Array(2000).fill(0xee));
      const length = buildReset(frame, handles.book, family, handles.of(from), handles.of(to), (40001 << 16) | 80, 0x80000001 | 0, -2, hasAck);
      const out = Buffer.from(frame.bytes.subarray(0, length));
      t.is(length, VNET + headers + 20);
      t.is(checksumFault(out), undefined);
      t.is(parse(frame, length, new Parsed()), 0);
      t.like(decode(out), { family, fromText: from, toText: to, protocol: 6, ttl: 64, sourcePort: 40001, destinationPort: 80, flags, seq: 0x80000001, ack });
      t.deepEqual(out.subarray(0, VNET), Buffer.alloc(VNET), 'nothing is left for the kernel to do');
    }
  });

  const replied = (fields: Partial<TcpFields>): Buffer => {
    const bytes = tcpFrame({ from: to, to: from, sourcePort: 80, destinationPort: 40000, seq: 1000, ack: 77, ...fields });
    const frame = frameOf(bytes);
    const packet = new Parsed();
    parse(frame, bytes.length, packet);
    return Buffer.from(frame.bytes.subarray(0, replyReset(frame, packet)));
  };

  test(`IPv${family}: a RST in answer takes its numbers from the segment`, (t) => {
    const common = { fromText: from, toText: to, sourcePort: 40000, destinationPort: 80, ttl: 64 };
    const cases = [
      [{ flags: 'A' }, { flags: 0x04, seq: 77, ack: 0 }],
      [{ flags: 'SA', partial: true }, { flags: 0x04, seq: 77, ack: 0 }],
      [{ flags: 'S', payload: Buffer.alloc(3) }, { flags: 0x14, seq: 0, ack: 1004 }],
      [{ flags: 'S', seq: 0xffffffff }, { flags: 0x14, seq: 0, ack: 0 }],
    ] as const;
    for (const [fields, expected] of cases) {
      const out = replied(fields);
      t.is(out.length, VNET + headers + 20);
      t.is(checksumFault(out), undefined);
      t.like(decode(out), { ...common, ...expected });
    }
  });

  test(`IPv${family}: options and extension headers of the segment are not in the RST`, (t) => {
    const plain = replied({ flags: 'S' });
    const extensions = [[60, Buffer.alloc(6)]] as const;
    t.deepEqual(replied({ flags: 'S', ipOptions: Buffer.alloc(4, 1), extensions, tcpOptions: Buffer.alloc(8, 1) }), plain);
  });
}
