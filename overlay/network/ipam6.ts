/**
 * Which IPv6 address or subnet comes next: ipam.ts for the other family. Pure choices over what is taken.
 *
 * A network without a subnet of its own gets a /64 of the mesh's own prefix, which is unique local (RFC 4193): `fd`, 40
 * random bits drawn once, and 16 bits that number the networks. A prefix that all installations share would be simpler to
 * recognise, but two meshes that meet later, on one host or over a tunnel, would both have the same networks.
 */
import type { Cidr6, Ipv6 } from '../../proxy/net/addr6.js';
import { cidrs6Overlap, formatCidr6, parseCidr6 } from '../../proxy/net/addr6.js';
import { AddressPoolError } from '../model/errors.js';

const SUBNET_LENGTH = 64;
const ULA_LENGTH = 48;

/**
 * The unique local prefix of RFC 4193 section 3.1 with these ten hexadecimal digits as its Global ID, which must be random.
 */
export function uniqueLocalPrefix(globalId: string): Cidr6 {
  const [first = '', second = '', third = ''] = [globalId.slice(0, 2), globalId.slice(2, 6), globalId.slice(6, 10)];
  return parseCidr6(`fd${first}:${second}:${third}::/${ULA_LENGTH}`);
}

/** The first free /64 of `prefix`, a /48; the one numbered 0 is left to ingress. Throws AddressPoolError. */
export function chooseSubnet6(prefix: Cidr6, taken: readonly Cidr6[]): Cidr6 {
  const count = 2 ** (SUBNET_LENGTH - ULA_LENGTH);
  for (let index = 1; index < count; index++) {
    const subnet: Cidr6 = { base: [prefix.base[0], prefix.base[1] | index, 0, 0], length: SUBNET_LENGTH };
    if (!taken.some((other) => cidrs6Overlap(subnet, other))) return subnet;
  }
  throw new AddressPoolError(`no /${SUBNET_LENGTH} is free in the pool ${formatCidr6(prefix)} (${count} subnets): ${taken.length} networks cover it; name a subnet with --subnet`);
}

/** Bits that number the hosts of a subnet: the low 32 are enough for any mesh. */
function hostBits(subnet: Cidr6): number {
  return Math.min(32, 128 - subnet.length);
}

/**
 * Host addresses of the subnet, each once, in the order in which to try them: upward from the one after `last`, then round
 * from the start, without `gateway`. Of a subnet larger than a /96 only the first 2^32 are given. The first address of all
 * is every router's (RFC 4291 section 2.6.1) and left out; there is no broadcast address.
 */
export function* addressOrder6(subnet: Cidr6, gateway: Ipv6 | undefined, last?: Ipv6): Generator<Ipv6, void, undefined> {
  const [w0, w1, w2, w3] = subnet.base;
  const hosts = 2 ** hostBits(subnet) - 1;
  const start = last === undefined ? 0 : (last[3] - w3) >>> 0;
  const skipped = gateway !== undefined && gateway[0] === w0 && gateway[1] === w1 && gateway[2] === w2 ? gateway[3] : w3;
  for (let i = 0; i < hosts; i++) {
    const word = (w3 + 1 + ((start + i) % hosts)) | 0;
    if (word !== skipped) yield [w0, w1, w2, word];
  }
}

/** How many addresses `addressOrder6` gives when the gateway is among them. */
export function poolSize6(subnet: Cidr6): number {
  return 2 ** hostBits(subnet) - 2;
}
