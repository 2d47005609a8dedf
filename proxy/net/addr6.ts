/**
 * IPv6 addresses as four signed 32-bit integers in host order, most significant first (`fd00::1` is 0xfd000000, 0, 0, 1):
 * see addr.ts for why. Text exists at the edges only.
 */
import { AddressError, parseIpv4 } from './addr.js';

export type Ipv6 = readonly [number, number, number, number];

const GROUP = /^[0-9a-f]{1,4}$/i;

/** Parses RFC 4291 2.2 text in any of its three forms; no zone. Throws AddressError. */
export function parseIpv6(text: string): Ipv6 {
  const halves = text.split('::');
  if (halves.length > 2) throw bad(text, "'::' stands twice in it");
  const head = groupsOf(halves[0]!, text, halves.length === 1);
  const tail = halves.length === 2 ? groupsOf(halves[1]!, text, true) : [];
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) throw bad(text, `it has ${head.length + tail.length} groups`);
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return [0, 2, 4, 6].map((at) => (groups[at]! << 16) | groups[at + 1]!) as unknown as Ipv6;
}

/** 16-bit groups of a part of an address; the last two may be written as IPv4 where the address ends. */
function groupsOf(part: string, text: string, isEnd: boolean): number[] {
  if (part === '') return [];
  return part.split(':').flatMap((group, i, all) => {
    if (isEnd && i === all.length - 1 && group.includes('.')) {
      const address = parseIpv4(group);
      return [address >>> 16, address & 0xffff];
    }
    if (!GROUP.test(group)) throw bad(text, `'${group}' is not a number from 0 to ffff`);
    return [parseInt(group, 16)];
  });
}

function bad(text: string, why: string): AddressError {
  return new AddressError(`'${text}' is not an IPv6 address: ${why}`);
}

export function isIpv6(text: string): boolean {
  try {
    parseIpv6(text);
    return true;
  } catch {
    return false;
  }
}

/** The canonical text of RFC 5952: lower case, no leading zeros, the longest run of zero groups (the first of equals) as `::`. */
export function formatIpv6(address: Ipv6): string {
  const groups = address.flatMap((word) => [word >>> 16, word & 0xffff]);
  let start = 0;
  let length = 1;
  for (let from = 0; from < 8; from++) {
    let to = from;
    while (to < 8 && groups[to] === 0) to++;
    if (to - from > length) [start, length] = [from, to - from];
  }
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  return length < 2 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

export function sameIpv6(a: Ipv6, b: Ipv6): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3];
}

/** A prefix: `base` has no host bits set; `length` is 0 to 128. */
export interface Cidr6 {
  readonly base: Ipv6;
  readonly length: number;
}

/** Parses `fd00:1::/64`. A set host bit is an error that names the network meant. Throws AddressError. */
export function parseCidr6(text: string): Cidr6 {
  const slash = text.indexOf('/');
  const lengthText = text.slice(slash + 1);
  if (slash < 0 || !/^[0-9]{1,3}$/.test(lengthText) || Number(lengthText) > 128) {
    throw new AddressError(`'${text}' is not an IPv6 subnet: use an address and a length, such as fd00:1::/64`);
  }
  const address = parseIpv6(text.slice(0, slash));
  const cidr = { base: maskIpv6(address, Number(lengthText)), length: Number(lengthText) };
  if (!sameIpv6(cidr.base, address)) throw new AddressError(`'${text}' has host bits set: did you mean ${formatCidr6(cidr)}?`);
  return cidr;
}

/** The address with all but its first `length` bits cleared. */
export function maskIpv6(address: Ipv6, length: number): Ipv6 {
  return address.map((word, i) => {
    const bits = Math.min(32, Math.max(0, length - i * 32));
    return bits === 0 ? 0 : word & (-1 << (32 - bits));
  }) as unknown as Ipv6;
}

export function formatCidr6(cidr: Cidr6): string {
  return `${formatIpv6(cidr.base)}/${cidr.length}`;
}

export function cidr6Contains(cidr: Cidr6, address: Ipv6): boolean {
  return sameIpv6(maskIpv6(address, cidr.length), cidr.base);
}

export function cidrs6Overlap(a: Cidr6, b: Cidr6): boolean {
  const length = Math.min(a.length, b.length);
  return sameIpv6(maskIpv6(a.base, length), maskIpv6(b.base, length));
}
