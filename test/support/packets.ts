/**
 * Packets for the tests of the data path, built and checked by code of its own: nothing here is taken from proxy/wire, so
 * that an error there cannot hide itself.
 */
import { formatIpv4, parseIpv4 } from '../../proxy/net/addr.js';
import { formatIpv6, type Ipv6, parseIpv6 } from '../../proxy/net/addr6.js';
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

/** An IPv6 extension header: its type, and what follows its first two bytes; 8 n - 2 bytes. */
export type Extension = readonly [type: number, body: Uint8Array];

export const HOP_BY_HOP = 0;
export const ROUTING = 43;
export const FRAGMENT = 44;
export const DESTINATION_OPTIONS = 60;

/** Both addresses are of one family, which is that of the packet. */
export interface Addressed {
  readonly from: string;
  readonly to: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly payload?: Uint8Array;
  /** IPv4 only. */
  readonly ipOptions?: Uint8Array;
  /** IPv6 only. */
  readonly extensions?: readonly Extension[];
  /** Or hop limit. */
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

const isV6 = ({ from }: Addressed): boolean => from.includes(':');

/** 4 or 16 bytes. */
function addressBytes(text: string): Buffer {
  const words = text.includes(':') ? parseIpv6(text) : [parseIpv4(text)];
  const bytes = Buffer.alloc(words.length * 4);
  words.forEach((word, i) => bytes.writeInt32BE(word, i * 4));
  return bytes;
}

/** IP header with what stands between it and L4. */
function ipHeaders(fields: Addressed, protocol: number, l4Length: number): Buffer {
  return isV6(fields) ? ipv6Headers(fields, protocol, l4Length) : ipv4Header(fields, protocol, l4Length);
}

function ipv4Header(fields: Addressed, protocol: number, l4Length: number): Buffer {
  const options = fields.ipOptions ?? empty();
  const header = Buffer.alloc(20 + options.length);
  header[0] = 0x40 | (header.length / 4);
  header.writeUInt16BE(header.length + l4Length, 2);
  header.writeUInt16BE(0x1234, 4);
  header.writeUInt16BE(0x4000, 6);
  header[8] = fields.ttl ?? 63;
  header[9] = protocol;
  header.set(addressBytes(fields.from), 12);
  header.set(addressBytes(fields.to), 16);
  header.set(options, 20);
  header.writeUInt16BE(0xffff - naiveSum(header), 10);
  return header;
}

function ipv6Headers(fields: Addressed, protocol: number, l4Length: number): Buffer {
  const extensions = fields.extensions ?? [];
  const types = [...extensions.map(([type]) => type), protocol];
  const chain = Buffer.concat(
    extensions.map(([type, body], i) => Buffer.concat([Buffer.from([types[i + 1] as number, type === FRAGMENT ? 0 : (body.length + 2) / 8 - 1]), body])),
  );
  const header = Buffer.alloc(40);
  header.writeUInt32BE(0x60012345, 0);
  header.writeUInt16BE(chain.length + l4Length, 4);
  header[6] = types[0] as number;
  header[7] = fields.ttl ?? 63;
  header.set(addressBytes(fields.from), 8);
  header.set(addressBytes(fields.to), 24);
  return Buffer.concat([header, chain]);
}

function pseudo(fields: Addressed, protocol: number, length: number): Buffer {
  const tail = isV6(fields) ? Buffer.from([0, 0, length >>> 8, length & 255, 0, 0, 0, protocol]) : Buffer.from([0, protocol, length >>> 8, length & 255]);
  return Buffer.concat([addressBytes(fields.from), addressBytes(fields.to), tail]);
}

function framed(fields: Addressed, protocol: number, l4: Buffer, checksumAt: number): Buffer {
  const virtio = Buffer.alloc(VNET);
  const headers = ipHeaders(fields, protocol, l4.length);
  if (fields.partial) {
    virtio[0] = 1;
    virtio.writeUInt16LE(headers.length, 6);
    virtio.writeUInt16LE(checksumAt, 8);
    l4.writeUInt16BE(protocol === 1 ? 0 : naiveSum(pseudo(fields, protocol, l4.length)), checksumAt);
  }
  if (fields.gso) {
    virtio[1] = fields.gso[0];
    virtio.writeUInt16LE(headers.length + (protocol === 6 ? 20 : 8), 2);
    virtio.writeUInt16LE(fields.gso[1], 4);
  }
  return Buffer.concat([virtio, headers, l4]);
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

/** @param message an ICMP or, between IPv6 addresses, ICMPv6 message whose checksum is filled in here */
export function icmpFrame(fields: Addressed, message: Uint8Array): Buffer {
  const l4 = Buffer.from(message);
  l4.writeUInt16BE(0, 2);
  const head = isV6(fields) ? pseudo(fields, 58, l4.length) : empty();
  l4.writeUInt16BE(0xffff - naiveSum(Buffer.concat([head, l4])), 2);
  return framed(fields, isV6(fields) ? 58 : 1, l4, 2);
}

export interface EchoFields extends Addressed {
  readonly reply?: boolean;
  /** 0x1234 unless told otherwise. */
  readonly identifier?: number;
}

export function echoFrame(fields: EchoFields, payload: Uint8Array = Buffer.from('ping')): Buffer {
  const [request, reply] = isV6(fields) ? [128, 129] : [8, 0];
  const head = Buffer.from([fields.reply ? reply : request, 0, 0, 0, 0, 0, 0, 1] as number[]);
  head.writeUInt16BE(fields.identifier ?? 0x1234, 4);
  return icmpFrame(fields, Buffer.concat([head, payload]));
}

/**
 * An ICMP or ICMPv6 error of `type`/`code` that quotes the first `l4Bytes` bytes of L4 of a frame's packet, and all headers
 * before them.
 */
export function errorFrame(fields: Addressed, type: number, code: number, rest: number, quotedFrame: Uint8Array, l4Bytes: number): Buffer {
  const packet = Buffer.from(quotedFrame.subarray(VNET));
  const quote = packet.subarray(0, layersOf(packet).l4 + l4Bytes);
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

interface Layers {
  readonly family: 4 | 6;
  readonly protocol: number;
  /** Offset in the packet. Behind a Fragment header it is that header's payload. */
  readonly l4: number;
}

function layersOf(packet: Buffer): Layers {
  if ((packet[0] as number) >>> 4 !== 6) return { family: 4, protocol: packet[9] as number, l4: ((packet[0] as number) & 15) * 4 };
  let protocol = packet[6] as number;
  let l4 = 40;
  while ([HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS].includes(protocol) && l4 + 8 <= packet.length) {
    protocol = packet[l4] as number;
    l4 += ((packet[l4 + 1] as number) + 1) * 8;
  }
  return { family: 6, protocol, l4: Math.min(l4, packet.length) };
}

/**
 * What is wrong with the checksums of a frame, or undefined. A partial checksum is compared with the pseudo-header sum; one
 * of 0 is right for UDP over IPv4, and a partial one of ICMP, which has no pseudo-header, is 0.
 */
export function checksumFault(frame: Uint8Array): string | undefined {
  const packet = Buffer.from(frame.subarray(VNET));
  const { family, protocol, l4: at } = layersOf(packet);
  if (family === 4 && naiveSum(packet, 0, at) !== 0xffff) return 'IP header checksum';
  const l4 = packet.subarray(at);
  const partial = ((frame[0] as number) & 1) !== 0;
  if (protocol === 1) return (partial ? l4.readUInt16BE(2) === 0 : naiveSum(l4) === 0xffff) ? undefined : 'ICMP checksum';
  const length = protocol === 17 ? l4.readUInt16BE(4) : l4.length;
  const tail = Buffer.from([0, protocol, length >>> 8, length & 255]);
  const head = Buffer.concat([family === 4 ? packet.subarray(12, 20) : packet.subarray(8, 40), tail]);
  const checksum = l4.readUInt16BE(protocol === 6 ? 16 : protocol === 17 ? 6 : 2);
  if (partial) return (checksum || 0xffff) === (naiveSum(head) || 0xffff) ? undefined : 'partial L4 checksum';
  if (protocol === 17 && checksum === 0) return family === 4 ? undefined : 'no UDP checksum';
  return naiveSum(Buffer.concat([head, l4.subarray(0, length)])) === 0xffff ? undefined : protocol === 58 ? 'ICMPv6 checksum' : 'L4 checksum';
}

export interface Decoded {
  readonly family: 4 | 6;
  /** IPv4; 0 for IPv6. */
  readonly from: number;
  /** IPv4; 0 for IPv6. */
  readonly to: number;
  /** Either family. */
  readonly fromText: string;
  /** Either family. */
  readonly toText: string;
  /** Behind the extension headers. */
  readonly protocol: number;
  /** Or hop limit. */
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
  const { family, protocol, l4: at } = layersOf(packet);
  const l4 = packet.subarray(at);
  const text = (v4: number, v6: number): string => {
    if (family === 4) return formatIpv4(packet.readInt32BE(v4));
    return formatIpv6([0, 4, 8, 12].map((word) => packet.readInt32BE(v6 + word)) as unknown as Ipv6);
  };
  return {
    family,
    from: family === 4 ? packet.readInt32BE(12) : 0,
    to: family === 4 ? packet.readInt32BE(16) : 0,
    fromText: text(12, 8),
    toText: text(16, 24),
    protocol,
    ttl: packet[family === 4 ? 8 : 7] as number,
    sourcePort: l4.readUInt16BE(0),
    destinationPort: l4.readUInt16BE(2),
    flags: l4.length >= 20 ? (l4[13] as number) : 0,
    seq: l4.length >= 20 ? l4.readUInt32BE(4) : 0,
    ack: l4.length >= 20 ? l4.readUInt32BE(8) : 0,
    l4,
  };
}
