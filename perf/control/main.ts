/**
 * `npm run bench:control`: runs inside.ts on a private host (test/support/host.ts), which ends with this process in whatever way it
 * ends, then shows what it found.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isRoot, missing } from '../../test/support/capability.js';
import { startOnHost } from '../../test/support/host.js';
import { renderTable } from '../bench/render/text.js';
import { HELP, parseCommand, UsageError, type Options } from './options.js';
import { isReached, tablesOf, type ControlReport } from './result.js';

const EXIT = { ok: 0, failed: 1, usage: 2, unable: 3, interrupted: 130 } as const;

/** npm puts the commands of packages first, and one of these is called nft, too. */
function withoutPackages(path: string): string {
  return path.split(':').filter((directory) => !directory.includes('node_modules')).join(':');
}

/** undefined when the private host ended without a report. */
async function runInside(options: Options): Promise<ControlReport | undefined> {
  const inside = fileURLToPath(new URL('./inside.js', import.meta.url));
  process.env.PATH = withoutPackages(process.env.PATH ?? '');
  const child = startOnHost(isRoot() ? 'root' : 'userns', [process.execPath, '--enable-source-maps', inside, JSON.stringify(options)], ['ignore', 'pipe', 'inherit']);
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupted = true;
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
  return code === 0 ? (JSON.parse(text) as ControlReport) : undefined;
}

function show(report: ControlReport): void {
  process.stdout.write(`${report.machine}; ${report.rounds} round${report.rounds === 1 ? ': for a look only' : 's'}; ${report.date}\n\n`);
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
  const reason = isRoot() ? undefined : missing('userns');
  if (reason !== undefined) {
    process.stderr.write(`bench:control: ${reason}\n`);
    return EXIT.unable;
  }
  const report = await runInside(command.options);
  if (!report) return EXIT.unable;
  if (command.json !== undefined) writeFileSync(command.json, JSON.stringify(report, undefined, 2) + '\n');
  show(report);
  return report.failures.length === 0 ? EXIT.ok : EXIT.failed;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`bench:control: ${error.message}\nTry: npm run bench:control -- --help\n`);
  process.exitCode = EXIT.usage;
}
