/**
 * Runs our own load generator (perf/bench/load) in the client's namespace.
 */
import { fileURLToPath } from 'node:url';
import { run } from '../../../kernel/run/runner.js';
import type { Job, JobResult } from '../load/job.js';
import { CLIENTS, type Lane } from '../topology.js';

const MAIN = fileURLToPath(new URL('../load/main.js', import.meta.url));
/** To start, connect and end; holding connections has more. */
const SLACK_MS = 15_000;
const HOLD_MS = 60_000;

/** Rejects with CommandError, whose text has what the generator met. */
export async function generate(lane: Lane, job: Omit<Job, 'sources'>): Promise<JobResult> {
  const text = JSON.stringify({ ...job, sources: CLIENTS } satisfies Job);
  const timeout = job.seconds * 1000 + SLACK_MS + (job.held > 0 ? HOLD_MS : 0);
  return JSON.parse(await run(process.execPath, [MAIN, text], { netns: lane.client, timeout })) as JobResult;
}
