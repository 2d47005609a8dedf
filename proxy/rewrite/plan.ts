/**
 * What the rewriting of a flow does to checksums, worked out once when the flow begins.
 *
 * Toward the endpoint, client → VIP becomes balancer → endpoint. Every packet of the flow changes the same words by the same
 * amounts, so two 16-bit sums say it all: of the addresses (the IP header, and a partial L4 checksum, see wire/virtio) and
 * of addresses and ports (a full L4 checksum). The way back is the opposite amount: in ones' complement, the complement.
 */
import { addSums, delta16, delta32 } from '../wire/checksum.js';

/** Addresses' sum << 16 | addresses' and ports' sum. int32. Ports are `client << 16 | vip` and `endpoint << 16 | balancer`. */
export function planDeltas(client: number, vip: number, clientPorts: number, balancer: number, endpoint: number, endpointPorts: number): number {
  const addresses = addSums(delta32(client, balancer), delta32(vip, endpoint));
  const source = delta16(clientPorts >>> 16, endpointPorts & 0xffff);
  const destination = delta16(clientPorts & 0xffff, endpointPorts >>> 16);
  return (addresses << 16) | addSums(addresses, addSums(source, destination));
}
