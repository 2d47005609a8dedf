import test from 'ava';
import { Verdict } from '../../../../proxy/vxlan/admission.js';
import { echoFrame, tcpFrame, udpFrame } from '../../../support/packets.js';
import { arrive, cutOf, HERE, HERE6, THERE, THERE6 } from './fabric.js';

const whole = cutOf(udpFrame({ from: HERE, to: THERE, payload: Buffer.alloc(40) }))![0]!;
const whole6 = cutOf(udpFrame({ from: HERE6, to: THERE6, payload: Buffer.alloc(40) }))![0]!;

const verdictOf = (datagram: Uint8Array, source?: string): number => arrive([datagram], source).verdicts[0]!;

/** With other bytes somewhere. */
function changed(datagram: Buffer, at: number, hex: string): Buffer {
  const copy = Buffer.from(datagram);
  copy.set(Buffer.from(hex, 'hex'), at);
  return copy;
}

/** With another IPv4 header, whose checksum is right. */
function header(at: number, hex: string, datagram = whole): Buffer {
  const copy = changed(datagram, 22 + at, hex);
  copy.writeUInt16BE(0, 22 + 10);
  let sum = 0;
  for (let i = 0; i < (copy[22]! & 15) * 4; i += 2) sum += copy.readUInt16BE(22 + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  copy.writeUInt16BE(~sum & 0xffff, 22 + 10);
  return copy;
}

test('what a known node sends for its own tasks gets in, with padding too', (t) => {
  for (const frame of [udpFrame({ from: HERE, to: THERE }), tcpFrame({ from: HERE6, to: THERE6 }), echoFrame({ from: HERE, to: THERE })]) t.is(verdictOf(cutOf(frame)![0]!), Verdict.admitted);
  const padded = arrive([Buffer.concat([whole, Buffer.alloc(18)])]);
  t.deepEqual([padded.verdicts, padded.frames.map(({ length }) => length)], [[Verdict.admitted], [10 + whole.length - 22]]);
});

test('from a host that is no node', (t) => t.is(verdictOf(whole, '192.0.2.9'), Verdict.unknownVtep));

test('of a network that is not here', (t) => t.is(verdictOf(changed(whole, 4, '001002')), Verdict.unknownVni));

test('from an address that the node does not have, or that is no IP', (t) => {
  t.is(verdictOf(cutOf(udpFrame({ from: '10.0.1.99', to: THERE }))![0]!), Verdict.foreignSource);
  t.is(verdictOf(cutOf(udpFrame({ from: 'fd00::99', to: THERE6 }))![0]!), Verdict.foreignSource);
  // All but the last word is another's.
  t.is(verdictOf(cutOf(udpFrame({ from: 'fd01::5', to: THERE6 }))![0]!), Verdict.foreignSource);
  t.is(verdictOf(changed(whole, 20, '0806')), Verdict.foreignSource, 'ARP');
});

test('for another hardware address', (t) => {
  t.is(verdictOf(changed(whole, 8, '02420a0001fc')), Verdict.foreignDestination);
  t.is(verdictOf(changed(whole, 8, 'ffffffffffff')), Verdict.foreignDestination);
});

test('what is no VXLAN', (t) => {
  t.is(verdictOf(changed(whole, 0, '00')), Verdict.malformed, 'no VNI');
  t.is(verdictOf(changed(whole, 0, '0c')), Verdict.malformed, 'the flag of an extension');
  t.is(verdictOf(changed(whole, 7, '01')), Verdict.malformed, 'a reserved byte');
});

test('every length that is less than what is said to be there', (t) => {
  for (const datagram of [whole, whole6]) for (let length = 0; length < datagram.length; length++) t.is(verdictOf(datagram.subarray(0, length)), Verdict.malformed, `${length} bytes`);
});

test('what is no packet', (t) => {
  t.is(verdictOf(changed(whole, 22, '55')), Verdict.malformed, 'version 5');
  t.is(verdictOf(changed(whole, 20, '86dd')), Verdict.malformed, 'IPv4 said to be IPv6');
  t.is(verdictOf(changed(whole, 22 + 10, 'ffff')), Verdict.malformed, 'a header checksum');
  t.is(verdictOf(header(0, '44')), Verdict.malformed, 'a header of 16 bytes');
  t.is(verdictOf(header(2, '0010')), Verdict.malformed, 'a length less than the header');
});

test('a fragment gets in, but not one that cannot be', (t) => {
  const length = whole.length - 22;
  t.is((length - 20) % 8, 0);
  t.is(verdictOf(header(6, '2000')), Verdict.admitted, 'the first');
  t.is(verdictOf(header(6, '2001')), Verdict.admitted, 'one in the middle');
  t.is(verdictOf(header(6, '0001')), Verdict.admitted, 'the last');
  t.is(verdictOf(header(6, '1fff')), Verdict.malformed, 'beyond 65,535');
  const odd = cutOf(udpFrame({ from: HERE, to: THERE, payload: Buffer.alloc(41) }))![0]!;
  t.is(verdictOf(header(6, '2000', odd)), Verdict.malformed, 'no multiple of 8');
  t.is(verdictOf(header(6, '0001', odd)), Verdict.admitted, 'the last may be');
  const fragment6 = (word: number): Buffer => cutOf(udpFrame({ from: HERE6, to: THERE6, payload: Buffer.alloc(40), extensions: [[44, Buffer.from([word >>> 8, word & 255, 0, 0, 0, 1])]] }))![0]!;
  t.is(verdictOf(fragment6(0x0001)), Verdict.admitted);
  t.is(verdictOf(fragment6(0x0008)), Verdict.admitted);
  t.is(verdictOf(fragment6(0xfff8)), Verdict.malformed);
});
