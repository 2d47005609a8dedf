/**
 * Whether a candidate is as it was. Pure. It is asked of every service whenever one changed, so it looks at members by name; that
 * none is forgotten the compiler sees.
 */
import type { OffloadEndpoint } from '../../kernel/offload/driver.js';
import type { Candidate, Published } from './candidates.js';

type Same<T> = { readonly [K in keyof T]-?: (a: T[K], b: T[K]) => boolean };
type Wanted = Candidate['wanted'];

const is = (a: unknown, b: unknown): boolean => a === b;

const ENDPOINT: Same<OffloadEndpoint> = { address: is, port: is, weight: is };

const PORT: Same<NonNullable<Wanted['port']>> = { protocol: is, number: is, hostAddress: is };
const PUBLISHED: Same<Published> = { key: is, text: is };

const WANTED: Same<Wanted> = {
  address: is,
  port: optional(members(PORT)),
  scheduler: is,
  affinity: is,
  maxConnections: is,
  endpoints: list(members(ENDPOINT)),
};

export const sameWanted = members(WANTED);

export const sameCandidate = members<Candidate>({
  ...{ id: is, serviceId: is, service: is, networkId: is, mode: is, obstacle: is, vip: is, held: is },
  published: optional(members(PUBLISHED)),
  taking: list(is),
  wanted: sameWanted,
});

function members<T extends object>(same: Same<T>): (a: T, b: T) => boolean {
  const checks = Object.entries(same) as [keyof T, (a: unknown, b: unknown) => boolean][];
  return (a, b) => {
    if (a === b) return true;
    for (const [key, check] of checks) if (!check(a[key], b[key])) return false;
    return true;
  };
}

function list<T>(same: (a: T, b: T) => boolean): (a: readonly T[], b: readonly T[]) => boolean {
  return (a, b) => {
    if (a === b) return true;
    if (a.length !== b.length) return false;
    for (let at = 0; at < a.length; at++) if (!same(a[at]!, b[at]!)) return false;
    return true;
  };
}

function optional<T>(same: (a: T, b: T) => boolean): (a: T | undefined, b: T | undefined) => boolean {
  return (a, b) => (a === undefined || b === undefined ? a === b : same(a, b));
}
