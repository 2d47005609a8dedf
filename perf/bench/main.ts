#!/usr/bin/env node
/**
 * `npm run bench`: runs inside.ts on a private host, then shows what it found.
 */
import { writeFileSync } from 'node:fs';
import { isRoot, missing } from '../../test/support/capability.js';
import type { Report } from './measure/report.js';
import { judgeAll } from './measure/verdicts.js';
import { EXIT, exitWith, runInside, unable } from '../private-host.js';
import { HELP, parseCommand, type Output } from './options.js';
import { PEERS } from './peers/peers.js';
import { renderHtml } from './render/html.js';
import { renderSvg } from './render/svg.js';
import { renderText } from './render/text.js';
import { WORKS } from './work/works.js';

// A proxy holds two descriptors for each connection. Where the limit may not be raised (no CAP_SYS_RESOURCE), fewer are held.
const MORE_DESCRIPTORS = ['sh', '-c', 'ulimit -n 524288 2>/dev/null || ulimit -n "$(ulimit -H -n)"; exec "$@"', 'sh'];

function list(): string {
  const rows = (items: readonly { name: string; title: string }[]): string => items.map(({ name, title }) => `  ${name.padEnd(18)}${title}\n`).join('');
  return `peers:\n${rows(PEERS)}work:\n${rows(WORKS)}`;
}

function show(report: Report, output: Output): void {
  if (output.json !== undefined) writeFileSync(output.json, JSON.stringify({ ...report, verdicts: judgeAll(report) }, undefined, 2) + '\n');
  if (output.svg !== undefined) writeFileSync(output.svg, renderSvg(report));
  if (output.html !== undefined) writeFileSync(output.html, renderHtml(report));
  process.stdout.write(renderText(report));
}

async function main(): Promise<number> {
  const command = parseCommand(process.argv.slice(2));
  if (command.kind !== 'run') {
    process.stdout.write(command.kind === 'help' ? HELP : list());
    return EXIT.ok;
  }
  const reason = isRoot() ? (missing('root') ?? missing('tun')) : 'needs root, to make network namespaces with several hosts';
  if (reason !== undefined) return unable('bench', [reason]);
  const report = await runInside<Report>('root', new URL('./inside.js', import.meta.url), command.options, MORE_DESCRIPTORS);
  if (!report) return EXIT.unable;
  show(report, command.output);
  return report.failures.length === 0 ? EXIT.ok : EXIT.failed;
}

await exitWith('bench', main);
