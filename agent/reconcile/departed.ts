/**
 * Virtual addresses of services that are gone, or left a network. For a while they are captured as before, with nobody behind them: so the RSTs
 * of connections that end with them come from where they have to, and whoever has missed one, or goes on asking, is refused at once.
 * An address that somebody else has by now departs at once. Pure.
 */
import type { NetworkObject, ServiceObject, TaskObject } from '../../overlay/model/object.js';
import type { NetworkConfig, ServiceConfig } from '../../proxy/config/snapshot.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import { parseIpv6 } from '../../proxy/net/addr6.js';

/** Milliseconds. A sender that has missed its RST repeats its segment several times within. */
export const FAREWELL_MS = 10_000;

export interface Vip {
  readonly networkId: string;
  readonly address: string;
  readonly address6?: string;
}

export interface DepartedVip extends Vip {
  /** Milliseconds of the clock. */
  readonly until: number;
}

/** What there is now. */
export interface Present {
  readonly networks: Iterable<Pick<NetworkObject, 'id'>>;
  readonly services: Iterable<Pick<ServiceObject, 'vips'>>;
  readonly tasks: Iterable<Pick<TaskObject, 'addresses'>>;
}

/** Every VIP of every service. */
export function vipsOf({ services }: Pick<Present, 'services'>): Vip[] {
  return [...services].flatMap(({ vips }) => vips);
}

/** Those of `before` that are no more, and those that departed earlier and are not over, at `now`. */
export function departedVips(before: readonly Vip[], departed: readonly DepartedVip[], present: Present, now: number): DepartedVip[] {
  const networks = new Set([...present.networks].map(({ id }) => id));
  const taken = new Set<string>();
  const take = ({ networkId, address, address6 }: Vip): void => {
    for (const text of [address, address6]) if (text !== undefined) taken.add(`${networkId} ${text}`);
  };
  vipsOf(present).forEach(take);
  for (const { addresses } of present.tasks) addresses.forEach(take);
  const isFree = ({ networkId, address, address6 }: Vip): boolean => networks.has(networkId) && [address, address6].every((text) => !taken.has(`${networkId} ${text}`));
  const fresh = before.map(({ networkId, address, address6 }) => ({ networkId, address, ...(address6 !== undefined && { address6 }), until: now + FAREWELL_MS }));
  return [...departed.filter(({ until }) => until > now), ...fresh].filter(isFree);
}

/** A network in the snapshot, with those that departed from it: services without endpoints, which refuse whatever comes. Before the others: whoever has such an address by now comes later, and counts. */
export function withDeparted(network: NetworkConfig, departed: readonly DepartedVip[]): NetworkConfig {
  const theirs = departed.filter(({ networkId }) => networkId === network.id);
  return theirs.length === 0 ? network : { ...network, services: [...theirs.map(refusing), ...network.services] };
}

function refusing({ address, address6 }: DepartedVip): ServiceConfig {
  return { id: `departed ${address}`, name: '', vip: parseIpv4(address), ...(address6 !== undefined && { vip6: parseIpv6(address6) }), scheduler: 'rr', endpoints: [] };
}
