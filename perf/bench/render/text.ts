/**
 * A report for the terminal. Pure.
 */
import type { Report } from '../measure/report.js';
import { judgeAll } from '../measure/verdicts.js';
import { failureLines, headline, verdictTable, workTable, type Table } from './rows.js';

/** Names on the left, numbers on the right, columns as wide as they must be. */
export function renderTable(table: Table): string {
  const widths = table.head.map((cell, column) => Math.max(cell.length, ...table.rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ').trimEnd();
  return [table.title, line(table.head), ...table.rows.map(line)].join('\n') + '\n';
}

export function renderText(report: Report): string {
  const judged = judgeAll(report).some(({ ratio }) => ratio !== undefined);
  const tables = [...report.works.map((work) => workTable(report, work)), ...(judged ? [verdictTable(report)] : [])];
  const failures = failureLines(report);
  const parts = [headline(report) + '\n', ...tables.map(renderTable)];
  if (failures.length > 0) parts.push(['Failed', ...failures.map((failure) => `  ${failure}`)].join('\n') + '\n');
  return parts.join('\n');
}
