/** A TCP segment without data, with its IPv4 header, as bytes for a raw socket. Pure. */

export interface Peer {
  /** IPv4 text. */
  readonly address: string;
  readonly port: number;
}

export interface BareAck {
  readonly from: Peer;
  readonly to: Peer;
  /** 32 bits each. */
  readonly sequence: number;
  readonly acknowledgement: number;
}

const IP_HEADER = 20;
const TCP_HEADER = 20;
const TTL = 64;
const TCP = 6;
const ACK = 0x10;

/** RFC 791, RFC 9293. The kernel fills in the identification, and the IP checksum again (raw(7)). */
export function bareAck({ from, to, sequence, acknowledgement }: BareAck): Buffer {
  const bytes = Buffer.alloc(IP_HEADER + TCP_HEADER);
  bytes[0] = 0x45;
  bytes.writeUInt16BE(bytes.length, 2);
  bytes[8] = TTL;
  bytes[9] = TCP;
  writeAddress(bytes, 12, from.address);
  writeAddress(bytes, 16, to.address);
  bytes.writeUInt16BE(checksum(bytes.subarray(0, IP_HEADER)), 10);
  bytes.writeUInt16BE(from.port, 20);
  bytes.writeUInt16BE(to.port, 22);
  bytes.writeUInt32BE(sequence, 24);
  bytes.writeUInt32BE(acknowledgement, 28);
  bytes[32] = (TCP_HEADER / 4) << 4;
  bytes[33] = ACK;
  // The pseudo header: both addresses, the protocol and the length.
  bytes.writeUInt16BE(checksum(bytes.subarray(12), TCP + TCP_HEADER), 36);
  return bytes;
}

function writeAddress(bytes: Buffer, at: number, address: string): void {
  bytes.set(address.split('.').map(Number), at);
}

/** RFC 1071, of an even number of bytes. */
function checksum(bytes: Buffer, begin = 0): number {
  let sum = begin;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
