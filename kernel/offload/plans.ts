/**
 * Plans of one sandbox that follow from one another. Each says what differs from the one before, so that with 10,000 services a
 * driver need not look at all of them to find the one that changed. Pure; carrying them out is the driver's.
 */
import type { OffloadPlan, OffloadService } from './driver.js';

/** What does not depend on the services. */
export type PlanBase = Pick<OffloadPlan, 'subnet' | 'balancer' | 'timeouts'>;

/** By mark: what each service is from now on; undefined: gone. */
export type PlanChanges = ReadonlyMap<number, OffloadService | undefined>;

export class PlanSeries {
  #last: OffloadPlan;
  /** Place of each mark in the last plan's services. */
  readonly #places = new Map<number, number>();

  constructor(base: PlanBase) {
    this.#last = { ...base, services: [], revision: 0 };
  }

  get last(): OffloadPlan {
    return this.#last;
  }

  /** The service that the last plan has by this mark. */
  service(mark: number): OffloadService | undefined {
    const place = this.#places.get(mark);
    return place === undefined ? undefined : this.#last.services[place];
  }

  /** The last plan with these changes. */
  next(changes: PlanChanges): OffloadPlan {
    const { services: before, revision = 0, ...base } = this.#last;
    const services = before.slice();
    for (const [mark, after] of changes) {
      const place = this.#places.get(mark);
      if (after) {
        services[place ?? services.length] = after;
        if (place === undefined) this.#places.set(mark, services.length - 1);
      } else if (place !== undefined) {
        // The order of services says nothing: the last one fills the gap.
        const filler = services.pop()!;
        this.#places.delete(mark);
        if (filler.mark === mark) continue;
        services[place] = filler;
        this.#places.set(filler.mark, place);
      }
    }
    const { subnet, balancer, timeouts } = base;
    this.#last = { subnet, balancer, timeouts, services, revision: revision + 1, since: { revision, changes } };
    return this.#last;
  }
}

/** The plan with one service otherwise. It counts as the same, so the next one of the series is to say what becomes of that service. */
export function planWith(plan: OffloadPlan, service: OffloadService): OffloadPlan {
  const { revision } = plan;
  const services = plan.services.slice();
  const place = services.findIndex(({ mark }) => mark === service.mark);
  if (place >= 0) services[place] = service;
  return { ...plan, services, ...(revision !== undefined && { since: { revision, changes: new Map([[service.mark, service]]) } }) };
}

/** What `plan` changes in `known`, the services of `last` by mark; undefined: it does not say, and all are to be compared. */
export function changesSince(last: OffloadPlan | undefined, plan: OffloadPlan): PlanChanges | undefined {
  return plan.since !== undefined && plan.since.revision === last?.revision ? plan.since.changes : undefined;
}
