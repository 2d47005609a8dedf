#!/usr/bin/env node
/**
 * `npm run bench`: runs inside.ts on a private host, then shows what it found. The host is the one of the tests: network, mount
 * and PID namespaces of its own and a tmpfs on /run, which end with this process in whatever way it ends, so that nothing on the
 * machine is changed and nothing can be left behind.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isRoot, missing } from '../../test/support/capability.js';
import { startOnHost } from '../../test/support/host.js';
import type { Report } from './measure/report.js';
import { judgeAll } from './measure/verdicts.js';
import { HELP, parseCommand, UsageError, type Options, type Output } from './options.js';
import { PEERS } from './peers/peers.js';
import { renderHtml } from './render/html.js';
import { renderSvg } from './render/svg.js';
import { renderText } from './render/text.js';
import { WORKS } from './work/works.js';

const EXIT = { ok: 0, failed: 1, usage: 2, unable: 3, interrupted: 130 } as const;
// A proxy holds two descriptors for each connection. Where the limit may not be raised (no CAP_SYS_RESOURCE), fewer are held.
const MORE_DESCRIPTORS = 'ulimit -n 524288 2>/dev/null || ulimit -n "$(ulimit -H -n)"; exec "$@"';

function list(): string {
  const rows = (items: readonly { name: string; title: string }[]): string => items.map(({ name, title }) => `  ${name.padEnd(18)}${title}\n`).join('');
  return `peers:\n${rows(PEERS)}work:\n${rows(WORKS)}`;
}

/** npm puts the commands of packages first, and one of these is called nft, too. */
function withoutPackages(path: string): string {
  return path.split(':').filter((directory) => !directory.includes('node_modules')).join(':');
}

/** undefined when the private host ended without a report. */
async function runInside(options: Options): Promise<Report | undefined> {
  const inside = fileURLToPath(new URL('./inside.js', import.meta.url));
  const command = ['sh', '-c', MORE_DESCRIPTORS, 'sh', process.execPath, '--enable-source-maps', inside, JSON.stringify(options)];
  process.env.PATH = withoutPackages(process.env.PATH ?? '');
  const child = startOnHost('root', command, ['ignore', 'pipe', 'inherit']);
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupted = true;
      // The first process of the host ends with it, and with that everything in it.
      child.kill('SIGKILL');
    });
  }
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (interrupted) process.exit(EXIT.interrupted);
  return code === 0 ? (JSON.parse(text) as Report) : undefined;
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
  if (reason !== undefined) {
    process.stderr.write(`bench: ${reason}\n`);
    return EXIT.unable;
  }
  const report = await runInside(command.options);
  if (!report) return EXIT.unable;
  show(report, command.output);
  return report.failures.length === 0 ? EXIT.ok : EXIT.failed;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`bench: ${error.message}\nTry: npm run bench -- --help\n`);
  process.exitCode = EXIT.usage;
}
