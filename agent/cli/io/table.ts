/** Aligned tables, as Docker prints them: columns three blanks apart, no rules, no trailing blanks. Pure. */

/** @param rows each as long as `headings`. A control character in a cell is shown as `?`: it comes from elsewhere. */
export function renderTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, ...rows.map((row) => row.map(printable))];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => [...(line[column] ?? '')].length)));
  return lines.map((line) => line.map((cell, column) => pad(cell, widths[column] ?? 0)).join('   ').trimEnd() + '\n').join('');
}

function pad(cell: string, width: number): string {
  return cell + ' '.repeat(Math.max(0, width - [...cell].length));
}

export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}
