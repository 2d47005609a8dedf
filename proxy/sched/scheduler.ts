/**
 * A scheduler picks the endpoint of a new flow.
 *
 * It belongs to one service in one worker. `pick` runs on the hot path: it allocates nothing and answers an index into
 * `endpoints`, or -1 when no endpoint may take a new flow (none there, or all of weight 0).
 */
import type { EndpointConfig, SchedulerName } from '../config/snapshot.js';

export interface Scheduler {
  readonly name: SchedulerName;
  /** Replaces the endpoints. Keeps the position in the rotation where that makes sense, so a change favours no one. */
  update(endpoints: readonly EndpointConfig[]): void;
  /** @param clientAddress int32 @param clientPort 0 to 65535 */
  pick(clientAddress: number, clientPort: number): number;
}
