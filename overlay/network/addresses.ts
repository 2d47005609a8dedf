/**
 * Addresses on a network, allocated and released within a store transaction. An address is a key of its own, made by
 * create-if-absent: no two owners can have it. The order of trying is ipam.ts's and ipam6.ts's.
 */
import { formatIpv4, parseCidr, parseIpv4 } from '../../proxy/net/addr.js';
import { formatIpv6, parseCidr6, parseIpv6 } from '../../proxy/net/addr6.js';
import { AddressPoolError } from '../model/errors.js';
import type { NetworkObject, VirtualIp } from '../model/object.js';
import type { Owned, Pool } from '../store/keys.js';
import { addressKey, poolKey } from '../store/keys.js';
import type { Transaction } from '../store/transaction.js';
import { addressOrder, poolSize } from './ipam.js';
import { addressOrder6, poolSize6 } from './ipam6.js';

export type AddressedNetwork = Pick<NetworkObject, 'id' | 'subnet' | 'gateway' | 'subnet6' | 'gateway6'> & { readonly spec: { readonly name: string } };

/** Of one owner on one network. */
export type Addresses = Pick<VirtualIp, 'address' | 'address6'>;

/** The next free address of each family that the network has. `network` must have been read with this transaction. Throws AddressPoolError. */
export async function allocateAddresses(transaction: Transaction, network: AddressedNetwork, owner: string): Promise<Addresses> {
  const address = await allocate(transaction, network, owner);
  return network.subnet6 === undefined ? { address } : { address, address6: await allocate6(transaction, { ...network, subnet6: network.subnet6 }, owner) };
}

async function allocate(transaction: Transaction, network: AddressedNetwork, owner: string): Promise<string> {
  const subnet = parseCidr(network.subnet);
  const pool = await poolOf(transaction, network.id);
  const last = pool.last === undefined ? undefined : parseIpv4(pool.last);
  for (const candidate of addressOrder(subnet, parseIpv4(network.gateway), last)) {
    const address = formatIpv4(candidate);
    if (await take(transaction, network.id, address, owner, { ...pool, last: address })) return address;
  }
  throw exhausted(network.spec.name, network.subnet, poolSize(subnet));
}

async function allocate6(transaction: Transaction, network: AddressedNetwork & { readonly subnet6: string }, owner: string): Promise<string> {
  const subnet = parseCidr6(network.subnet6);
  const pool = await poolOf(transaction, network.id);
  const last = pool.last6 === undefined ? undefined : parseIpv6(pool.last6);
  const gateway = network.gateway6 === undefined ? undefined : parseIpv6(network.gateway6);
  for (const candidate of addressOrder6(subnet, gateway, last)) {
    const address = formatIpv6(candidate);
    if (await take(transaction, network.id, address, owner, { ...pool, last6: address })) return address;
  }
  throw exhausted(network.spec.name, network.subnet6, poolSize6(subnet));
}

/** False when somebody has it. */
async function take(transaction: Transaction, networkId: string, address: string, owner: string, pool: Pool): Promise<boolean> {
  const key = addressKey(networkId, address);
  if ((await transaction.peek<Owned>(key)) !== undefined) return false;
  transaction.create(key, { owner } satisfies Owned);
  transaction.put(poolKey(networkId), pool);
  return true;
}

function exhausted(name: string, subnet: string, size: number): AddressPoolError {
  return new AddressPoolError(`network '${name}' has no free address: all ${size} of its pool ${subnet} are in use; scale down, or use a network with a larger subnet`);
}

export function releaseAddresses(transaction: Transaction, { networkId, address, address6 }: Pick<VirtualIp, 'networkId' | 'address' | 'address6'>): void {
  transaction.delete(addressKey(networkId, address));
  if (address6 !== undefined) transaction.delete(addressKey(networkId, address6));
}

/**
 * Marks the network as changed by whoever joins it without an address: a removal of the network that has not seen the
 * newcomer then fails and looks again.
 */
export async function joinWithoutAddress(transaction: Transaction, networkId: string): Promise<void> {
  transaction.put(poolKey(networkId), await poolOf(transaction, networkId));
}

async function poolOf(transaction: Transaction, networkId: string): Promise<Pool> {
  return (await transaction.peek<Pool>(poolKey(networkId))) ?? {};
}
