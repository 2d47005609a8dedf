/** The schedulers by name: the one place that a new one is added to, after SchedulerName. */
import type { SchedulerName } from '../config/snapshot.js';
import { LeastConnection } from './lc.js';
import { MaglevHashing } from './mh.js';
import { RoundRobin } from './rr.js';
import type { Scheduler } from './scheduler.js';
import { SourceHashing } from './sh.js';
import type { EndpointStats } from './stats.js';
import { WeightedLeastConnection } from './wlc.js';
import { WeightedRoundRobin } from './wrr.js';

const MAKERS: Readonly<Record<SchedulerName, (stats: EndpointStats) => Scheduler>> = {
  rr: () => new RoundRobin(),
  wrr: () => new WeightedRoundRobin(),
  lc: (stats) => new LeastConnection(stats),
  wlc: (stats) => new WeightedLeastConnection(stats),
  sh: () => new SourceHashing(),
  mh: () => new MaglevHashing(),
};

export const SCHEDULER_NAMES = Object.keys(MAKERS) as SchedulerName[];

/**
 * A scheduler without endpoints: update it before the first pick.
 * @param stats where `lc` and `wlc` read how many flows an endpoint has
 */
export function makeScheduler(name: SchedulerName, stats: EndpointStats): Scheduler {
  return MAKERS[name](stats);
}
