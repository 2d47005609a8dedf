/**
 * Addresses on a network, allocated and released within a store transaction. An address is a key of its own, made by
 * create-if-absent: no two owners can have it. The order of trying is ipam.ts's.
 */
import { formatIpv4, parseCidr, parseIpv4 } from '../../proxy/net/addr.js';
import { AddressPoolError } from '../model/errors.js';
import type { NetworkObject } from '../model/object.js';
import type { Owned, Pool } from '../store/keys.js';
import { addressKey, poolKey } from '../store/keys.js';
import type { Transaction } from '../store/transaction.js';
import { addressOrder, poolSize } from './ipam.js';

export type AddressedNetwork = Pick<NetworkObject, 'id' | 'subnet' | 'gateway'> & { readonly spec: { readonly name: string } };

/** The next free address, as text. `network` must have been read with this transaction. Throws AddressPoolError. */
export async function allocateAddress(transaction: Transaction, network: AddressedNetwork, owner: string): Promise<string> {
  const subnet = parseCidr(network.subnet);
  const pool = (await transaction.peek<Pool>(poolKey(network.id))) ?? {};
  const last = pool.last === undefined ? undefined : parseIpv4(pool.last);
  for (const candidate of addressOrder(subnet, parseIpv4(network.gateway), last)) {
    const address = formatIpv4(candidate);
    const key = addressKey(network.id, address);
    if ((await transaction.peek<Owned>(key)) !== undefined) continue;
    transaction.create(key, { owner } satisfies Owned);
    transaction.put(poolKey(network.id), { last: address } satisfies Pool);
    return address;
  }
  throw new AddressPoolError(`network '${network.spec.name}' has no free address: all ${poolSize(subnet)} of its pool ${network.subnet} are in use; scale down, or use a network with a larger subnet`);
}

export function releaseAddress(transaction: Transaction, networkId: string, address: string): void {
  transaction.delete(addressKey(networkId, address));
}

/**
 * Marks the network as changed by whoever joins it without an address: a removal of the network that has not seen the
 * newcomer then fails and looks again.
 */
export async function joinWithoutAddress(transaction: Transaction, networkId: string): Promise<void> {
  transaction.put(poolKey(networkId), (await transaction.peek<Pool>(poolKey(networkId))) ?? {});
}
