/**
 * Networks in the store: each created or removed in one transaction, with its name, subnet, VNI and balancer address.
 * Devices and namespaces are the agent's.
 */
import type { Cidr } from '../../proxy/net/addr.js';
import { cidrsOverlap, formatCidr, formatIpv4, parseCidr } from '../../proxy/net/addr.js';
import type { Context } from '../model/context.js';
import { timestamp } from '../model/context.js';
import { AddressPoolError, InUseError, NameTakenError, NotFoundError, ReservedNetworkError, SubnetTakenError } from '../model/errors.js';
import { INGRESS } from '../model/names.js';
import type { NetworkObject, ServiceObject, TaskObject } from '../model/object.js';
import type { NetworkSpec } from '../model/spec.js';
import { isEnded } from '../model/task-state.js';
import type { Owned, Pool, Subnets } from '../store/keys.js';
import { ADDRESSES, BALANCER, SERVICES, SUBNETS, TASKS, VNIS, nameKey, networkKey, poolKey, vniKey } from '../store/keys.js';
import type { Store } from '../store/store.js';
import type { Transaction } from '../store/transaction.js';
import { transact } from '../store/transaction.js';
import { allocateAddress } from './addresses.js';
import { isAttached } from './attachments.js';
import { chooseSubnet } from './ipam.js';

/** VXLAN network identifiers have 24 bits (RFC 7348 §5); Swarm's begin here. */
const INGRESS_VNI = 4096;
const MAX_VNI = 2 ** 24 - 1;

/**
 * Creates a network. `routes` are the host's own: a subnet that we choose keeps clear of them; one that the user chose may
 * cover them. Throws NameTakenError, SubnetTakenError, AddressPoolError.
 */
export function createNetwork(store: Store, spec: NetworkSpec, context: Context, routes: readonly Cidr[] = []): Promise<NetworkObject> {
  return transact(store, (transaction) => create(transaction, spec, false, context, routes));
}

/** The ingress network, made on first use: 10.0.0.0/24 unless the host's routes forbid it. */
export function ensureIngress(store: Store, context: Context, routes: readonly Cidr[] = []): Promise<NetworkObject> {
  return transact(store, async (transaction) => {
    const named = await transaction.get<Owned>(nameKey('network', INGRESS));
    const existing = named && (await transaction.get<NetworkObject>(named.owner));
    return existing ?? create(transaction, { name: INGRESS, driver: 'overlay', internal: false, labels: {} }, true, context, routes);
  });
}

/** Removes a network by its id. Throws NotFoundError, ReservedNetworkError, and InUseError that names who uses it. */
export function removeNetwork(store: Store, id: string): Promise<void> {
  return transact(store, async (transaction) => {
    const network = await transaction.get<NetworkObject>(networkKey(id));
    if (!network) throw new NotFoundError('network', id);
    if (network.ingress) throw new ReservedNetworkError('removed');
    // Everyone who joins rewrites the pool's key, so nobody can join between this and the commit.
    await transaction.get<Pool>(poolKey(id));
    const users = await usersOf(transaction, network);
    if (users.length > 0) throw new InUseError(`network '${network.spec.name}'`, users, 'remove these first');
    const subnets = (await transaction.get<Subnets>(SUBNETS)) ?? {};
    transaction.put(SUBNETS, Object.fromEntries(Object.entries(subnets).filter(([, owner]) => owner !== networkKey(id))));
    for (const { key } of await transaction.list(`${ADDRESSES}${id}/`)) transaction.delete(key);
    for (const key of [networkKey(id), nameKey('network', network.spec.name), poolKey(id), vniKey(network.vni)]) transaction.delete(key);
  });
}

async function usersOf(transaction: Transaction, network: NetworkObject): Promise<string[]> {
  const services = await transaction.list<ServiceObject>(SERVICES);
  const tasks = await transaction.list<TaskObject>(TASKS);
  return [
    ...services.filter(({ value }) => isAttached(value.spec, network)).map(({ value }) => `service '${value.spec.name}'`),
    ...tasks.filter(({ value }) => !isEnded(value) && value.addresses.some(({ networkId }) => networkId === network.id)).map(({ value }) => `task '${value.name}'`),
  ];
}

async function create(transaction: Transaction, spec: NetworkSpec, ingress: boolean, context: Context, routes: readonly Cidr[]): Promise<NetworkObject> {
  if ((await transaction.get(nameKey('network', spec.name))) !== undefined) throw new NameTakenError('network', spec.name);
  const id = context.newId();
  const subnets = (await transaction.get<Subnets>(SUBNETS)) ?? {};
  const taken = Object.keys(subnets).map(parseCidr);
  const subnet = spec.subnet === undefined ? chooseSubnet(taken, routes, ingress) : parseCidr(spec.subnet);
  const overlapping = taken.find((other) => cidrsOverlap(other, subnet));
  if (overlapping) throw new SubnetTakenError(formatCidr(subnet), formatCidr(overlapping), await nameOf(transaction, subnets[formatCidr(overlapping)]));
  const addressed = { id, spec, subnet: formatCidr(subnet), gateway: spec.gateway ?? formatIpv4(subnet.base + 1) };
  const network: NetworkObject = {
    ...addressed,
    ingress,
    balancer: await allocateAddress(transaction, addressed, BALANCER),
    vni: await allocateVni(transaction, ingress, networkKey(id)),
    createdAt: timestamp(context),
  };
  transaction.create(networkKey(id), network);
  transaction.create(nameKey('network', spec.name), { owner: networkKey(id) } satisfies Owned);
  transaction.put(SUBNETS, { ...subnets, [network.subnet]: networkKey(id) } satisfies Subnets);
  return network;
}

async function nameOf(transaction: Transaction, key: string | undefined): Promise<string> {
  const network = key === undefined ? undefined : await transaction.peek<NetworkObject>(key);
  return network?.spec.name ?? 'unknown';
}

/** The lowest free one: 4096 is ingress's, the others begin at 4097. */
async function allocateVni(transaction: Transaction, ingress: boolean, owner: string): Promise<number> {
  const taken = new Set((await transaction.list(VNIS)).map(({ key }) => key));
  let vni = ingress ? INGRESS_VNI : INGRESS_VNI + 1;
  while (taken.has(vniKey(vni))) vni += 1;
  if (vni > MAX_VNI) throw new AddressPoolError(`no VNI is free in ${INGRESS_VNI} to ${MAX_VNI}: remove a network`);
  transaction.create(vniKey(vni), { owner } satisfies Owned);
  return vni;
}
