/**
 * What each node has of its own on a network: a gateway and a balancer address. Replies to a balancer have to come back to the node that
 * balances, and errors to the node that caused them, so no two nodes share one. The first node on a network has those of the network.
 */
import { AddressesTakenError, NotFoundError } from '../model/errors.js';
import type { NetworkObject, NodeAddresses } from '../model/object.js';
import { addressKey, attachedKey, BALANCER, networkKey, type Attached, type Owned } from '../store/keys.js';
import type { Store } from '../store/store.js';
import type { Transaction } from '../store/transaction.js';
import { transact } from '../store/transaction.js';
import { allocateAddresses, releaseAddresses } from './addresses.js';

/**
 * What the node has on the network, drawn from its pool at first. Throws NotFoundError, AddressPoolError.
 * @param had what it uses already, though the store may have forgotten that: these and no others; throws AddressesTakenError if somebody else has them
 */
export function attachNode(store: Store, networkId: string, nodeId: string, had?: NodeAddresses): Promise<NodeAddresses> {
  return transact(store, async (transaction) => {
    const network = await transaction.get<NetworkObject>(networkKey(networkId));
    if (!network) throw new NotFoundError('network', networkId);
    const attached = (await transaction.get<Attached>(attachedKey(networkId))) ?? {};
    const known = attached[nodeId];
    if (known) return known;
    const first = Object.values(attached).every(({ balancer }) => balancer !== network.balancer);
    const own = had ? await takeAgain(transaction, network, had, first) : first ? addressesOf(network) : await draw(transaction, network);
    transaction.put(attachedKey(networkId), { ...attached, [nodeId]: own } satisfies Attached);
    return own;
  });
}

/** Gives back what the node has on the network. It must not use it any more. What is not there is no error. */
export function detachNode(store: Store, networkId: string, nodeId: string): Promise<void> {
  return transact(store, async (transaction) => {
    const network = await transaction.get<NetworkObject>(networkKey(networkId));
    const attached = (await transaction.get<Attached>(attachedKey(networkId))) ?? {};
    const { [nodeId]: own, ...others } = attached;
    if (!own) return;
    if (Object.keys(others).length > 0) transaction.put(attachedKey(networkId), others);
    else transaction.delete(attachedKey(networkId));
    // The network's own go with the network.
    if (own.balancer === network?.balancer) return;
    const { gateway, gateway6, balancer, balancer6 } = own;
    releaseAddresses(transaction, { networkId, address: gateway, ...(gateway6 !== undefined && { address6: gateway6 }) });
    releaseAddresses(transaction, { networkId, address: balancer, ...(balancer6 !== undefined && { address6: balancer6 }) });
  });
}

/** The network as a node has it that has `own` there. */
export function networkOnNode(network: NetworkObject, own: NodeAddresses): NetworkObject {
  return { ...network, ...own };
}

export function sameAddresses(a: NodeAddresses, b: NodeAddresses): boolean {
  return a.gateway === b.gateway && a.balancer === b.balancer && a.gateway6 === b.gateway6 && a.balancer6 === b.balancer6;
}

function addressesOf({ gateway, balancer, gateway6, balancer6 }: NetworkObject): NodeAddresses {
  return { gateway, balancer, ...(gateway6 !== undefined && { gateway6 }), ...(balancer6 !== undefined && { balancer6 }) };
}

async function takeAgain(transaction: Transaction, network: NetworkObject, had: NodeAddresses, first: boolean): Promise<NodeAddresses> {
  if (sameAddresses(had, addressesOf(network))) {
    if (!first) throw new AddressesTakenError(network.spec.name);
    return had;
  }
  for (const address of [had.gateway, had.balancer, had.gateway6, had.balancer6]) {
    if (address === undefined) continue;
    const key = addressKey(network.id, address);
    if ((await transaction.get<Owned>(key)) !== undefined) throw new AddressesTakenError(network.spec.name);
    transaction.create(key, { owner: BALANCER } satisfies Owned);
  }
  return had;
}

async function draw(transaction: Transaction, network: NetworkObject): Promise<NodeAddresses> {
  const balancer = await allocateAddresses(transaction, network, BALANCER);
  const gateway = await allocateAddresses(transaction, network, BALANCER);
  return {
    gateway: gateway.address,
    balancer: balancer.address,
    ...(gateway.address6 !== undefined && { gateway6: gateway.address6 }),
    ...(balancer.address6 !== undefined && { balancer6: balancer.address6 }),
  };
}
