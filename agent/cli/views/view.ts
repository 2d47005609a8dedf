/** A listing: which columns an object has, and which of its properties `-q` prints. */
import { renderTable } from '../io/table.js';
import type { FormatItem } from '../format/format.js';

export interface Column<T> {
  /** `CURRENT STATE`; as a field of a format it is `CurrentState`. */
  readonly heading: string;
  readonly cell: (item: T) => string;
}

export interface View<T> {
  readonly columns: readonly Column<T>[];
  /** What `-q` prints of an item. */
  readonly id: (item: T) => string;
  /** What `--json` prints of an item. */
  readonly raw: (item: T) => unknown;
}

export function tableOf<T>(view: View<T>, items: readonly T[]): string {
  return renderTable(view.columns.map(({ heading }) => heading), items.map((item) => view.columns.map(({ cell }) => cell(item))));
}

/** The raw object's fields, and over them the columns. */
export function formatItem<T>(view: View<T>, item: T): FormatItem {
  const raw = view.raw(item);
  const columns = Object.fromEntries(view.columns.map(({ heading, cell }) => [fieldName(heading), cell(item)]));
  // A field that differs from a column in case only would hide it, since an exact name wins.
  const taken = new Set(Object.keys(columns).map((name) => name.toLowerCase()));
  const rest = Object.entries(raw as object).filter(([name]) => !taken.has(name.toLowerCase()));
  return { raw, row: { ...Object.fromEntries(rest), ...columns } };
}

/** `CURRENT STATE` is `currentState`. */
function fieldName(heading: string): string {
  return heading.toLowerCase().replace(/[ -]([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Order of a listing: `vote.2` before `vote.10`. */
export function byName<T>(nameOf: (item: T) => string): (a: T, b: T) => number {
  return (a, b) => COLLATOR.compare(nameOf(a), nameOf(b));
}

const COLLATOR = new Intl.Collator('en', { numeric: true });

/** The addresses of one thing on one network. */
export function addressText({ address, address6 }: { readonly address: string; readonly address6?: string }): string {
  return address6 === undefined ? address : `${address},${address6}`;
}

const LONGEST = 60;

/** As much of a sentence as a column has room for. */
export function truncated(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1)}…`;
}
