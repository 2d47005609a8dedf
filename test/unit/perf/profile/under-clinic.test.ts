import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';

const UNDER_CLINIC = new URL('../../../../perf/profile/under-clinic.js', import.meta.url).href;

/** What a tool of clinic preloads: an end at SIGINT, data written late, and the same in every thread and process. */
const SAMPLER = `
if (!require('node:worker_threads').isMainThread) console.log('sampler in a worker');
process.on('SIGINT', () => process.exit(3));
process.once('beforeExit', () => setTimeout(() => { console.log('flushed'); process.exit(); }, 1));
`;

const PROGRAM = `
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
console.log('SIGINT handlers', process.listenerCount('SIGINT'));
writeFileSync('isolate-2-v8.log', '');
const worker = new Worker('console.log("worker options", process.execArgv.length, require("node:worker_threads").workerData)', { eval: true, workerData: 7 });
worker.on('exit', () => {
  console.log(execFileSync(process.execPath, ['-p', '"child"'], { encoding: 'utf8' }).trim());
  process.exit(5);
});
`;

test('under a sampler, the workers, the children and the end are the agent\'s own', async (t) => {
  const directory = mkdtempSync(join(os.tmpdir(), 'under-clinic-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const sampler = join(directory, 'sampler.cjs');
  writeFileSync(sampler, SAMPLER);
  writeFileSync(join(directory, 'program.mjs'), PROGRAM);
  writeFileSync(join(directory, 'isolate-1-v8.log'), '');
  const run = promisify(execFile)(process.execPath, ['--import', UNDER_CLINIC, 'program.mjs'], {
    cwd: directory,
    env: { ...process.env, NODE_OPTIONS: `--require ${sampler}` },
  });
  const { code, stdout } = await run.then(
    () => ({ code: 0, stdout: '' }),
    (error: unknown) => error as { code: number; stdout: string },
  );
  t.deepEqual([code, stdout.trim().split('\n')], [5, ['SIGINT handlers 0', 'worker options 0 7', 'child', 'flushed']]);
  t.deepEqual(readdirSync(directory).filter((name) => name.endsWith('.log')), ['isolate-1-v8.log'], "the main thread's log stays");
});
