/** From what a sandbox wants to what its driver is told. */
import type { OffloadEndpoint, OffloadService } from '../../kernel/offload/driver.js';
import type { PlanChanges } from '../../kernel/offload/plans.js';
import { phaseOf, type OffloadMemory } from '../../kernel/offload/state.js';
import type { Candidate } from './candidates.js';

/** What a driver is to install of it, in that state; undefined: nothing. */
export function plannedOf({ wanted }: Candidate, mark: number, { state }: OffloadMemory): OffloadService | undefined {
  const phase = phaseOf(state);
  return phase && { ...wanted, mark, phase };
}

/** Endpoints that are there no more, of services that stay. */
export function endpointsGone(changes: PlanChanges, before: (mark: number) => OffloadService | undefined): { readonly mark: number; readonly endpoint: OffloadEndpoint }[] {
  return [...changes].flatMap(([mark, after]) => {
    const left = new Set(after?.endpoints.map(({ address }) => address));
    const gone = after ? (before(mark)?.endpoints ?? []).filter(({ address }) => !left.has(address)) : [];
    return gone.map((endpoint) => ({ mark, endpoint }));
  });
}
