/**
 * A report on one page that needs nothing else: chart, tables, verdicts, failures. Pure.
 */
import type { Report } from '../measure/report.js';
import { failureLines, headline, verdictTable, workTable, type Table } from './rows.js';
import { escapeXml, renderSvg } from './svg.js';

const STYLE = `
  :root { color-scheme: light dark; }
  body { font: 14px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2em auto; padding: 0 1em; }
  svg { max-width: 100%; height: auto; }
  table { border-collapse: collapse; margin: 0 0 2em; }
  th, td { padding: .2em .8em; text-align: right; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
  th:first-child, td:first-child { text-align: left; padding-left: 0; }
  h2 { font-size: 1.05em; margin: 1.5em 0 .3em; }`;

function htmlTable(table: Table): string {
  const row = (cells: readonly string[], tag: 'th' | 'td'): string => `<tr>${cells.map((cell) => `<${tag}>${escapeXml(cell)}</${tag}>`).join('')}</tr>`;
  return `<h2>${escapeXml(table.title)}</h2>\n<table>\n${[row(table.head, 'th'), ...table.rows.map((cells) => row(cells, 'td'))].join('\n')}\n</table>`;
}

export function renderHtml(report: Report): string {
  const tables = [verdictTable(report), ...report.works.map((work) => workTable(report, work))].map(htmlTable);
  const failures = failureLines(report).map((line) => `<li>${escapeXml(line)}</li>`);
  const failed = failures.length > 0 ? `<h2>Failed</h2>\n<ul>\n${failures.join('\n')}\n</ul>\n` : '';
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>vipmesh and its peers</title>
<style>${STYLE}
</style>
<h1>vipmesh and its peers</h1>
<p>${escapeXml(headline(report))}</p>
<p>${escapeXml(report.machine.versions.join('; '))}</p>
${renderSvg(report)}${tables.join('\n')}
${failed}</html>
`;
}
