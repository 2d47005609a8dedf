/**
 * `npm run bench:rootless`: runs inside.ts on a private host, then shows what it found.
 */
import { writeFileSync } from 'node:fs';
import { missing } from '../../test/support/capability.js';
import { renderTable } from '../bench/render/text.js';
import { EXIT, exitWith, runInside, unable } from '../private-host.js';
import { HELP, parseCommand } from './options.js';
import { isReached, tablesOf } from '../cluster/result.js';
import type { RootlessReport } from './inside.js';

const NEEDS = ['root', 'tun', 'userns', 'command:setpriv', 'command:iperf3', 'command:nginx', 'command:curl'] as const;

function show(report: RootlessReport): void {
  process.stdout.write(`${report.machine}; ${report.date}\n\n`);
  process.stdout.write(tablesOf(report).map(renderTable).join('\n'));
  const missed = report.rows.filter((row) => isReached(row) === false).map(({ topic, name }) => `${topic}: ${name}`);
  if (missed.length > 0) process.stdout.write(`\nMISSED: ${missed.join('; ')}\n`);
  if (report.failures.length > 0) process.stdout.write(`\nFailed\n${report.failures.map((line) => `  ${line}\n`).join('')}`);
}

async function main(): Promise<number> {
  const command = parseCommand(process.argv.slice(2));
  if (command.kind === 'help') {
    process.stdout.write(HELP);
    return EXIT.ok;
  }
  const reasons = NEEDS.map(missing).filter((reason) => reason !== undefined);
  if (reasons.length > 0) return unable('bench:rootless', reasons);
  const report = await runInside<RootlessReport>('root', new URL('./inside.js', import.meta.url), command.options);
  if (!report) return EXIT.unable;
  if (command.json !== undefined) writeFileSync(command.json, JSON.stringify(report, undefined, 2) + '\n');
  show(report);
  return report.failures.length === 0 ? EXIT.ok : EXIT.failed;
}

await exitWith('bench:rootless', main);
