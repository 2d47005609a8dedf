/**
 * What the rewriting of a flow does to checksums, worked out once when the flow begins.
 *
 * Toward the endpoint, client → VIP becomes balancer → endpoint. Every packet of the flow changes the same words by the same
 * amounts, so two 16-bit sums say it all: of the addresses (the IPv4 header, and a partial L4 checksum, see wire/virtio) and
 * of addresses and ports (a full L4 checksum). The way back is the opposite amount: in ones' complement, the complement.
 *
 * An ICMP query has one number where others have two ports: its identifier stands for the port of whoever asks, and the
 * port of whoever answers is 0.
 */
import { addSums, delta16, fold } from '../wire/checksum.js';

/** The folded sum of an IPv4 address, as `AddressBook.sum` gives it for IPv6. */
export function addressSum4(address: number): number {
  return fold((address >>> 16) + (address & 0xffff));
}

/**
 * Addresses' sum << 16 | addresses' and ports' sum. int32. Addresses are given by their folded sums; ports are
 * `client << 16 | vip` and `endpoint << 16 | balancer`.
 */
export function planDeltas(clientSum: number, vipSum: number, clientPorts: number, balancerSum: number, endpointSum: number, endpointPorts: number): number {
  const addresses = addSums(delta16(clientSum, balancerSum), delta16(vipSum, endpointSum));
  const source = delta16(clientPorts >>> 16, endpointPorts & 0xffff);
  const destination = delta16(clientPorts & 0xffff, endpointPorts >>> 16);
  return (addresses << 16) | addSums(addresses, addSums(source, destination));
}
