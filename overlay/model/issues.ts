/**
 * The wording of what a schema found: `ports[0].target: 70000 is more than 65535: use 65535 or less`. Our own rules bring
 * their text; this gives the general ones (types, ranges, unknown keys) the same form.
 */

/** The parts of a schema library's issue that are read here. */
interface SchemaIssue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly expected?: unknown;
  readonly keys?: readonly string[];
  readonly values?: readonly unknown[];
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
  readonly origin?: string;
  readonly errors?: readonly (readonly SchemaIssue[])[];
}

/** `['ports', 0, 'target']` is `ports[0].target`. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) text += typeof part === 'number' ? `[${part}]` : `${text === '' ? '' : '.'}${String(part)}`;
  return text;
}

export function describeIssue(issue: SchemaIssue, input: unknown): string {
  const field = pathText(issue.path);
  return `${field === '' ? 'input' : field}: ${sentence(issue, valueAt(input, issue.path))}`;
}

function sentence(issue: SchemaIssue, value: unknown): string {
  switch (issue.code) {
    case 'unrecognized_keys':
      return `${(issue.keys ?? []).map((key) => `'${key}'`).join(', ')} ${issue.keys?.length === 1 ? 'is not a known key' : 'are not known keys'}: check the spelling, or remove it`;
    case 'invalid_value':
      return `${shown(value)} is not one of ${(issue.values ?? []).map(String).join(', ')}`;
    case 'invalid_type':
      return value === undefined ? `is missing: give ${article(String(issue.expected))}` : `${shown(value)} is not ${article(String(issue.expected))}`;
    case 'invalid_union':
      return value === undefined ? 'is missing: give a duration such as 10s' : `${shown(value)} is neither a number nor text`;
    case 'too_small':
      return typeof value === 'number' ? `${value} is less than ${issue.minimum}: use ${issue.minimum} or more` : issue.message;
    case 'too_big':
      return typeof value === 'number' ? `${value} is more than ${issue.maximum}: use ${issue.maximum} or less` : issue.message;
    default:
      return issue.message;
  }
}

const KINDS: Readonly<Record<string, string>> = {
  int: 'a whole number', number: 'a number', string: 'text', boolean: 'true or false', array: 'a list', object: 'an object', record: 'an object of texts',
};

function article(expected: string): string {
  return KINDS[expected] ?? expected;
}

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}
