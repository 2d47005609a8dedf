/** A process that picks a million times from a scheduler (its name is the argument) and prints its garbage collections. */
import type { SchedulerName } from '../../proxy/config/snapshot.js';
import { makeScheduler } from '../../proxy/sched/schedulers.js';
import { measure } from './scavenges.js';

const scheduler = makeScheduler(process.argv[2] as SchedulerName);
scheduler.update(Array.from({ length: 100 }, (_, i) => ({ id: `task${i}`, address: 0x0a000100 + i, weight: i % 4 })));
let sum = 0;

function run(picks: number): void {
  for (let i = 0; i < picks; i++) sum = (sum + scheduler.pick(Math.imul(i, 7919), i & 0xffff)) | 0;
}

process.stdout.write(JSON.stringify({ ...(await measure(() => run(100_000), () => run(1_000_000))), sum }));
