/** What a template can call: the functions that Docker's templates have. Pure; arguments come in the order written. */
import { field, FormatError, textOf } from './lookup.js';

type Fn = (...args: readonly unknown[]) => unknown;

/** Go's notion: false, 0, nothing, and what is empty, are false. */
export function truth(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

export const FUNCTIONS: Readonly<Record<string, Fn>> = {
  json: (value) => JSON.stringify(value === undefined ? null : value),
  upper: (value) => textOf(value).toUpperCase(),
  lower: (value) => textOf(value).toLowerCase(),
  title: (value) => textOf(value).replace(/\b[a-z]/g, (letter) => letter.toUpperCase()),
  join: (list, separator) => arrayOf(list, 'join').map(textOf).join(textOf(separator ?? '')),
  split: (text, separator) => textOf(text).split(textOf(separator)),
  truncate: (text, length) => textOf(text).slice(0, Number(length)),
  pad: (text, before, after) => ' '.repeat(Number(before)) + textOf(text) + ' '.repeat(Number(after)),
  len: (value) => lengthOf(value),
  index: (value, ...keys) => keys.reduce((at, key) => (Array.isArray(at) ? (at as unknown[])[Number(key)] : field(at, String(key))), value),
  print: (...values) => values.map(textOf).join(' '),
  println: (...values) => values.map(textOf).join(' ') + '\n',
  printf: (format, ...values) => printf(String(format), values),
  eq: (a, ...others) => others.some((b) => a === b),
  ne: (a, b) => a !== b,
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  not: (value) => !truth(value),
  and: (...values) => values.find((value) => !truth(value)) ?? values.at(-1),
  or: (...values) => values.find(truth) ?? values.at(-1),
};

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  throw new FormatError(`cannot compare ${textOf(a)} with ${textOf(b)}`);
}

function arrayOf(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value as readonly unknown[];
  throw new FormatError(`${name} wants a list, not ${textOf(value)}`);
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string' || Array.isArray(value)) return value.length;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length;
  throw new FormatError(`len wants text, a list or an object, not ${textOf(value)}`);
}

/** %s %v %d %q %%, with a width: `%-12s`, `%5d`. */
function printf(format: string, values: readonly unknown[]): string {
  let next = 0;
  return format.replace(/%(?<left>-?)(?<width>[0-9]*)(?<verb>.)/g, (all, left: string, width: string, verb: string) => {
    if (verb === '%') return '%';
    if (!'svdq'.includes(verb)) throw new FormatError(`printf does not know '${all}': use %s, %d, %v or %q`);
    if (next >= values.length) throw new FormatError(`printf has more verbs than values in '${format}'`);
    const value = values[next++];
    const text = verb === 'q' ? JSON.stringify(textOf(value)) : textOf(value);
    return left === '' ? text.padStart(Number(width)) : text.padEnd(Number(width));
  });
}
