import test from 'ava';
import { checksumsRight } from '../../../../proxy/rewrite/verify.js';
import { parse, Parsed } from '../../../../proxy/wire/parsed.js';
import { DESTINATION_OPTIONS, echoFrame, frameOf, tcpFrame, udpFrame, VNET } from '../../../support/packets.js';

const A = { from: '10.0.1.9', to: '10.0.1.2', payload: Buffer.from('odd') };
const B = { from: 'fd00::9', to: 'fd00::2', payload: Buffer.from('odd'), extensions: [[DESTINATION_OPTIONS, Buffer.alloc(6)]] as const };

function right(bytes: Uint8Array): boolean {
  const packet = new Parsed();
  parse(frameOf(bytes), bytes.length, packet);
  return checksumsRight(frameOf(bytes), packet);
}

const PACKETS = { tcp: tcpFrame(A), udp: udpFrame(A), icmp: echoFrame(A) };

for (const [name, bytes] of Object.entries(PACKETS)) {
  test(`${name}: right as it is, wrong with any one bit of its checksums or data changed`, (t) => {
    t.true(right(bytes));
    const checksumAt = VNET + 20 + { tcp: 16, udp: 6, icmp: 2 }[name]!;
    for (const at of [VNET + 10, VNET + 11, checksumAt, checksumAt + 1, bytes.length - 1]) {
      const copy = Buffer.from(bytes);
      copy[at]! ^= 0x10;
      t.false(right(copy), `byte ${at}`);
    }
  });
}

const PACKETS_6 = { tcp: tcpFrame(B), udp: udpFrame(B), icmp: echoFrame(B) };

for (const [name, bytes] of Object.entries(PACKETS_6)) {
  test(`${name} over IPv6: right as it is, wrong with any one bit of its addresses, checksum or data changed`, (t) => {
    t.true(right(bytes));
    const checksumAt = VNET + 48 + { tcp: 16, udp: 6, icmp: 2 }[name]!;
    for (const at of [VNET + 8, VNET + 23, VNET + 24, VNET + 39, checksumAt, checksumAt + 1, bytes.length - 1]) {
      const copy = Buffer.from(bytes);
      copy[at]! ^= 0x10;
      t.false(right(copy), `byte ${at}`);
    }
    const relabelled = Buffer.from(bytes);
    relabelled[VNET + 3]! ^= 0x10;
    t.true(right(relabelled), 'nothing sums up the flow label');
  });
}

test('UDP without a checksum, a partial one and one that the host vouches for are right; ICMP is looked at', (t) => {
  t.true(right(udpFrame({ ...A, noChecksum: true })));
  t.true(right(tcpFrame({ ...A, partial: true })));
  t.true(right(udpFrame({ ...B, partial: true })));
  const vouched = [[PACKETS.tcp, true], [PACKETS.udp, true], [PACKETS.icmp, false], [PACKETS_6.tcp, true], [PACKETS_6.icmp, false]] as const;
  for (const [bytes, expected] of vouched) {
    const copy = Buffer.from(bytes);
    copy[0] = 2;
    copy[copy.length - 1]! ^= 1;
    t.is(right(copy), expected);
  }
});
