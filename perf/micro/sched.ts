/**
 * Every scheduler's pick at 2, 100 and 10,000 endpoints of mixed weights, each with some flows. `rr`, `wrr`, `sh` and `mh`
 * look at few endpoints; `lc` and `wlc` look at all of them, as the kernel's do.
 */
import { OPEN_GATE } from '../../proxy/sched/scheduler.js';
import { makeScheduler, SCHEDULER_NAMES } from '../../proxy/sched/schedulers.js';
import { EndpointStats } from '../../proxy/sched/stats.js';
import { measure, type Case, type Effort } from './harness.js';
import { nanoseconds, type Result } from './result.js';

const SIZES = [2, 100, 10_000] as const;

export function sched(effort: Effort): Result[] {
  const stats = new EndpointStats(EndpointStats.allocate());
  const endpoints = Array.from({ length: SIZES[2] }, (_, i) => ({ id: `task${i}`, address: 0x0a010000 + i, weight: 1 + (i % 4), row: i }));
  for (const { row } of endpoints) for (let flow = 0; flow <= row % 7; flow++) stats.opened(row, flow % 2 === 0);
  return SCHEDULER_NAMES.flatMap((name) => {
    const cases = SIZES.map((size): Case => {
      const scheduler = makeScheduler(name, stats);
      scheduler.update(endpoints.slice(0, size));
      const run = (operations: number): number => {
        let sum = 0;
        for (let i = 0; i < operations; i++) sum += scheduler.pick(Math.imul(i, 0x9e3779b1), 1024 + (i & 0x7fff), OPEN_GATE);
        return sum;
      };
      if (run(1) < 0) throw new Error(`${name} picks none of ${size}`);
      return { name: `${name}, ${size.toLocaleString('en')} endpoints`, run };
    });
    return nanoseconds('schedulers', cases, measure(cases, effort));
  });
}
