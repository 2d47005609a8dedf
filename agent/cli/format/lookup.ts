/**
 * Fields of a plain object by name, in any case: `.ID`, `.Id` and `.id` are the same field, so that a template written for
 * Docker's field names finds ours where they have the same words.
 */

/** A format that cannot be read, or cannot be applied. The message quotes the place. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
}

/** The exact name wins over one that differs in case. Undefined when there is none, or `value` has no fields. */
export function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const record = value as Readonly<Record<string, unknown>>;
  if (Object.hasOwn(record, name)) return record[name];
  const lower = name.toLowerCase();
  for (const key of Object.keys(record)) if (key.toLowerCase() === lower) return record[key];
  return undefined;
}

/** Text as it is, nothing as Go prints it, everything else as JSON. */
export function textOf(value: unknown): string {
  if (value === undefined || value === null) return '<no value>';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
