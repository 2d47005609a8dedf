/**
 * Which address or subnet comes next: pure choices over what is taken. Making sure of it in the store is networks.ts's and
 * addresses.ts's part.
 */
import type { Cidr } from '../../proxy/net/addr.js';
import { cidrSize, cidrsOverlap, formatCidr, parseCidr } from '../../proxy/net/addr.js';
import { AddressPoolError } from '../model/errors.js';

/** Where networks without a subnet of their own get one, in steps of a /24. */
export const SUBNET_POOL = parseCidr('10.0.0.0/8');
const SUBNET_LENGTH = 24;

/**
 * Every host address of the subnet once, in the order in which to try them: upward from the one after `last`, then round
 * from the start. Going on from the last one keeps a released address unused for as long as possible, so that nobody's
 * stale connection reaches a stranger. The network and broadcast addresses and `gateway` are left out.
 */
export function* addressOrder(subnet: Cidr, gateway: number, last?: number): Generator<number, void, undefined> {
  const hosts = cidrSize(subnet) - 2;
  const start = last === undefined ? 0 : (last - subnet.base) >>> 0;
  for (let i = 0; i < hosts; i++) {
    const address = (subnet.base + 1 + ((start + i) % hosts)) | 0;
    if (address !== gateway) yield address;
  }
}

/** How many addresses `addressOrder` gives. */
export function poolSize(subnet: Cidr): number {
  return cidrSize(subnet) - 3;
}

/**
 * The first free /24 of the pool, 10.0.0.0/8 unless another is given: from its first for the ingress network and from its second for all others. Free means
 * that it overlaps no network in `taken` and none of the host's own routes in `routes`: a task could not reach what is
 * behind them. A route that covers the whole pool (the default route, a 10.0.0.0/8) cannot be avoided and is not counted.
 * Throws AddressPoolError.
 */
export function chooseSubnet(taken: readonly Cidr[], routes: readonly Cidr[], ingress: boolean, pool: Cidr = SUBNET_POOL): Cidr {
  const avoid = [...taken, ...routes.filter((route) => route.length > pool.length)];
  const count = 2 ** (SUBNET_LENGTH - pool.length);
  for (let index = ingress ? 0 : 1; index < count; index++) {
    const subnet: Cidr = { base: (pool.base + index * 2 ** (32 - SUBNET_LENGTH)) | 0, length: SUBNET_LENGTH };
    if (!avoid.some((other) => cidrsOverlap(subnet, other))) return subnet;
  }
  throw new AddressPoolError(`no /${SUBNET_LENGTH} is free in the pool ${formatCidr(pool)} (${count} subnets): ${taken.length} networks and ${routes.length} routes of this host cover it; name a subnet with --subnet`);
}
