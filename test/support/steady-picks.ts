/**
 * A process that picks a million times and prints its garbage collections. The first argument names the scheduler; with
 * `balancer` for the second, a Balancer with all of a policy does the picking.
 */
import type { SchedulerName } from '../../proxy/config/snapshot.js';
import { AffinityTable } from '../../proxy/sched/affinity.js';
import { Balancer } from '../../proxy/sched/balancer.js';
import type { Gate } from '../../proxy/sched/scheduler.js';
import { makeScheduler } from '../../proxy/sched/schedulers.js';
import { EndpointStats } from '../../proxy/sched/stats.js';
import { measure } from './scavenges.js';

const name = process.argv[2] as SchedulerName;
const endpoints = Array.from({ length: 100 }, (_, i) => ({ id: `task${i}`, address: 0x0a000100 + i, weight: i % 4, row: i, remote: i % 3 === 0 }));
const stats = new EndpointStats(EndpointStats.allocate(128));
let sum = 0;

/** Picks for client `i`, its n-th flow. */
function picker(): (client: number, i: number) => number {
  if (process.argv[3] !== 'balancer') {
    const scheduler = makeScheduler(name, stats);
    const gate: Gate = { admits: (index) => index % 5 !== 0 };
    scheduler.update(endpoints);
    return (client, i) => scheduler.pick(client, i & 0xffff, gate);
  }
  const balancer = new Balancer({ stats, affinity: new AffinityTable(AffinityTable.allocate(1024)) });
  const policy = { affinity: 60, preferLocal: true, slowStart: 1e8, maxConnections: 50, ejectAfter: 3, ejectFor: 30_000 };
  const service = { id: 'service', scheduler: name, policy };
  balancer.configure({ ...service, endpoints: endpoints.slice(0, 50) }, 1);
  balancer.configure({ ...service, endpoints }, 2);
  return (client, i) => {
    const now = 10 + (i >> 7);
    const chosen = balancer.choose(client, client ^ 0x5bd1e995, i & 0xffff, now, (i & 1) !== 0);
    if (chosen < 0) return chosen;
    const row = balancer.row(chosen);
    stats.opened(row, true);
    stats.moved(row, false);
    stats.closed(row, false);
    if ((i & 3) === 0) balancer.failed(chosen, now);
    else balancer.succeeded(chosen, now);
    return chosen;
  };
}

const pick = picker();

function run(picks: number): void {
  for (let i = 0; i < picks; i++) sum = (sum + pick(Math.imul(i, 7919), i)) | 0;
}

process.stdout.write(JSON.stringify({ ...(await measure(() => run(100_000), () => run(1_000_000))), sum }));
