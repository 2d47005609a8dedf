/**
 * On what the bench ran: without it no two reports can be compared.
 */
import os from 'node:os';
import { run } from '../../kernel/run/runner.js';
import type { Machine } from './measure/report.js';

const VERSION_COMMANDS: readonly (readonly [string, ...string[]])[] = [
  ['haproxy', '-v'],
  // nginx says its version on standard error.
  ['sh', '-c', 'nginx -v 2>&1'],
  ['nft', '--version'],
  ['iperf3', '--version'],
  // wrk says its version with its usage, and exits with 1.
  ['sh', '-c', 'wrk -v || true'],
];

export async function describeMachine(): Promise<Machine> {
  const versions = await Promise.all(
    VERSION_COMMANDS.map(async ([command, ...args]) => {
      try {
        return (await run(command, args, { timeout: 5000 })).split('\n')[0] ?? '';
      } catch {
        return '';
      }
    }),
  );
  return {
    cpus: os.cpus().length,
    model: os.cpus()[0]?.model ?? 'unknown',
    memoryBytes: os.totalmem(),
    load: os.loadavg()[0] ?? 0,
    kernel: os.release(),
    node: process.version,
    versions: versions.filter((version) => version !== ''),
  };
}
