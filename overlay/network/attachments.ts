/**
 * From what a spec says ("on these networks") to the networks meant. A service with published ports is on the ingress
 * network too, as its last one. References are names or ids; names of networks never change.
 */
import { NotFoundError, ReservedNetworkError, ValidationError } from '../model/errors.js';
import { isId } from '../model/id.js';
import { INGRESS } from '../model/names.js';
import type { NetworkObject } from '../model/object.js';
import type { NetworkAttachment, ServiceSpec } from '../model/spec.js';
import type { Owned } from '../store/keys.js';
import { nameKey, networkKey } from '../store/keys.js';
import type { Transaction } from '../store/transaction.js';

type Attaching = Pick<ServiceSpec, 'networks' | 'ports'>;

/** Published ports, in either mode, reach a task over the ingress network. */
export function needsIngress(spec: Attaching): boolean {
  return spec.ports.length > 0;
}

/** True when `spec` puts its service on `network`. */
export function isAttached(spec: Attaching, network: NetworkObject): boolean {
  if (network.ingress) return needsIngress(spec);
  return spec.networks.some((attachment) => refersTo(attachment, network));
}

function refersTo(attachment: NetworkAttachment, network: NetworkObject): boolean {
  return attachment.network === network.id || attachment.network === network.spec.name;
}

/**
 * A service's networks from the store, in the order of its tasks' interfaces, each guarded against its removal until the commit. Throws NotFoundError,
 * ReservedNetworkError (ingress named by the user) and ValidationError (one network twice, as name and as id).
 */
export async function resolveAttachments(transaction: Transaction, attachments: readonly NetworkAttachment[], ingress: boolean): Promise<NetworkObject[]> {
  const networks: NetworkObject[] = [];
  for (const { network: ref } of attachments) {
    const network = await resolveNetwork(transaction, ref);
    if (network.ingress) throw new ReservedNetworkError('joined by name');
    if (networks.some(({ id }) => id === network.id)) throw new ValidationError([{ path: 'networks', message: `networks: '${ref}' and '${network.spec.name}' are the same network: name it once` }]);
    networks.push(network);
  }
  if (ingress) networks.push(await resolveNetwork(transaction, INGRESS));
  return networks;
}

/** By full id or by name. Throws NotFoundError. */
async function resolveNetwork(transaction: Transaction, ref: string): Promise<NetworkObject> {
  const key = isId(ref) ? networkKey(ref) : (await transaction.get<Owned>(nameKey('network', ref)))?.owner;
  const network = key === undefined ? undefined : await transaction.get<NetworkObject>(key);
  if (!network) throw new NotFoundError('network', ref);
  return network;
}
