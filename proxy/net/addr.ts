/**
 * IPv4 addresses and prefixes as numbers.
 *
 * An address is a *signed* 32-bit integer in host order (`10.0.1.2` is 0x0a000102): V8 keeps every int32 as a small
 * integer, so comparing, hashing or storing one never allocates. Text exists at the edges only.
 */

export class AddressError extends Error {
  override readonly name = 'AddressError';
}

const OCTET = /^(?:0|[1-9][0-9]{0,2})$/;

/** Parses dotted-quad text. No shorthand, no leading zeros (they mean octal to inet_aton). Throws AddressError. */
export function parseIpv4(text: string): number {
  const parts = text.split('.');
  if (parts.length !== 4) throw new AddressError(`'${text}' is not an IPv4 address: use four numbers, such as 10.0.1.2`);
  let value = 0;
  for (const part of parts) {
    const octet = OCTET.test(part) ? Number(part) : 256;
    if (octet > 255) throw new AddressError(`'${text}' is not an IPv4 address: '${part}' is not a number from 0 to 255`);
    value = (value << 8) | octet;
  }
  return value;
}

export function isIpv4(text: string): boolean {
  try {
    parseIpv4(text);
    return true;
  } catch {
    return false;
  }
}

export function formatIpv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** A prefix: `base` has no host bits set; `length` is 0 to 32. */
export interface Cidr {
  readonly base: number;
  readonly length: number;
}

/** Parses `10.0.1.0/24`. A set host bit is an error that names the network meant. Throws AddressError. */
export function parseCidr(text: string): Cidr {
  const slash = text.indexOf('/');
  const lengthText = text.slice(slash + 1);
  if (slash < 0 || !/^[0-9]{1,2}$/.test(lengthText) || Number(lengthText) > 32) {
    throw new AddressError(`'${text}' is not a subnet: use an address and a length, such as 10.0.1.0/24`);
  }
  const cidr = cidrOf(parseIpv4(text.slice(0, slash)), Number(lengthText));
  if (cidr.base !== parseIpv4(text.slice(0, slash))) {
    throw new AddressError(`'${text}' has host bits set: did you mean ${formatCidr(cidr)}?`);
  }
  return cidr;
}

export function maskOf(length: number): number {
  return length === 0 ? 0 : -1 << (32 - length);
}

export function cidrOf(address: number, length: number): Cidr {
  return { base: address & maskOf(length), length };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIpv4(cidr.base)}/${cidr.length}`;
}

export function cidrContains(cidr: Cidr, address: number): boolean {
  return (address & maskOf(cidr.length)) === cidr.base;
}

export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  const mask = maskOf(Math.min(a.length, b.length));
  return (a.base & mask) === (b.base & mask);
}

/** How many addresses the prefix spans, network and broadcast address included: 2^(32 - length). */
export function cidrSize(cidr: Cidr): number {
  return 2 ** (32 - cidr.length);
}
