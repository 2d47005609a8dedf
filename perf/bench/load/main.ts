/**
 * The load generator's process, started in the client's namespace: `node main.js JOB-AS-JSON`.
 */
import { cpuSeconds } from '../measure/cpu.js';
import { bytesInUse, bytesOf } from '../measure/memory.js';
import { quantiles } from '../measure/statistics.js';
import { Dialer } from './client.js';
import type { Job, JobResult } from './job.js';
import { newConnections } from './new-connections.js';
import { ConnectionPool, openLoop } from './open-loop.js';

/** Twice what the fastest peer is seen to open, and well below the ports that the client's addresses have. */
const MOST_CONNECTIONS_PER_SECOND = 25_000;
const HOLD_TIMEOUT_MS = 60_000;
const HOLD_AT_ONCE = 256;

function run(job: Job): JobResult {
  const dialer = new Dialer(job.address, job.port, job.sources);
  if (job.kind === 'connect') {
    const before = cpuSeconds();
    const { latencies, failed, seconds } = newConnections(dialer, {
      concurrency: job.connections,
      seconds: job.seconds,
      most: Math.round(job.seconds * MOST_CONNECTIONS_PER_SECOND),
    });
    const cpu = cpuSeconds() - before;
    return { latency: quantiles(latencies), done: latencies.length, failed, seconds, cpuSeconds: cpu, peerBytes: 0, machineBytes: 0 };
  }
  const peerBefore = bytesOf(job.pids);
  const machineBefore = bytesInUse();
  const held = job.held > 0 ? ConnectionPool.open(dialer, job.held, HOLD_AT_ONCE, HOLD_TIMEOUT_MS) : undefined;
  const peerBytes = bytesOf(job.pids) - peerBefore;
  const machineBytes = bytesInUse() - machineBefore;
  const pool = ConnectionPool.open(dialer, job.connections);
  const before = cpuSeconds();
  const { latencies, failed } = openLoop(pool, job);
  const cpu = cpuSeconds() - before;
  pool.close();
  held?.close();
  return { latency: quantiles(latencies), done: latencies.length - failed, failed, seconds: job.seconds, cpuSeconds: cpu, peerBytes, machineBytes };
}

const result = run(JSON.parse(process.argv[2] ?? '') as Job);
process.stdout.write(JSON.stringify(result));
