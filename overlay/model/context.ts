/** What object-making functions take from outside: time, ids, and whose node this is. */
import type { Clock } from '../../proxy/time/clock.js';
import type { IdSource } from './id.js';

export interface Context {
  readonly clock: Clock;
  readonly newId: IdSource;
  /** Name of this node: where tasks run that nobody placed. */
  readonly node: string;
}

/** Now, as objects store it: ISO 8601, UTC. */
export function timestamp(context: Pick<Context, 'clock'>): string {
  return new Date(context.clock.wall()).toISOString();
}
