/**
 * The load: services of a real agent, and clients that keep everything busy that an agent does. Bulk TCP and HTTP through
 * VIPs (dataplane), HTTP through a published port (relay), look-ups (name server) and a service that is scaled up and
 * down (reconcilers), all at once, for a bounded time.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run } from '../../kernel/run/runner.js';

const MAIN = fileURLToPath(new URL('../../agent/cli/main.js', import.meta.url));
const CLIENT = fileURLToPath(new URL('./load-client.js', import.meta.url));
const SERVER = fileURLToPath(new URL('../../test/support/endpoint-server.js', import.meta.url));

const NETWORK = 'load';
const PUBLISHED = 8080;
/** For what takes a second on an idle machine. */
const PATIENCE_MS = 60_000;

function vipmesh(...args: string[]): Promise<string> {
  return run(process.execPath, [MAIN, ...args], { timeout: PATIENCE_MS });
}

export async function makeServices(): Promise<void> {
  await vipmesh('network', 'create', NETWORK);
  // Port 53 of a task is the name server's.
  const server = ['sh', '-c', `exec ${process.execPath} ${SERVER} $HOSTNAME 5300`];
  await Promise.all([
    vipmesh('service', 'create', '--name', 'bulk', '--network', NETWORK, '--', 'iperf3', '-s'),
    vipmesh('service', 'create', '--name', 'web', '--replicas', '2', '--network', NETWORK, '-p', `${PUBLISHED}:80`, '--', ...server),
  ]);
}

/** Answers what it came to, a line each. Rejects when a client could not run; failed requests are only counted. */
export async function driveLoad(seconds: number): Promise<string[]> {
  const inTask = (...command: string[]): Promise<string> =>
    run(process.execPath, [MAIN, 'run', '--rm', '--network', NETWORK, '--', ...command], { timeout: PATIENCE_MS + seconds * 1000 });
  const client = (kind: string, target: string): string[] => [process.execPath, CLIENT, kind, target, `${seconds}`];
  const onHost = ([file = '', ...args]: string[]): Promise<string> => run(file, args, { timeout: PATIENCE_MS + seconds * 1000 });
  const [bulk, web, published, names] = await Promise.all([
    inTask('iperf3', '-c', 'bulk', '-J', '-P', '2', '-t', `${seconds}`),
    inTask(...client('http', 'http://web/')),
    onHost(client('http', `http://127.0.0.1:${PUBLISHED}/`)),
    inTask(...client('dns', 'web')),
    scaleUpAndDown(seconds),
  ]);
  return [
    `bulk TCP through a VIP: ${bulkRate(bulk)}`,
    `HTTP through a VIP: ${requestRate(web, seconds)}`,
    `HTTP through a published port: ${requestRate(published, seconds)}`,
    `DNS: ${requestRate(names, seconds)}`,
    'web scaled to 4 and back to 2 meanwhile',
  ];
}

async function scaleUpAndDown(seconds: number): Promise<void> {
  for (const replicas of [4, 2]) {
    await delay((seconds * 1000) / 3);
    await vipmesh('service', 'scale', `web=${replicas}`);
  }
}

/** Of an iperf3 report in JSON. */
export function bulkRate(report: string): string {
  const { error, end } = JSON.parse(report) as { error?: string; end?: { sum_received?: { bits_per_second: number } } };
  const rate = end?.sum_received?.bits_per_second;
  return error !== undefined || rate === undefined ? `failed: ${error ?? 'no result'}` : `${(rate / 1e9).toFixed(2)} Gbit/s`;
}

/** Of what load-client printed. */
export function requestRate(output: string, seconds: number): string {
  const [done = Number.NaN, failed = Number.NaN] = output.trim().split(' ').map(Number);
  return `${Math.round(done / seconds)}/s${failed === 0 ? '' : `, ${failed} failed`}`;
}
