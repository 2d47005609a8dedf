/**
 * A scheduler picks the endpoint of a new flow.
 *
 * It belongs to one service in one worker. `pick` runs on the hot path: it allocates nothing and answers an index into
 * `endpoints`, or -1 when no endpoint may take the flow (none there, all of weight 0, or refused by the gate).
 * The order of `endpoints` is what the kernel calls the list of destinations.
 */
import type { EndpointConfig, SchedulerName } from '../config/snapshot.js';

/** Which endpoints may take this flow, besides weight 0, which the scheduler knows: the kernel's IP_VS_DEST_F_OVERLOAD, turned round. */
export interface Gate {
  /** @param index into `endpoints`. The answer stays the same while one flow is scheduled. */
  admits(index: number): boolean;
}

/** Admits every endpoint. */
export const OPEN_GATE: Gate = { admits: () => true };

export interface Scheduler {
  readonly name: SchedulerName;
  /** Replaces the endpoints. Keeps the position in the rotation where that makes sense, so a change favours no one. */
  update(endpoints: readonly EndpointConfig[]): void;
  /**
   * @param client IPv4 address as int32, or the exclusive or of the four words of an IPv6 address
   * @param clientPort 0 to 65535
   * @param v6 whether the flow is one of IPv6: `mh` has a table for each family
   */
  pick(client: number, clientPort: number, gate: Gate, v6?: boolean): number;
}
