import test from 'ava';
import fc from 'fast-check';
import type { EndpointConfig, SchedulerName } from '../../../../proxy/config/snapshot.js';
import { OPEN_GATE, type Scheduler } from '../../../../proxy/sched/scheduler.js';
import { makeScheduler } from '../../../../proxy/sched/schedulers.js';
import type { EndpointStats } from '../../../../proxy/sched/stats.js';
import { endpoints, freshStats, picks, refusing, schedulerContract } from '../../../contract/scheduler.js';

schedulerContract(test, 'lc', { weighted: false, tolerance: 0 });
schedulerContract(test, 'wlc', { weighted: true, tolerance: 4 });

function make(name: SchedulerName, list: readonly EndpointConfig[]): { stats: EndpointStats; scheduler: Scheduler } {
  const stats = freshStats();
  const scheduler = makeScheduler(name, stats);
  scheduler.update(list);
  return { stats, scheduler };
}

test('lc: an active flow counts as 256 inactive ones, and of equals the first is taken', (t) => {
  const { stats, scheduler } = make('lc', endpoints(1, 9, 1));
  const pick = (): number => scheduler.pick(0, 0, OPEN_GATE);
  t.is(pick(), 0);
  stats.opened(0, true);
  for (let i = 0; i < 256; i++) stats.opened(1, false);
  stats.opened(2, true);
  t.is(pick(), 0, '256 against 256: the first');
  stats.opened(0, false);
  t.is(pick(), 1);
  stats.opened(1, false);
  stats.opened(1, false);
  t.is(pick(), 2);
  stats.moved(2, false);
  t.is(stats.inactive(2), 1);
  t.is(pick(), 2, '1 against 257');
});

test('wlc: overhead by weight, compared without rounding', (t) => {
  const { stats, scheduler } = make('wlc', endpoints(65_535, 65_534, 0));
  for (let i = 0; i < 65_535; i++) stats.opened(0, true);
  for (let i = 0; i < 65_534; i++) stats.opened(1, true);
  t.is(scheduler.pick(0, 0, OPEN_GATE), 0, 'exactly equal: the first');
  stats.opened(0, false);
  t.is(scheduler.pick(0, 0, OPEN_GATE), 1, 'one inactive flow more');
  t.is(scheduler.pick(0, 0, refusing(1)), 0);
});

test('endpoints without a row count as idle', (t) => {
  const { stats, scheduler } = make('wlc', [{ id: 'a', address: 1, weight: 1, row: 0 }, { id: 'b', address: 2, weight: 1 }]);
  stats.opened(0, true);
  t.is(scheduler.pick(0, 0, OPEN_GATE), 1);
});

test('another worker’s flows count too', (t) => {
  const list = endpoints(1, 1);
  const { stats, scheduler } = make('lc', list);
  stats.opened(0, true);
  t.deepEqual(picks(scheduler, list, 2, OPEN_GATE, stats), ['task1', 'task0']);
});

for (const name of ['lc', 'wlc'] as const) {
  test(`${name}: whatever flows begin and end, the pick has the least overhead${name === 'wlc' ? ' for its weight' : ''}`, (t) => {
    const event = fc.record({ ends: fc.boolean(), rests: fc.boolean(), which: fc.nat(1000) });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 8 }), fc.array(event, { maxLength: 200 }), (weights, events) => {
        const { stats, scheduler } = make(name, endpoints(...weights));
        const cost = (i: number): number => (stats.active(i) * 256 + stats.inactive(i)) / (name === 'wlc' ? weights[i]! : 1);
        const live: { row: number; active: boolean }[] = [];
        for (const { ends, rests, which } of events) {
          const flow = live[which % Math.max(1, live.length)];
          if (flow && ends) {
            stats.closed(flow.row, flow.active);
            live.splice(live.indexOf(flow), 1);
          } else if (flow?.active && rests) {
            stats.moved(flow.row, false);
            flow.active = false;
          } else {
            const picked = scheduler.pick(0, 0, OPEN_GATE);
            const costs = weights.map((weight, i) => (weight === 0 ? Infinity : cost(i)));
            t.is(picked, costs.every((c) => c === Infinity) ? -1 : costs.indexOf(Math.min(...costs)));
            if (picked < 0) return;
            stats.opened(picked, true);
            live.push({ row: picked, active: true });
          }
        }
        for (const { row, active } of live) stats.closed(row, active);
        t.true(weights.every((_, i) => stats.isIdle(i)));
      }),
    );
  });
}
