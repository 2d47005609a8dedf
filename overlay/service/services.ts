/**
 * Services in the store. Creating, updating, scaling and removing are one transaction each, with the service's name, VIPs
 * and ports: nothing half-made remains after an error. Tasks follow by reconciliation (reconcile.ts).
 */
import { isDeepStrictEqual } from 'node:util';
import type { Context } from '../model/context.js';
import { timestamp } from '../model/context.js';
import { NameTakenError, NoPreviousSpecError, NotFoundError, ValidationError } from '../model/errors.js';
import type { NetworkObject, ServiceObject, UpdateStatus, VirtualIp } from '../model/object.js';
import type { ServiceSpec } from '../model/spec.js';
import { allocateAddresses, joinWithoutAddress, releaseAddresses } from '../network/addresses.js';
import { needsIngress, resolveAttachments } from '../network/attachments.js';
import type { BusyPorts } from '../network/ports.js';
import { changePorts } from '../network/ports.js';
import type { Owned } from '../store/keys.js';
import { nameKey, serviceKey } from '../store/keys.js';
import type { Store } from '../store/store.js';
import type { Transaction } from '../store/transaction.js';
import { transact } from '../store/transaction.js';

export interface ServiceOptions {
  /** Host ports that are not to be chosen. */
  readonly busyPorts?: BusyPorts;
}

/**
 * Throws NameTakenError, NotFoundError (a network), ReservedNetworkError, AddressPoolError, PortTakenError.
 * Published ports need the ingress network: see ensureIngress.
 */
export function createService(store: Store, spec: ServiceSpec, context: Context, options: ServiceOptions = {}): Promise<ServiceObject> {
  return transact(store, async (transaction) => {
    if ((await transaction.get(nameKey('service', spec.name))) !== undefined) throw new NameTakenError('service', spec.name);
    const id = context.newId();
    const networks = await resolveAttachments(transaction, spec.networks, needsIngress(spec));
    const now = timestamp(context);
    const service: ServiceObject = {
      id,
      spec,
      version: 1,
      vips: await changeVips(transaction, id, [], spec, networks),
      ports: await changePorts(transaction, serviceKey(id), [], spec.ports, options.busyPorts),
      createdAt: now,
      updatedAt: now,
    };
    transaction.create(serviceKey(id), service);
    transaction.create(nameKey('service', spec.name), { owner: serviceKey(id) } satisfies Owned);
    return service;
  });
}

/**
 * Replaces the spec. Name and mode cannot change. VIPs on networks that stay, and chosen ports, stay the same. `version` grows
 * only when tasks must be replaced: when what they run or the networks that they are on changes. A spec that says the same
 * changes nothing. An update that was paused goes on. Throws what createService throws, and ValidationError for another name or mode.
 */
export function updateService(store: Store, id: string, spec: ServiceSpec, context: Context, options: ServiceOptions = {}): Promise<ServiceObject> {
  return transact(store, async (transaction) => {
    const old = await readService(transaction, id);
    if (spec.name !== old.spec.name) {
      throw new ValidationError([{ path: 'name', message: `name: '${spec.name}' differs from '${old.spec.name}', and a service's name cannot change: create another service instead` }]);
    }
    if (spec.mode !== old.spec.mode) {
      throw new ValidationError([{ path: 'mode', message: `mode: service '${spec.name}' is ${old.spec.mode}, and that cannot change: remove it and create it again` }]);
    }
    const isPaused = old.updateStatus?.state === 'paused' || old.updateStatus?.state === 'rollback_paused';
    if (isDeepStrictEqual(spec, old.spec) && !isPaused) return old;
    const before = await resolveAttachments(transaction, old.spec.networks, needsIngress(old.spec));
    const networks = await resolveAttachments(transaction, spec.networks, needsIngress(spec));
    const sameTasks = isDeepStrictEqual(spec.task, old.spec.task) && isDeepStrictEqual(networks.map(idOf), before.map(idOf));
    const { sameVersions = [], previousSpec, previousVersions, updateStatus, ...rest } = old;
    const isNew = !sameTasks || isPaused;
    // What was never completed is nothing to go back to; and what goes on has begun where it began.
    const isUnfinished = updateStatus !== undefined && (updateStatus.state === 'updating' || updateStatus.state === 'paused');
    const previous = isUnfinished && previousSpec && previousVersions ? { previousSpec, previousVersions } : { previousSpec: old.spec, previousVersions: [old.version, ...sameVersions] };
    const service: ServiceObject = {
      ...rest,
      spec,
      version: isNew ? old.version + 1 : old.version,
      ...sameFrom(sameTasks ? (isNew ? [old.version, ...sameVersions] : sameVersions) : []),
      ...previous,
      ...(isNew ? { updateStatus: begun('updating', context) } : updateStatus && { updateStatus }),
      vips: await changeVips(transaction, id, old.vips, spec, networks),
      ports: await changePorts(transaction, serviceKey(id), old.ports, spec.ports, options.busyPorts),
      updatedAt: timestamp(context),
    };
    transaction.put(serviceKey(id), service);
    return service;
  });
}

/**
 * Back to what it was before the last update, which is then what a rollback of this one goes back to. Tasks that still run that stay.
 * Throws NoPreviousSpecError, and what updateService throws.
 * @param expected nothing is done, and what is there is answered, when the service has another version by now
 * @param message why, if it was not asked for
 */
export function rollBackService(store: Store, id: string, context: Context, options: ServiceOptions & { readonly expected?: number; readonly message?: string } = {}): Promise<ServiceObject> {
  return transact(store, async (transaction) => {
    const old = await readService(transaction, id);
    const { sameVersions = [], previousSpec: spec, previousVersions = [], ...rest } = old;
    if (options.expected !== undefined && options.expected !== old.version) return old;
    if (!spec) throw new NoPreviousSpecError(old.spec.name);
    const networks = await resolveAttachments(transaction, spec.networks, needsIngress(spec));
    // The update may have changed nothing that tasks run.
    const sameTasks = previousVersions.includes(old.version);
    const service: ServiceObject = {
      ...rest,
      spec,
      version: sameTasks ? old.version : old.version + 1,
      ...sameFrom(sameTasks ? sameVersions : previousVersions),
      previousSpec: old.spec,
      previousVersions: [old.version, ...sameVersions],
      updateStatus: begun('rollback_started', context, options.message),
      vips: await changeVips(transaction, id, old.vips, spec, networks),
      ports: await changePorts(transaction, serviceKey(id), old.ports, spec.ports, options.busyPorts),
      updatedAt: timestamp(context),
    };
    transaction.put(serviceKey(id), service);
    return service;
  });
}

/** Notes what the update to `version` has come to; nothing, when there was another one since, or it is over. Throws NotFoundError. */
export function noteUpdate(store: Store, id: string, version: number, updateStatus: UpdateStatus): Promise<ServiceObject> {
  return transact(store, async (transaction) => {
    const old = await readService(transaction, id);
    if (old.version !== version || (old.updateStatus?.state !== 'updating' && old.updateStatus?.state !== 'rollback_started')) return old;
    const service: ServiceObject = { ...old, updateStatus };
    transaction.put(serviceKey(id), service);
    return service;
  });
}

/** As many of these as may still have tasks: each update or rollback adds one. */
function sameFrom(versions: readonly number[]): Pick<ServiceObject, 'sameVersions'> {
  return versions.length === 0 ? {} : { sameVersions: versions.slice(0, KEPT_VERSIONS) };
}

const KEPT_VERSIONS = 10;

function begun(state: 'updating' | 'rollback_started', context: Context, message?: string): UpdateStatus {
  return { state, startedAt: timestamp(context), ...(message !== undefined && { message }) };
}

/**
 * Not an update: a rollback leaves the number as it is. Throws ValidationError for a service in mode global.
 * @param replicas 0 to 1000, validated
 */
export function scaleService(store: Store, id: string, replicas: number, context: Context): Promise<ServiceObject> {
  return transact(store, async (transaction) => {
    const old = await readService(transaction, id);
    if (old.spec.mode === 'global') {
      throw new ValidationError(`service '${old.spec.name}' is global, with one task on each node, and cannot be scaled: change its constraints, or the availability of nodes`);
    }
    if (old.spec.replicas === replicas) return old;
    const { previousSpec } = old;
    const service: ServiceObject = { ...old, spec: { ...old.spec, replicas }, ...(previousSpec && { previousSpec: { ...previousSpec, replicas } }), updatedAt: timestamp(context) };
    transaction.put(serviceKey(id), service);
    return service;
  });
}

/** Its name, VIPs and ports are free at once; its tasks are stopped by reconciliation. Throws NotFoundError. */
export function removeService(store: Store, id: string): Promise<void> {
  return transact(store, async (transaction) => {
    const service = await readService(transaction, id);
    for (const vip of service.vips) releaseAddresses(transaction, vip);
    await changePorts(transaction, serviceKey(id), service.ports, []);
    transaction.delete(nameKey('service', service.spec.name));
    transaction.delete(serviceKey(id));
  });
}

async function readService(transaction: Transaction, id: string): Promise<ServiceObject> {
  const service = await transaction.get<ServiceObject>(serviceKey(id));
  if (!service) throw new NotFoundError('service', id);
  return service;
}

/** One VIP for each of the networks in mode vip, in their order; kept where there was one. */
async function changeVips(transaction: Transaction, id: string, before: readonly VirtualIp[], spec: ServiceSpec, networks: readonly NetworkObject[]): Promise<VirtualIp[]> {
  const wanted = spec.endpointMode === 'vip' ? networks : [];
  for (const vip of before) if (!wanted.some((network) => network.id === vip.networkId)) releaseAddresses(transaction, vip);
  for (const network of networks) if (!wanted.includes(network)) await joinWithoutAddress(transaction, network.id);
  const vips: VirtualIp[] = [];
  for (const network of wanted) {
    const kept = before.find((vip) => vip.networkId === network.id);
    vips.push(kept ?? { networkId: network.id, ...(await allocateAddresses(transaction, network, serviceKey(id))) });
  }
  return vips;
}

function idOf(network: NetworkObject): string {
  return network.id;
}
