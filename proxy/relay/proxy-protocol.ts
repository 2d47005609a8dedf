/**
 * The PROXY protocol, version 2: a header in front of a relayed connection's bytes that tells the endpoint who the client is, since the
 * connection itself comes from the relay. https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt, section 2.2.
 */
import { isIpv4, parseIpv4 } from '../net/addr.js';
import { isIpv6, parseIpv6 } from '../net/addr6.js';
import { plainAddress } from './peer.js';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Version 2 in the high half, the command PROXY in the low one: on behalf of another. */
const VERSION_COMMAND = 0x21;
/** Address family in the high half, SOCK_STREAM in the low one. */
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;
const UNSPECIFIED = 0x00;

export interface Address {
  /** IPv4 or IPv6 as Node's sockets tell it: mapped into IPv6, or with its interface (`fe80::1%eth0`), too. */
  readonly address: string;
  readonly port: number;
}

/**
 * The header of a TCP connection from `client` to `local`, the address it was accepted on. 28 bytes for IPv4, 52 for IPv6; 16, which tell that
 * nothing is known, when the two are not of one family or one is no address (the client is gone already).
 */
export function proxyHeader(client: Address, local: Address): Buffer {
  const [from, to] = [bytesOf(client.address), bytesOf(local.address)];
  if (from.length === 0 || from.length !== to.length) return headerOf(UNSPECIFIED, Buffer.alloc(0));
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(client.port, 0);
  ports.writeUInt16BE(local.port, 2);
  return headerOf(from.length === 4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6, Buffer.concat([from, to, ports]));
}

function headerOf(family: number, addresses: Buffer): Buffer {
  return Buffer.concat([SIGNATURE, Buffer.from([VERSION_COMMAND, family, addresses.length >> 8, addresses.length & 0xff]), addresses]);
}

/** In network byte order; empty for what is no address. */
function bytesOf(address: string): Buffer {
  const plain = plainAddress(address);
  const words = isIpv4(plain) ? [parseIpv4(plain)] : wordsOf6(plain.split('%', 1)[0] ?? '');
  const bytes = Buffer.alloc(4 * words.length);
  words.forEach((word, index) => bytes.writeInt32BE(word, 4 * index));
  return bytes;
}

function wordsOf6(text: string): readonly number[] {
  return isIpv6(text) ? parseIpv6(text) : [];
}
