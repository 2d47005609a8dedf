/**
 * The bench end to end, shortened: it measures, says what failed, and leaves nothing behind, also when it is killed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { Report } from '../../perf/bench/measure/report.js';
import { skipWithout } from '../support/capability.js';
import { pollUntil } from '../support/poll-until.js';

const MAIN = fileURLToPath(new URL('../../perf/bench/main.js', import.meta.url));
const NEEDS = ['root', 'tun', 'command:nginx', 'command:iperf3'] as const;

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function startBench(...args: string[]): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function bench(...args: string[]): Promise<Outcome> {
  const child = startBench(...args);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** Processes of the machine whose command line has the text. */
function processesWith(text: string): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const read = (pid: string, look: (path: string) => string): string => {
    try {
      return look(`/proc/${pid}`);
    } catch {
      return '';
    }
  };
  return pids.filter((pid) => read(pid, (path) => readFileSync(`${path}/cmdline`, 'utf8')).includes(text));
}

/** All that are in the PID namespace of `pid`. */
function inNamespaceOf(pid: string): string[] {
  const own = readlinkSync(`/proc/${pid}/ns/pid`);
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/ns/pid`) === own;
    } catch {
      return false;
    }
  });
}

test('throughput, latency, new connections and held ones, through two peers', async (t) => {
  if (skipWithout(t, ...NEEDS)) return;
  const directory = mkdtempSync(join(os.tmpdir(), 'bench-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const json = join(directory, 'bench.json');
  const svg = join(directory, 'bench.svg');
  const short = ['--rounds', '1', '--seconds', '0.3', '--rate', '200', '--held', '50'];
  const outcome = await bench('--peers', 'none,vip', '--work', 'bulk-1-up,latency,connect,held', ...short, '--json', json, '--svg', svg);
  t.is(outcome.code, 0, outcome.stderr + outcome.stdout);
  const report = JSON.parse(readFileSync(json, 'utf8')) as Report;
  t.deepEqual(report.failures, []);
  for (const peer of ['none', 'vip']) {
    for (const key of ['bulk-1-up/gbit', 'latency/p50', 'latency/p99', 'connect/rate', 'held/p99']) {
      const samples = report.samples[`${key}/${peer}`] ?? [];
      t.is(samples.length, 1, `${key}/${peer}`);
      t.true((samples[0] ?? 0) > 0, `${key}/${peer}`);
    }
  }
  t.regex(outcome.stdout, /new connections, 64 at once/);
  t.regex(readFileSync(svg, 'utf8'), /^<svg /);
});

test('a peer that does not start is reported, and the others are measured', async (t) => {
  if (skipWithout(t, ...NEEDS)) return;
  const directory = mkdtempSync(join(os.tmpdir(), 'bench-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const json = join(directory, 'bench.json');
  const child = spawn(process.execPath, [MAIN, '--peers', 'none,haproxy', '--work', 'bulk-1-up', '--rounds', '1', '--json', json], {
    stdio: 'ignore',
    env: { ...process.env, BENCH_HAPROXY: '/nowhere/haproxy' },
  });
  const [code] = (await once(child, 'close')) as [number | null];
  t.is(code, 1);
  const report = JSON.parse(readFileSync(json, 'utf8')) as Report;
  t.deepEqual(report.failures.map(({ peer, work }) => [peer, work]), [['haproxy', undefined]]);
  t.is(report.samples['bulk-1-up/gbit/none']?.length, 1);
});

test('killed in the middle, it leaves no process', async (t) => {
  if (skipWithout(t, ...NEEDS)) return;
  const seed = 1_000_000 + (process.pid % 1_000_000);
  const child = startBench('--peers', 'none,vip', '--work', 'bulk-8', '--rounds', '99', '--seed', `${seed}`);
  t.teardown(() => child.kill('SIGKILL'));
  let progress = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (progress += chunk));
  await pollUntil('a first measurement', () => progress.includes('Gbit/s'), { timeout: 90_000 });
  const ours = readlinkSync('/proc/self/ns/pid');
  const inside = processesWith(`"seed":${seed}`).find((pid) => readlinkSync(`/proc/${pid}/ns/pid`) !== ours);
  t.truthy(inside);
  const all = inNamespaceOf(inside ?? '');
  t.true(all.length > 4, 'servers and a peer run');
  child.kill('SIGKILL');
  await pollUntil('everything has ended', () => processesWith(`"seed":${seed}`).length === 0 && all.every((pid) => !processIs(pid)), { timeout: 90_000 });
  t.pass();
});

/** Whether the process is there and no zombie. */
function processIs(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
