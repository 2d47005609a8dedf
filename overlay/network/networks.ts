/**
 * Networks in the store: each created or removed in one transaction, with its name, subnets, VNI and balancer addresses.
 * Devices and namespaces are the agent's.
 */
import type { Cidr } from '../../proxy/net/addr.js';
import { cidrsOverlap, formatCidr, formatIpv4, parseCidr } from '../../proxy/net/addr.js';
import type { Cidr6 } from '../../proxy/net/addr6.js';
import { cidrs6Overlap, formatCidr6, formatIpv6, parseCidr6, parseIpv6 } from '../../proxy/net/addr6.js';
import type { Context } from '../model/context.js';
import { timestamp } from '../model/context.js';
import { AddressPoolError, InUseError, NameTakenError, NotFoundError, ReservedNetworkError, SubnetTakenError } from '../model/errors.js';
import { INGRESS } from '../model/names.js';
import type { NetworkObject, ServiceObject, TaskObject } from '../model/object.js';
import type { NetworkSpec } from '../model/spec.js';
import { isEnded } from '../model/task-state.js';
import type { Owned, Pool, Subnets, UniqueLocal } from '../store/keys.js';
import { ADDRESSES, attachedKey, BALANCER, SERVICES, SUBNETS, TASKS, ULA, VNIS, nameKey, networkKey, poolKey, vniKey } from '../store/keys.js';
import { deleteInParts } from '../store/parts.js';
import type { Store } from '../store/store.js';
import type { Transaction } from '../store/transaction.js';
import { transact } from '../store/transaction.js';
import { allocateAddresses } from './addresses.js';
import { isAttached } from './attachments.js';
import { chooseSubnet } from './ipam.js';
import { chooseSubnet6, uniqueLocalPrefix } from './ipam6.js';

/** VXLAN network identifiers have 24 bits (RFC 7348 §5); Swarm's begin here. */
const INGRESS_VNI = 4096;
const MAX_VNI = 2 ** 24 - 1;

/**
 * Creates a network. `routes` are the host's own IPv4 routes: a subnet that we choose keeps clear of them; one that the user
 * chose may cover them. `pool`: where it chooses one (chooseSubnet). An IPv6 subnet that we choose is of a prefix that nobody else has. Throws NameTakenError, SubnetTakenError, AddressPoolError.
 */
export function createNetwork(store: Store, spec: NetworkSpec, context: Context, routes: readonly Cidr[] = [], pool?: Cidr): Promise<NetworkObject> {
  return transact(store, (transaction) => create(transaction, spec, false, context, routes, pool));
}

/** The ingress network, made on first use: 10.0.0.0/24 unless the host's routes forbid it. IPv4: published ports are listened to on both families by the relay. */
export function ensureIngress(store: Store, context: Context, routes: readonly Cidr[] = [], pool?: Cidr): Promise<NetworkObject> {
  return transact(store, async (transaction) => {
    const named = await transaction.get<Owned>(nameKey('network', INGRESS));
    const existing = named && (await transaction.get<NetworkObject>(named.owner));
    return existing ?? create(transaction, { name: INGRESS, driver: 'overlay', ipv6: false, internal: false, labels: {} }, true, context, routes, pool);
  });
}

/** Removes a network by its id. Throws NotFoundError, ReservedNetworkError, and InUseError that names who uses it. */
export async function removeNetwork(store: Store, id: string): Promise<void> {
  await transact(store, async (transaction) => {
    const network = await transaction.get<NetworkObject>(networkKey(id));
    if (!network) throw new NotFoundError('network', id);
    if (network.ingress) throw new ReservedNetworkError('removed');
    // Everyone who joins rewrites the pool's key, so nobody can join between this and the commit.
    await transaction.get<Pool>(poolKey(id));
    const users = await usersOf(transaction, network);
    if (users.length > 0) throw new InUseError(`network '${network.spec.name}'`, users, 'remove these first');
    const subnets = (await transaction.get<Subnets>(SUBNETS)) ?? {};
    transaction.put(SUBNETS, Object.fromEntries(Object.entries(subnets).filter(([, owner]) => owner !== networkKey(id))));
    for (const key of [networkKey(id), nameKey('network', network.spec.name), poolKey(id), attachedKey(id), vniKey(network.vni)]) transaction.delete(key);
  });
  // Those that nodes had; nobody can have one any more, and no other network will have this id.
  await deleteInParts(store, (await store.list(`${ADDRESSES}${id}/`)).entries.map(({ key }) => key));
}

async function usersOf(transaction: Transaction, network: NetworkObject): Promise<string[]> {
  const services = await transaction.list<ServiceObject>(SERVICES);
  const tasks = await transaction.list<TaskObject>(TASKS);
  return [
    ...services.filter(({ value }) => isAttached(value.spec, network)).map(({ value }) => `service '${value.spec.name}'`),
    ...tasks.filter(({ value }) => !isEnded(value) && value.addresses.some(({ networkId }) => networkId === network.id)).map(({ value }) => `task '${value.name}'`),
  ];
}

async function create(transaction: Transaction, spec: NetworkSpec, ingress: boolean, context: Context, routes: readonly Cidr[], pool: Cidr | undefined): Promise<NetworkObject> {
  if ((await transaction.get(nameKey('network', spec.name))) !== undefined) throw new NameTakenError('network', spec.name);
  const id = context.newId();
  const subnets = (await transaction.get<Subnets>(SUBNETS)) ?? {};
  const taken = Object.keys(subnets).filter((text) => !isIpv6Subnet(text)).map(parseCidr);
  const subnet = spec.subnet === undefined ? chooseSubnet(taken, routes, ingress, pool) : parseCidr(spec.subnet);
  const overlapping = taken.find((other) => cidrsOverlap(other, subnet));
  if (overlapping) throw new SubnetTakenError(formatCidr(subnet), formatCidr(overlapping), await nameOf(transaction, subnets[formatCidr(overlapping)]));
  const addressed = {
    id,
    spec,
    subnet: formatCidr(subnet),
    gateway: spec.gateway ?? formatIpv4(subnet.base + 1),
    ...(spec.ipv6 ? await chooseIpv6(transaction, spec, context, subnets) : {}),
  };
  const balancer = await allocateAddresses(transaction, addressed, BALANCER);
  const network: NetworkObject = {
    ...addressed,
    ingress,
    balancer: balancer.address,
    ...(balancer.address6 !== undefined && { balancer6: balancer.address6 }),
    vni: await allocateVni(transaction, ingress, networkKey(id)),
    createdAt: timestamp(context),
  };
  transaction.create(networkKey(id), network);
  transaction.create(nameKey('network', spec.name), { owner: networkKey(id) } satisfies Owned);
  const own = [network.subnet, network.subnet6].filter((text) => text !== undefined);
  transaction.put(SUBNETS, { ...subnets, ...Object.fromEntries(own.map((text) => [text, networkKey(id)])) } satisfies Subnets);
  return network;
}

async function chooseIpv6(transaction: Transaction, spec: NetworkSpec, context: Context, subnets: Subnets): Promise<{ subnet6: string; gateway6: string }> {
  const taken = Object.keys(subnets).filter(isIpv6Subnet).map(parseCidr6);
  const subnet = spec.subnet6 === undefined ? chooseSubnet6(await uniqueLocal(transaction, context), taken) : parseCidr6(spec.subnet6);
  const overlapping = taken.find((other) => cidrs6Overlap(other, subnet));
  if (overlapping) throw new SubnetTakenError(formatCidr6(subnet), formatCidr6(overlapping), await nameOf(transaction, subnets[formatCidr6(overlapping)]));
  const [w0, w1, w2, w3] = subnet.base;
  return { subnet6: formatCidr6(subnet), gateway6: formatIpv6(spec.gateway6 === undefined ? [w0, w1, w2, w3 + 1] : parseIpv6(spec.gateway6)) };
}

/** The mesh's own prefix, drawn when the first network needs it. */
async function uniqueLocal(transaction: Transaction, context: Context): Promise<Cidr6> {
  const known = await transaction.get<UniqueLocal>(ULA);
  if (known) return parseCidr6(known.prefix);
  // An id is 48 random bits, of which a Global ID takes 40.
  const prefix = uniqueLocalPrefix(context.newId().slice(-10));
  transaction.create(ULA, { prefix: formatCidr6(prefix) } satisfies UniqueLocal);
  return prefix;
}

function isIpv6Subnet(text: string): boolean {
  return text.includes(':');
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
