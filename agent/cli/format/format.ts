/**
 * `--format`: a Go-like template, a JSON path, or `json`, told apart by how it looks. See template.ts and path.ts; what
 * users read of it is in help.ts.
 */
import { renderTable } from '../io/table.js';
import { FormatError } from './lookup.js';
import { fits, formatPath, parsePath } from './path.js';
import { parseTemplate, runTemplate } from './template.js';

export { FormatError } from './lookup.js';

/** One item: its raw object (what `--json` shows), and the object with the columns of its listing added. */
export interface FormatItem {
  readonly raw: unknown;
  readonly row: unknown;
}

/** Renders items, each on a line of its own. Throws FormatError for items that it cannot be applied to. */
export type Formatter = (items: readonly FormatItem[]) => string;

/** Throws FormatError. */
export function parseFormat(text: string): Formatter {
  if (text === 'json') return (items) => lines(items.map(({ raw }) => JSON.stringify(raw)));
  if (text.startsWith('table ')) return tableFormatter(text.slice('table '.length));
  if (text.includes('{{')) {
    const template = parseTemplate(text);
    return (items) => lines(items.map(({ row }) => runTemplate(template, row)));
  }
  if (/^[$.[]/.test(text)) {
    const path = parsePath(text);
    return (items) => {
      if (items.length > 0 && !items.some(({ raw }) => fits(path, raw))) throw new FormatError(`'${text}' fits nothing: the path is applied to each item; see --json for the fields`);
      return lines(items.flatMap(({ raw }) => formatPath(path, raw)));
    };
  }
  throw new FormatError(`'${text}' is not a format: write a template such as '{{.Name}}', a path such as '$.spec.name', or json`);
}

function tableFormatter(text: string): Formatter {
  const columns = text.split(/\\t|\t/);
  const templates = columns.map(parseTemplate);
  return (items) => renderTable(columns.map(heading), items.map(({ row }) => templates.map((template) => runTemplate(template, row))));
}

/** `{{.Spec.Name}}` is NAME, `{{.CurrentState}}` is CURRENT STATE. */
function heading(column: string): string {
  const name = /\.([A-Za-z0-9_]+)[^.]*$/.exec(column)?.[1] ?? '';
  return name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toUpperCase();
}

const lines = (texts: readonly string[]): string => texts.map((text) => (text.endsWith('\n') ? text : text + '\n')).join('');
