/** A bench that answers tables with limits, from its command line to its exit code: it runs on a private host, and what it found is shown. */
import { writeFileSync } from 'node:fs';
import type { HostUser } from '../test/support/host.js';
import type { Table } from './bench/render/rows.js';
import { renderTable } from './bench/render/text.js';
import { EXIT, exitWith, runInside, unable } from './private-host.js';
import type { Command } from './usage.js';

interface TableReport<Row> {
  readonly date: string;
  readonly machine: string;
  readonly rows: readonly (Row & { readonly topic: string; readonly name: string })[];
  readonly failures: readonly string[];
}

export interface TableBench<Row, Report extends TableReport<Row>> {
  /** Of its npm script. */
  readonly name: string;
  readonly help: string;
  /** Throws UsageError. */
  readonly parse: (args: readonly string[]) => Command<unknown>;
  /** Why it cannot run here; none: it can. */
  readonly obstacles: () => readonly string[];
  readonly as: HostUser;
  /** The module that measures and writes the report. */
  readonly inside: URL;
  /** Of the report, on its first line, beside the machine and the date. */
  readonly remark?: (report: Report) => string;
  readonly tablesOf: (report: Report) => Table[];
  readonly isReached: (row: Row) => boolean | undefined;
}

export function runTableBench<Row, Report extends TableReport<Row>>(bench: TableBench<Row, Report>): Promise<void> {
  return exitWith(bench.name, async () => {
    const command = bench.parse(process.argv.slice(2));
    if (command.kind === 'help') {
      process.stdout.write(bench.help);
      return EXIT.ok;
    }
    const reasons = bench.obstacles();
    if (reasons.length > 0) return unable(bench.name, reasons);
    const report = await runInside<Report>(bench.as, bench.inside, command.options);
    if (!report) return EXIT.unable;
    if (command.json !== undefined) writeFileSync(command.json, JSON.stringify(report, undefined, 2) + '\n');
    process.stdout.write(reportText(bench, report));
    return report.failures.length === 0 ? EXIT.ok : EXIT.failed;
  });
}

function reportText<Row, Report extends TableReport<Row>>({ remark, tablesOf, isReached }: TableBench<Row, Report>, report: Report): string {
  const missed = report.rows.filter((row) => isReached(row) === false).map(({ topic, name }) => `${topic}: ${name}`);
  return [
    [report.machine, ...(remark ? [remark(report)] : []), report.date].join('; ') + '\n\n',
    tablesOf(report).map(renderTable).join('\n'),
    missed.length > 0 ? `\nMISSED: ${missed.join('; ')}\n` : '',
    report.failures.length > 0 ? `\nFailed\n${report.failures.map((line) => `  ${line}\n`).join('')}` : '',
  ].join('');
}
