/**
 * Packets for the tests of the data path, built and checked by code of its own: nothing here is taken from proxy/wire, so
 * that an error there cannot hide itself.
 */
import { parseIpv4 } from '../../proxy/net/addr.js';
import { type Frame, makeFrame } from '../../proxy/wire/frame.js';

export const VNET = 10;

/** The naive sum: one word after the other, end-around carry at each. */
export function naiveSum(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let sum = 0;
  for (let at = start; at < end; at += 2) {
    sum += (bytes[at] as number) * 256 + (at + 1 < end ? (bytes[at + 1] as number) : 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

export interface Addressed {
  readonly from: string;
  readonly to: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly payload?: Uint8Array;
  readonly ipOptions?: Uint8Array;
  readonly ttl?: number;
  /** Leave the L4 checksum to the kernel, as a local sender's packet comes (NEEDS_CSUM). */
  readonly partial?: boolean;
  /** virtio gso_type and gso_size. */
  readonly gso?: readonly [number, number];
}

export interface TcpFields extends Addressed {
  /** A string of S A F R P. */
  readonly flags?: string;
  readonly seq?: number;
  readonly ack?: number;
  readonly tcpOptions?: Uint8Array;
}

export interface UdpFields extends Addressed {
  readonly noChecksum?: boolean;
}

const FLAG: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, A: 16 };

function empty(): Uint8Array {
  return new Uint8Array(0);
}

function ipPacket(fields: Addressed, protocol: number, l4: Buffer): Buffer {
  const options = fields.ipOptions ?? empty();
  const header = Buffer.alloc(20 + options.length);
  header[0] = 0x40 | (header.length / 4);
  header.writeUInt16BE(header.length + l4.length, 2);
  header.writeUInt16BE(0x1234, 4);
  header.writeUInt16BE(0x4000, 6);
  header[8] = fields.ttl ?? 63;
  header[9] = protocol;
  header.writeInt32BE(parseIpv4(fields.from), 12);
  header.writeInt32BE(parseIpv4(fields.to), 16);
  header.set(options, 20);
  header.writeUInt16BE(0xffff - naiveSum(header), 10);
  return Buffer.concat([header, l4]);
}

function pseudo(fields: Addressed, protocol: number, length: number): Buffer {
  const header = Buffer.alloc(12);
  header.writeInt32BE(parseIpv4(fields.from), 0);
  header.writeInt32BE(parseIpv4(fields.to), 4);
  header[9] = protocol;
  header.writeUInt16BE(length, 10);
  return header;
}

function framed(fields: Addressed, protocol: number, l4: Buffer, checksumAt: number): Buffer {
  const virtio = Buffer.alloc(VNET);
  const headerLength = 20 + (fields.ipOptions?.length ?? 0);
  if (fields.partial) {
    virtio[0] = 1;
    virtio.writeUInt16LE(headerLength, 6);
    virtio.writeUInt16LE(checksumAt, 8);
    l4.writeUInt16BE(naiveSum(pseudo(fields, protocol, l4.length)), checksumAt);
  }
  if (fields.gso) {
    virtio[1] = fields.gso[0];
    virtio.writeUInt16LE(headerLength + (protocol === 6 ? 20 : 8), 2);
    virtio.writeUInt16LE(fields.gso[1], 4);
  }
  return Buffer.concat([virtio, ipPacket(fields, protocol, l4)]);
}

/** A frame: virtio header, IP, TCP. A plain ACK unless told otherwise. */
export function tcpFrame(fields: TcpFields): Buffer {
  const options = fields.tcpOptions ?? empty();
  const l4 = Buffer.concat([Buffer.alloc(20), options, fields.payload ?? empty()]);
  l4.writeUInt16BE(fields.sourcePort ?? 40000, 0);
  l4.writeUInt16BE(fields.destinationPort ?? 80, 2);
  l4.writeUInt32BE(fields.seq ?? 1000, 4);
  l4.writeUInt32BE(fields.ack ?? 0, 8);
  l4[12] = ((20 + options.length) / 4) << 4;
  l4[13] = [...(fields.flags ?? 'A')].reduce((flags, letter) => flags | (FLAG[letter] ?? 0), 0);
  l4.writeUInt16BE(64240, 14);
  l4.set(options, 20);
  if (!fields.partial) l4.writeUInt16BE(0xffff - naiveSum(Buffer.concat([pseudo(fields, 6, l4.length), l4])), 16);
  return framed(fields, 6, l4, 16);
}

export function udpFrame(fields: UdpFields): Buffer {
  const l4 = Buffer.concat([Buffer.alloc(8), fields.payload ?? empty()]);
  l4.writeUInt16BE(fields.sourcePort ?? 40000, 0);
  l4.writeUInt16BE(fields.destinationPort ?? 53, 2);
  l4.writeUInt16BE(l4.length, 4);
  if (!fields.noChecksum && !fields.partial) {
    l4.writeUInt16BE(0xffff - naiveSum(Buffer.concat([pseudo(fields, 17, l4.length), l4])) || 0xffff, 6);
  }
  return framed(fields, 17, l4, 6);
}

/** @param message an ICMP message whose checksum is filled in here */
export function icmpFrame(fields: Addressed, message: Uint8Array): Buffer {
  const l4 = Buffer.from(message);
  l4.writeUInt16BE(0, 2);
  l4.writeUInt16BE(0xffff - naiveSum(l4), 2);
  return framed(fields, 1, l4, 2);
}

export function echoFrame(fields: Addressed, payload: Uint8Array = Buffer.from('ping')): Buffer {
  return icmpFrame(fields, Buffer.concat([Buffer.from([8, 0, 0, 0, 0x12, 0x34, 0, 1]), payload]));
}

/** An ICMP error of `type`/`code` that quotes the first `l4Bytes` bytes after the IP header of a frame's packet. */
export function errorFrame(fields: Addressed, type: number, code: number, rest: number, quotedFrame: Uint8Array, l4Bytes: number): Buffer {
  const packet = Buffer.from(quotedFrame.subarray(VNET));
  const quote = packet.subarray(0, ((packet[0] as number) & 15) * 4 + l4Bytes);
  const head = Buffer.from([type, code, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(rest, 4);
  return icmpFrame(fields, Buffer.concat([head, quote]));
}

/** Copies bytes into a full-size frame. */
export function frameOf(bytes: Uint8Array): Frame {
  const frame = makeFrame();
  frame.bytes.set(bytes);
  return frame;
}

/**
 * What is wrong with the checksums of a frame, or undefined. A partial checksum is compared with the pseudo-header sum; one
 * of 0 is right for UDP.
 */
export function checksumFault(frame: Uint8Array): string | undefined {
  const packet = Buffer.from(frame.subarray(VNET));
  const headerLength = ((packet[0] as number) & 15) * 4;
  if (naiveSum(packet, 0, headerLength) !== 0xffff) return 'IP header checksum';
  const protocol = packet[9] as number;
  const l4 = packet.subarray(headerLength);
  if (protocol === 1) return naiveSum(l4) === 0xffff ? undefined : 'ICMP checksum';
  const length = protocol === 17 ? l4.readUInt16BE(4) : l4.length;
  const head = Buffer.concat([packet.subarray(12, 20), Buffer.from([0, protocol, length >>> 8, length & 255])]);
  const checksum = l4.readUInt16BE(protocol === 6 ? 16 : 6);
  if (((frame[0] as number) & 1) !== 0) {
    return (checksum || 0xffff) === (naiveSum(head) || 0xffff) ? undefined : 'partial L4 checksum';
  }
  if (protocol === 17 && checksum === 0) return undefined;
  return naiveSum(Buffer.concat([head, l4.subarray(0, length)])) === 0xffff ? undefined : 'L4 checksum';
}

export interface Decoded {
  readonly from: number;
  readonly to: number;
  readonly protocol: number;
  readonly ttl: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly flags: number;
  readonly seq: number;
  readonly ack: number;
  readonly l4: Buffer;
}

/** Ports, flags and numbers are what stands where a TCP header has them. */
export function decode(frame: Uint8Array): Decoded {
  const packet = Buffer.from(frame.subarray(VNET));
  const l4 = packet.subarray(((packet[0] as number) & 15) * 4);
  return {
    from: packet.readInt32BE(12),
    to: packet.readInt32BE(16),
    protocol: packet[9] as number,
    ttl: packet[8] as number,
    sourcePort: l4.readUInt16BE(0),
    destinationPort: l4.readUInt16BE(2),
    flags: l4.length >= 20 ? (l4[13] as number) : 0,
    seq: l4.length >= 20 ? l4.readUInt32BE(4) : 0,
    ack: l4.length >= 20 ? l4.readUInt32BE(8) : 0,
    l4,
  };
}
