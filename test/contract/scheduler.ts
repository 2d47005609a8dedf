/**
 * What every scheduler must do (proxy/sched/scheduler.ts). A scheduler's own test runs this suite and adds what is its own.
 */
import type { TestFn } from 'ava';
import type { EndpointConfig, SchedulerName } from '../../proxy/config/snapshot.js';
import { makeScheduler } from '../../proxy/sched/schedulers.js';
import { type Measured, runMeasured } from '../support/scavenges.js';

export function endpoints(...weights: readonly number[]): EndpointConfig[] {
  return weights.map((weight, i) => ({ id: `task${i}`, address: 0x0a000105 + i, weight }));
}

/** Ids picked for `count` clients; `none` for -1. */
export function picks(name: SchedulerName | ReturnType<typeof makeScheduler>, list: readonly EndpointConfig[], count: number): string[] {
  const scheduler = typeof name === 'string' ? makeScheduler(name) : name;
  if (typeof name === 'string') scheduler.update(list);
  return Array.from({ length: count }, (_, i) => list[scheduler.pick((0x0a020000 + i * 7919) | 0, 1024 + i)]?.id ?? 'none');
}

export function schedulerContract(test: TestFn, name: SchedulerName): void {
  test(`${name}: bears its name`, (t) => {
    t.is(makeScheduler(name).name, name);
  });

  test(`${name}: -1 before the first update, without endpoints, and when all have weight 0`, (t) => {
    t.is(makeScheduler(name).pick(1, 2), -1);
    for (const list of [[], endpoints(0), endpoints(0, 0, 0)]) t.deepEqual(new Set(picks(name, list, 10)), new Set(['none']));
  });

  test(`${name}: an endpoint of weight 0 is never picked, every other one is`, (t) => {
    const list = endpoints(0, 1, 0, 3, 2, 0);
    t.deepEqual(new Set(picks(name, list, 2000)), new Set(['task1', 'task3', 'task4']));
  });

  test(`${name}: answers an index into the newest endpoints, after any update`, (t) => {
    const scheduler = makeScheduler(name);
    for (const list of [endpoints(1, 1, 1, 1, 1), endpoints(1), endpoints(0, 1), [], endpoints(1, 1), endpoints(1, 1).reverse()]) {
      scheduler.update(list);
      for (let i = 0; i < 50; i++) {
        const chosen = scheduler.pick(i, i + 1);
        if (list.length === 0) t.is(chosen, -1);
        else t.true((list[chosen]?.weight ?? 0) > 0, `index ${chosen} of ${list.length}`);
      }
    }
  });

  test(`${name}: equal weights share many clients evenly`, (t) => {
    const counts = new Map<string, number>();
    for (const id of picks(name, endpoints(1, 1, 1, 1), 4000)) counts.set(id, (counts.get(id) ?? 0) + 1);
    for (const [id, count] of counts) t.true(count > 700 && count < 1300, `${id}: ${count} of 4000`);
    t.is(counts.size, 4);
  });

  test(`${name}: a pick allocates nothing`, async (t) => {
    const { scavenges } = await runMeasured<Measured>('steady-picks', name);
    t.is(scavenges, 0);
  });
}
