/** What we answer over IPv6, beside what a Linux host answers. The answers over IPv4 are in the pipeline's tests. */
import test from 'ava';
import { replyEcho, replyPortUnreachable } from '../../../../proxy/rewrite/reply.js';
import { type Frame } from '../../../../proxy/wire/frame.js';
import { parse, Parsed, Reason } from '../../../../proxy/wire/parsed.js';
import { checksumFault, decode, DESTINATION_OPTIONS, echoFrame, frameOf, udpFrame, VNET } from '../../../support/packets.js';

const A = { from: 'fd00::9', to: 'fd00::5' };

function answer(bytes: Uint8Array, reply: (frame: Frame, packet: Parsed) => number): Buffer {
  const frame = frameOf(bytes);
  const packet = new Parsed();
  if (parse(frame, bytes.length, packet) !== Reason.ok) throw new Error('the packet of the test is malformed');
  const length = reply(frame, packet);
  return Buffer.from(frame.bytes.subarray(0, length));
}

const captured = (hex: string): Buffer => Buffer.from('00'.repeat(VNET) + hex, 'hex');
/** Without the first 4 bytes, which hold the flow label: a host chooses one, we have none. */
const unlabelled = (frame: Buffer): string => frame.subarray(VNET + 4).toString('hex');

test('an echo request and a datagram to a closed port are answered as a Linux host does', (t) => {
  const ping = captured('600e5c7b00183a40fd000000000000000000000000000009fd000000000000000000000000000005800095ef003900012928036b00000000b6e00c0000000000');
  const pong = captured('6000423d00183a40fd000000000000000000000000000005fd000000000000000000000000000009810094ef003900012928036b00000000b6e00c0000000000');
  t.is(unlabelled(answer(ping, replyEcho)), unlabelled(pong));

  const datagram = captured('600ca206000b1140fd000000000000000000000000000009fd000000000000000000000000000005b4810035000bfa2b6f6464');
  const error = captured(
    '600ce019003b3a40fd000000000000000000000000000005fd000000000000000000000000000009010474b600000000' +
      '600ca206000b1140fd000000000000000000000000000009fd000000000000000000000000000005b4810035000bfa2b6f6464',
  );
  t.is(unlabelled(answer(datagram, replyPortUnreachable)), unlabelled(error));
});

test('an error is no longer than 1280 bytes, of IPv4 576, and quotes from the IP header on', (t) => {
  for (const [addresses, limit, type, code] of [[A, 1280, 1, 4], [{ from: '10.0.1.9', to: '10.0.1.2' }, 576, 3, 3]] as const) {
    for (const size of [0, 100, 2000, 65_000]) {
      const asked = udpFrame({ ...addresses, payload: Buffer.alloc(size, 7), ipOptions: Buffer.alloc(8, 1), extensions: [[DESTINATION_OPTIONS, Buffer.alloc(14)]] });
      const out = answer(asked, replyPortUnreachable);
      t.is(checksumFault(out), undefined);
      const headers = addresses === A ? 40 : 20;
      t.is(out.length, VNET + Math.min(limit, headers + 8 + asked.length - VNET));
      t.like(decode(out), { fromText: addresses.to, toText: addresses.from, ttl: 64 });
      t.deepEqual([...decode(out).l4.subarray(0, 8)].filter((_, at) => at !== 2 && at !== 3), [type, code, 0, 0, 0, 0]);
      t.deepEqual(decode(out).l4.subarray(8), asked.subarray(VNET, VNET + out.length - VNET - headers - 8));
    }
  }
});

test('an echo that was left to the kernel to sum is complete; an error in its data stays; extension headers too', (t) => {
  const fields = { ...A, extensions: [[DESTINATION_OPTIONS, Buffer.alloc(6)]] as const, ttl: 3 };
  const out = answer(echoFrame({ ...fields, partial: true }), replyEcho);
  t.deepEqual(out, echoFrame({ from: A.to, to: A.from, extensions: fields.extensions, ttl: 64, reply: true }));
  t.is(checksumFault(out), undefined);
  const wrong = echoFrame(fields);
  wrong[wrong.length - 1]! ^= 1;
  t.is(checksumFault(answer(wrong, replyEcho)), 'ICMPv6 checksum');
});
