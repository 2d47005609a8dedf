/**
 * How many tasks a service has and how they are replaced when what they run has changed: the choices, their defaults, which are
 * Swarm's, and what excludes one another.
 */
import type { Issue } from './errors.js';
import { DEFAULT_PLACEMENT } from './placement.js';
import type { RollbackPolicy, ServiceSpec, UpdatePolicy } from './spec.js';

export const SERVICE_MODES = ['replicated', 'global'] as const;
export const UPDATE_ORDERS = ['stop-first', 'start-first'] as const;
export const ROLLBACK_FAILURE_ACTIONS = ['pause', 'continue'] as const;
export const UPDATE_FAILURE_ACTIONS = [...ROLLBACK_FAILURE_ACTIONS, 'rollback'] as const;

export const DEFAULT_UPDATE: UpdatePolicy = { parallelism: 1, delay: 0, order: 'stop-first', monitor: 5000, failureAction: 'pause', maxFailureRatio: 0 };
export const DEFAULT_ROLLBACK: RollbackPolicy = { parallelism: 1, delay: 0, order: 'stop-first', monitor: 5000, failureAction: 'pause', maxFailureRatio: 0 };

/** Of a service that says nothing of nodes or of updates. */
export const DEFAULT_DEPLOYMENT = { mode: 'replicated', placement: DEFAULT_PLACEMENT, update: DEFAULT_UPDATE, rollback: DEFAULT_ROLLBACK } as const satisfies Partial<ServiceSpec>;

/** What means nothing to a service whose tasks have no numbers. */
export function globalProblems({ mode, replicas, balancing }: Pick<ServiceSpec, 'mode' | 'replicas' | 'balancing'>): Issue[] {
  if (mode !== 'global') return [];
  const issues: Issue[] = [];
  if (replicas !== 1) issues.push({ path: 'replicas', message: `${replicas} in mode global, which has one task on each node: leave it out, or use mode replicated` });
  const [slot] = Object.keys(balancing.slotWeights);
  if (slot !== undefined) issues.push({ path: 'balancing.slotWeights', message: `replica ${slot} is given a weight, and tasks of a service in mode global have no numbers: give all of them one weight` });
  return issues;
}
