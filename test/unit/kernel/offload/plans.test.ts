import test from 'ava';
import fc from 'fast-check';
import type { OffloadService } from '../../../../kernel/offload/driver.js';
import { changedServices, notedServices } from '../../../../kernel/offload/ipvs-change.js';
import { changesSince, PlanSeries, type PlanChanges } from '../../../../kernel/offload/plans.js';

const BASE = { subnet: '10.0.1.0/24', balancer: '10.0.1.250', timeouts: { established: 7440, closing: 240, udp: 300 } };
const MARKS = [0x100, 0x101, 0x102, 0x103, 0x104];
const service = (mark: number, weight: number): OffloadService => ({
  mark,
  address: '10.0.1.2',
  scheduler: 'rr',
  affinity: 0,
  maxConnections: 0,
  endpoints: [{ address: '10.0.1.4', port: 0, weight }],
  phase: 'take',
});

const changes = fc
  .array(fc.record({ mark: fc.constantFrom(...MARKS), weight: fc.option(fc.nat(3), { nil: undefined }) }))
  .map((list): PlanChanges => new Map(list.map(({ mark, weight }) => [mark, weight === undefined ? undefined : service(mark, weight)])));

test('a series has what its changes add up to, in each plan', (t) => {
  fc.assert(
    fc.property(fc.array(changes), (all) => {
      const series = new PlanSeries(BASE);
      const wanted = new Map<number, OffloadService>();
      for (const some of all) {
        const before = structuredClone(series.last.services);
        const last = series.last;
        const plan = series.next(some);
        for (const [mark, after] of some) {
          if (after) wanted.set(mark, after);
          else wanted.delete(mark);
        }
        const byMark = (services: Iterable<OffloadService>): OffloadService[] => [...services].sort((a, b) => a.mark - b.mark);
        t.deepEqual(byMark(plan.services), byMark(wanted.values()));
        for (const mark of MARKS) t.is(series.service(mark), wanted.get(mark));
        // The plan before is as it was, and what differs from it is noted.
        t.deepEqual(last.services, before);
        t.is(changesSince(last, plan), some);
        const installed = new Map(last.services.map((one) => [one.mark, one]));
        const marksOf = (list: readonly { before?: OffloadService | undefined; after?: OffloadService | undefined }[]): number[] => list.map(({ before, after }) => (before ?? after)!.mark).sort();
        t.deepEqual(marksOf(notedServices(installed, some)), marksOf(changedServices(installed, plan.services)));
      }
    }),
    { numRuns: 100 },
  );
});

test('nothing is noted for whoever has another plan than the one before', (t) => {
  const series = new PlanSeries(BASE);
  const first = series.next(new Map([[0x100, service(0x100, 1)]]));
  const second = series.next(new Map([[0x101, service(0x101, 1)]]));
  const third = series.next(new Map([[0x100, undefined]]));
  t.is(changesSince(first, third), undefined);
  t.is(changesSince(undefined, third), undefined);
  t.is(changesSince({ ...BASE, services: second.services }, third), undefined);
  t.is(changesSince(first, { ...BASE, services: [] }), undefined);
  t.truthy(changesSince(second, third));
});
