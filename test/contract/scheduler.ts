/**
 * What every scheduler must do (proxy/sched/scheduler.ts). A scheduler's own test runs this suite and adds what is its own.
 */
import type { TestFn } from 'ava';
import type { EndpointConfig, SchedulerName } from '../../proxy/config/snapshot.js';
import { type Gate, OPEN_GATE, type Scheduler } from '../../proxy/sched/scheduler.js';
import { makeScheduler } from '../../proxy/sched/schedulers.js';
import { EndpointStats } from '../../proxy/sched/stats.js';
import { type Measured, runMeasured } from '../support/scavenges.js';

export interface SchedulerTraits {
  /** New flows are shared by weight; without, evenly. */
  readonly weighted: boolean;
  /** By how much a share of 4000 flows may be off, in flows: 0 for what goes in turns, more for what hashes. */
  readonly tolerance: number;
}

export function endpoints(...weights: readonly number[]): EndpointConfig[] {
  return weights.map((weight, i) => ({ id: `task${i}`, address: 0x0a000105 + i, weight, row: i }));
}

export const freshStats = (): EndpointStats => new EndpointStats(EndpointStats.allocate(64));

export const clientOf = (i: number): number => (0x0a020000 + i * 7919) | 0;

/** What is among `ids`, sorted. */
const seen = (ids: readonly string[]): string[] => [...new Set(ids)].sort();

/** A gate that refuses the endpoints whose indices are given. */
export const refusing = (...indices: readonly number[]): Gate => ({ admits: (index) => !indices.includes(index) });

/** Ids picked for `count` clients, whose flows go on; `none` for -1. */
export function picks(scheduler: Scheduler, list: readonly EndpointConfig[], count: number, gate = OPEN_GATE, stats?: EndpointStats): string[] {
  return Array.from({ length: count }, (_, i) => {
    const picked = scheduler.pick(clientOf(i), 1024 + i, gate);
    if (picked >= 0) stats?.opened(list[picked]!.row!, true);
    return list[picked]?.id ?? 'none';
  });
}

export function schedulerContract(test: TestFn, name: SchedulerName, { weighted, tolerance }: SchedulerTraits): void {
  /** Ids picked for clients whose flows stay open. */
  const picksOf = (list: readonly EndpointConfig[], count: number, gate = OPEN_GATE): string[] => {
    const stats = freshStats();
    const scheduler = makeScheduler(name, stats);
    scheduler.update(list);
    return picks(scheduler, list, count, gate, stats);
  };
  const countsOf = (list: readonly EndpointConfig[], count: number): number[] => {
    const picked = picksOf(list, count);
    return list.map(({ id }) => picked.filter((other) => other === id).length);
  };

  test(`${name}: bears its name`, (t) => {
    t.is(makeScheduler(name, freshStats()).name, name);
  });

  test(`${name}: -1 before the first update, without endpoints, and when all have weight 0`, (t) => {
    t.is(makeScheduler(name, freshStats()).pick(1, 2, OPEN_GATE), -1);
    for (const list of [[], endpoints(0), endpoints(0, 0, 0)]) t.deepEqual(seen(picksOf(list, 10)), ['none']);
  });

  test(`${name}: an endpoint of weight 0 is never picked, every other one is`, (t) => {
    const list = endpoints(0, 1, 0, 3, 2, 0);
    t.deepEqual(seen(picksOf(list, 2000)), ['task1', 'task3', 'task4']);
  });

  test(`${name}: an endpoint that the gate refuses is never picked, every other one is`, (t) => {
    t.deepEqual(seen(picksOf(endpoints(1, 4, 1, 3, 2), 2000, refusing(1, 2))), ['task0', 'task3', 'task4']);
    t.deepEqual(seen(picksOf(endpoints(5, 1, 0), 200, refusing(0))), ['task1']);
    t.deepEqual(seen(picksOf(endpoints(1, 2, 0), 20, refusing(0, 1))), ['none']);
  });

  test(`${name}: goes on when the gate opens again`, (t) => {
    const stats = freshStats();
    const scheduler = makeScheduler(name, stats);
    const list = endpoints(1, 2, 1);
    scheduler.update(list);
    for (let i = 0; i < 10; i++) t.is(scheduler.pick(clientOf(i), i, refusing(0, 1, 2)), -1);
    t.deepEqual(seen(picks(scheduler, list, 500, OPEN_GATE, stats)), ['task0', 'task1', 'task2']);
  });

  test(`${name}: answers an index into the newest endpoints, after any update`, (t) => {
    const scheduler = makeScheduler(name, freshStats());
    for (const list of [endpoints(1, 1, 1, 1, 1), endpoints(1), endpoints(0, 1), [], endpoints(1, 1), endpoints(3, 1).reverse(), endpoints(2, 0, 7)]) {
      scheduler.update(list);
      for (let i = 0; i < 50; i++) {
        const chosen = scheduler.pick(i, i + 1, OPEN_GATE);
        if (list.length === 0) t.is(chosen, -1);
        else t.true((list[chosen]?.weight ?? 0) > 0, `index ${chosen} of ${list.length}`);
      }
    }
  });

  test(`${name}: equal weights share many clients evenly`, (t) => {
    for (const weight of [1, 7]) {
      for (const count of countsOf(endpoints(weight, weight, weight, weight), 4000)) t.true(Math.abs(count - 1000) <= tolerance, `${count} of 4000`);
    }
  });

  test(`${name}: unequal weights share many clients ${weighted ? 'by weight' : 'evenly'}`, (t) => {
    const weights = [1, 2, 3, 4];
    countsOf(endpoints(...weights), 4000).forEach((count, i) => {
      const share = weighted ? weights[i]! * 400 : 1000;
      t.true(Math.abs(count - share) <= tolerance, `${count} for weight ${weights[i]}, not ${share}`);
    });
  });

  test(`${name}: a pick allocates nothing`, async (t) => {
    const { scavenges } = await runMeasured<Measured>('steady-picks', name);
    t.is(scavenges, 0);
  });
}
