/**
 * Whether a candidate is as it was. Pure. It is asked of every service whenever one changed, so each member is looked at by its own
 * function, which the engine makes fast; that none is forgotten the compiler sees.
 */
import type { OffloadEndpoint } from '../../kernel/offload/driver.js';
import type { Candidate, Published } from './candidates.js';

type Same<T> = (a: T, b: T) => boolean;
type Members<T> = { readonly [K in keyof T]-?: Same<T> };
type Wanted = Candidate['wanted'];

const sameEndpoint = all<OffloadEndpoint>({
  address: (a, b) => a.address === b.address,
  port: (a, b) => a.port === b.port,
  weight: (a, b) => a.weight === b.weight,
});

const samePort = all<NonNullable<Wanted['port']>>({
  protocol: (a, b) => a.protocol === b.protocol,
  number: (a, b) => a.number === b.number,
  hostAddress: (a, b) => a.hostAddress === b.hostAddress,
});

const samePublished = all<Published>({
  key: (a, b) => a.key === b.key,
  text: (a, b) => a.text === b.text,
  agreed: (a, b) => a.agreed === b.agreed,
});

export const sameWanted = all<Wanted>({
  address: (a, b) => a.address === b.address,
  port: (a, b) => optional(samePort, a.port, b.port),
  scheduler: (a, b) => a.scheduler === b.scheduler,
  affinity: (a, b) => a.affinity === b.affinity,
  maxConnections: (a, b) => a.maxConnections === b.maxConnections,
  endpoints: (a, b) => list(sameEndpoint, a.endpoints, b.endpoints),
});

export const sameCandidate = all<Candidate>({
  id: (a, b) => a.id === b.id,
  serviceId: (a, b) => a.serviceId === b.serviceId,
  service: (a, b) => a.service === b.service,
  networkId: (a, b) => a.networkId === b.networkId,
  mode: (a, b) => a.mode === b.mode,
  obstacle: (a, b) => a.obstacle === b.obstacle,
  vip: (a, b) => a.vip === b.vip,
  published: (a, b) => optional(samePublished, a.published, b.published),
  taking: (a, b) => list((one, other) => one === other, a.taking, b.taking),
  held: (a, b) => a.held === b.held,
  wanted: (a, b) => sameWanted(a.wanted, b.wanted),
});

function all<T>(members: Members<T>): Same<T> {
  const checks = Object.values<Same<T>>(members);
  return (a, b) => {
    if (a === b) return true;
    for (const check of checks) if (!check(a, b)) return false;
    return true;
  };
}

function list<T>(same: Same<T>, a: readonly T[], b: readonly T[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (!same(a[at]!, b[at]!)) return false;
  return true;
}

function optional<T>(same: Same<T>, a: T | undefined, b: T | undefined): boolean {
  return a === undefined || b === undefined ? a === b : same(a, b);
}
