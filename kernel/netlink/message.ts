/**
 * Messages of nfnetlink, as bytes: header, attributes, and what comes back. What is in them is that of whoever asks the kernel for
 * something (nftables/netlink.ts, conntrack/netlink.ts); socket.ts carries them. Pure. Layouts: include/uapi/linux/netlink.h and
 * netfilter/nfnetlink.h. Numbers of headers are in this machine's order, which is little-endian where Node.js runs (os.endianness).
 */

/** Flags of a message. */
export const REQUEST = 0x1;
export const ACK = 0x4;
export const CREATE = 0x400;

/** Type of an answer: an errno, negative, or 0. */
export const NLMSG_ERROR = 2;

const NESTED = 0x8000;
/** struct nlmsghdr, and struct nfgenmsg after it. */
export const HEADER = 20;
const NLMSGHDR = 16;

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

/** @param resource res_id of struct nfgenmsg */
export function frame({ type, flags, body }: Message, sequence: number, resource: number, family = 0): Uint8Array {
  const bytes = new Uint8Array(HEADER + align(body.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, HEADER + body.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  // struct nfgenmsg: family, version 0, and res_id in network order.
  view.setUint8(16, family);
  view.setUint16(18, resource);
  bytes.set(body, HEADER);
  return bytes;
}

export interface Received {
  readonly type: number;
  /** Number of the message that it answers. */
  readonly sequence: number;
  /** What follows struct nlmsghdr. */
  readonly view: DataView;
}

/** Messages in what was read from the socket; one that is cut off is left out. */
export function* messagesIn(bytes: Uint8Array): Generator<Received> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + NLMSGHDR <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < NLMSGHDR || at + length > bytes.length) return;
    yield { type: view.getUint16(at + 4, true), sequence: view.getUint32(at + 8, true), view: new DataView(bytes.buffer, bytes.byteOffset + at + NLMSGHDR, length - NLMSGHDR) };
    at += align(length);
  }
}

export function nested(number: number, attributes: readonly Uint8Array[]): Uint8Array {
  return attribute(number | NESTED, join(attributes));
}

export function attribute(number: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(align(4 + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + value.length, true);
  view.setUint16(2, number, true);
  bytes.set(value, 4);
  return bytes;
}

export function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`);
}

export function be16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 255);
}

export function be32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

function align(length: number): number {
  return (length + 3) & ~3;
}
