/**
 * Which subnets and gateways a network may be given, in either family: what is wrong with one, as a sentence, or undefined.
 * Whether a subnet is free is known to the store alone.
 */
import { AddressError, cidrContains, cidrSize, cidrsOverlap, isIpv4, parseCidr, parseIpv4 } from '../../proxy/net/addr.js';
import { cidr6Contains, cidrs6Overlap, isIpv6, parseCidr6, parseIpv6, sameIpv6 } from '../../proxy/net/addr6.js';

/** 0.0.0.0/8 and 127.0.0.0/8: RFC 1122 section 3.2.1.3. The rest: multicast and class E. */
const UNUSABLE = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3'].map((text) => ({ text, cidr: parseCidr(text) }));

/** What nodes take subnets from whose VIPs and tasks are sockets of the host: all of 127.0.0.0/8 is local on Linux (net/ipv4/fib_frontend.c). */
export const LOOPBACK_POOL = parseCidr('127.64.0.0/10');

/** RFC 4291: loopback, unspecified and addresses with IPv4 in them; link-local; multicast. */
const UNUSABLE6 = ['::/8', 'fe80::/10', 'ff00::/8'].map((text) => ({ text, cidr: parseCidr6(text) }));

const SHORTEST6 = 8;
/** Below that, a handful of tasks would use the subnet up. */
const LONGEST6 = 120;

export function subnetProblem(text: string): string | undefined {
  if (text.includes(':')) return `'${text}' is an IPv6 subnet: give it as subnet6, and an IPv4 one such as 10.0.1.0/24 here`;
  return explained(() => {
    const cidr = parseCidr(text);
    if (cidr.length < 8 || cidr.length > 29) return `'${text}' has a length of ${cidr.length}: use /8 to /29`;
    if (isLoopbackSubnet(text)) return undefined;
    const unusable = UNUSABLE.find((other) => cidrsOverlap(cidr, other.cidr));
    return unusable && `'${text}' is within ${unusable.text}, which hosts do not route: use a private subnet such as 10.0.1.0/24`;
  });
}

/** Within the pool of mode sockets, and of no use anywhere else. @param text CIDR text */
export function isLoopbackSubnet(text: string): boolean {
  const cidr = parseCidr(text);
  return cidr.length >= LOOPBACK_POOL.length && cidrContains(LOOPBACK_POOL, cidr.base);
}

export function subnet6Problem(text: string): string | undefined {
  if (!text.includes(':')) return `'${text}' is not an IPv6 subnet: use an address and a length, such as fd00:1::/64`;
  return explained(() => {
    const cidr = parseCidr6(text);
    if (cidr.length < SHORTEST6 || cidr.length > LONGEST6) return `'${text}' has a length of ${cidr.length}: use /${SHORTEST6} to /${LONGEST6}, best /64`;
    const unusable = UNUSABLE6.find((other) => cidrs6Overlap(cidr, other.cidr));
    return unusable && `'${text}' is within ${unusable.text}, which hosts do not route: use a unique local subnet such as fd00:1::/64`;
  });
}

export function gatewayProblem(gateway: string, subnet: string | undefined): string | undefined {
  if (!isIpv4(gateway)) return `'${gateway}' is not an IPv4 address: use four numbers, such as 10.0.1.1`;
  if (subnet === undefined) return `'${gateway}' is given without a subnet: give the subnet as well`;
  if (subnetProblem(subnet) !== undefined) return undefined;
  const cidr = parseCidr(subnet);
  const offset = (parseIpv4(gateway) - cidr.base) >>> 0;
  if (!cidrContains(cidr, parseIpv4(gateway))) return `'${gateway}' is outside of subnet ${subnet}: choose an address within it`;
  if (offset === 0) return `'${gateway}' is the network address of ${subnet}: choose a host address`;
  return offset === cidrSize(cidr) - 1 ? `'${gateway}' is the broadcast address of ${subnet}: choose a host address` : undefined;
}

export function gateway6Problem(gateway: string, subnet: string | undefined): string | undefined {
  if (!isIpv6(gateway)) return `'${gateway}' is not an IPv6 address, such as fd00:1::1`;
  if (subnet === undefined) return `'${gateway}' is given without an IPv6 subnet: give the subnet as well`;
  if (subnet6Problem(subnet) !== undefined) return undefined;
  const cidr = parseCidr6(subnet);
  if (!cidr6Contains(cidr, parseIpv6(gateway))) return `'${gateway}' is outside of subnet ${subnet}: choose an address within it`;
  // RFC 4291 section 2.6.1: the address without host bits is every router's.
  return sameIpv6(cidr.base, parseIpv6(gateway)) ? `'${gateway}' is the network address of ${subnet}: choose a host address` : undefined;
}

/** For a subnet or gateway of a network that was not asked to have IPv6. */
export function withoutIpv6(text: string): string {
  return `'${text}' is given, but IPv6 is not asked for: turn it on (--ipv6; in a compose file, enable_ipv6: true), or leave it out`;
}

function explained(problem: () => string | undefined): string | undefined {
  try {
    return problem();
  } catch (error) {
    if (error instanceof AddressError) return error.message;
    throw error;
  }
}
