import test from 'ava';
import type { CounterName } from '../../../../proxy/dataplane/counters.js';
import { type Measured, runMeasured } from '../../../support/scavenges.js';

interface Report extends Measured {
  readonly packets: number;
  readonly unaccounted: number;
  readonly counters: Partial<Record<CounterName, number>>;
}

test.serial('a million packets through every path of the pipeline: no scavenge', async (t) => {
  const report = await runMeasured<Report>('steady-traffic', '1000000');
  t.true(report.packets >= 1_000_000);
  t.is(report.unaccounted, 0);
  const taken: CounterName[] = ['forwardedPackets', 'flowsOpened', 'flowsExpired', 'repliedEcho', 'refusedNoEndpoint', 'refusedNoFlow', 'droppedTruncated', 'droppedBadTcpFlags'];
  for (const name of taken) t.true((report.counters[name] ?? 0) > 1000, name);
  t.deepEqual([report.scavenges, report.others], [0, 0]);
});

test.serial('one small object for every 17 packets would be seen', async (t) => {
  const report = await runMeasured<Report>('steady-traffic', '2000000', 'leak');
  t.true(report.scavenges > 0);
});
