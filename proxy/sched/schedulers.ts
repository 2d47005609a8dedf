/** The schedulers by name: the one place that a new one is added to, after SchedulerName. */
import type { SchedulerName } from '../config/snapshot.js';
import { RoundRobin } from './rr.js';
import type { Scheduler } from './scheduler.js';

const MAKERS: Readonly<Record<SchedulerName, () => Scheduler>> = {
  rr: () => new RoundRobin(),
};

export const SCHEDULER_NAMES = Object.keys(MAKERS) as SchedulerName[];

/** A scheduler without endpoints: update it before the first pick. */
export function makeScheduler(name: SchedulerName): Scheduler {
  return MAKERS[name]();
}
