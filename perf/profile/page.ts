/**
 * The page that links what a run has left: pure HTML from names.
 */

export interface PageEntry {
  readonly title: string;
  /** What it answers, in a sentence. */
  readonly about: string;
  /** Path from the page, or absent when there is none; `failure` says why. */
  readonly href?: string;
  readonly failure?: string;
}

export interface Page {
  /** When, on what. */
  readonly subtitle: string;
  /** What the load came to, a line each. */
  readonly load: readonly string[];
  readonly entries: readonly PageEntry[];
  /** The top-functions table. */
  readonly table: string;
}

export function renderPage({ subtitle, load, entries, table }: Page): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>vipmesh: profiles</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff; }
  pre { overflow-x: auto; background: #f4f4f4; padding: 1rem; font-size: 13px; }
  dt { font-weight: 600; margin-top: .6rem; } dd { margin: 0 0 0 1.5rem; } .failure { color: #a00; }
</style>
<h1>Profiles of a vipmesh agent under load</h1>
<p>${escape(subtitle)}</p>
${load.length === 0 ? '' : `<h2>Load</h2>\n<ul>\n${load.map((line) => `<li>${escape(line)}</li>`).join('\n')}\n</ul>`}
<h2>Profiles</h2>
<dl>
${entries.map(renderEntry).join('\n')}
</dl>
${table === '' ? '' : `<h2>Top functions, by self time while the load ran</h2>\n<pre>${escape(table)}</pre>`}
</html>
`;
}

function renderEntry({ title, about, href, failure }: PageEntry): string {
  const name = href === undefined ? escape(title) : `<a href="${escape(href)}">${escape(title)}</a>`;
  return `<dt>${name}</dt><dd>${escape(about)}${failure === undefined ? '' : ` <span class="failure">${escape(failure)}</span>`}</dd>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
