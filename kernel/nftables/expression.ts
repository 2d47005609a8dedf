/**
 * Expressions and statements of nftables, from the JSON that `nft -j` prints (libnftables-json(5)) to the spelling that table.ts
 * uses. What is not known here becomes its JSON: nobody takes it for a rule of ours, and a reader still sees what it is. Pure.
 */

const MARKS: ReadonlySet<string> = new Set(['ct mark', 'meta mark']);

/** In the one spelling that there is: as everything else shows marks. */
export function markText(mark: number): string {
  return mark === 0 ? '0' : `0x${mark.toString(16)}`;
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type Fields = { readonly [key: string]: Json };

/** A rule's statements, as one line. */
export function ruleText(statements: readonly unknown[]): string {
  return statements.map((statement) => statementText(statement as Json)).join(' ');
}

/** A key or value of a map, or any other expression. */
export function expressionText(expression: unknown): string {
  return text(expression as Json);
}

function statementText(statement: Json): string {
  const [kind, body] = only(statement);
  if (kind === 'match' && isFields(body)) return matchText(text(body.left!), body);
  if (kind === 'mangle' && isFields(body)) return `${text(body.key!)} set ${text(body.value!)}`;
  if (kind === 'vmap' && isFields(body)) return `${text(body.key!)} vmap ${text(body.data!)}`;
  if ((kind === 'dnat' || kind === 'snat') && isFields(body)) return natText(kind, body);
  if (kind === 'jump' || kind === 'goto') return text(statement);
  // A counter of the table; one of the rule's own is an object.
  if (kind === 'counter' && typeof body === 'string') return `counter name ${body}`;
  return isVerdict(kind, body) ? kind : unknown(statement);
}

/** nft prints marks as numbers, also where it was given `0x103`. */
function matchText(left: string, { op, right }: Fields): string {
  const value = typeof right === 'boolean' ? (right ? 'exists' : 'missing') : typeof right === 'number' && MARKS.has(left) ? markText(right) : text(right!);
  return `${left} ${operator(op!)}${value}`;
}

/** `in` is how the match of a flag is called, and is not written. */
function operator(op: Json): string {
  return op === '==' || op === 'in' ? '' : `${unquoted(op)} `;
}

function natText(kind: string, body: Fields): string {
  const { addr, port, family, ...others } = body;
  if (addr === undefined || Object.keys(others).length > 0) return unknown({ [kind]: body });
  // With the family comes a map of addresses with ports.
  const what = family === undefined ? '' : isFields(addr) && 'map' in addr ? ` ${unquoted(family)} addr . port` : ` ${unquoted(family)}`;
  return `${kind}${what} to ${text(addr)}${port === undefined ? '' : ` : ${text(port)}`}`;
}

function text(expression: Json): string {
  if (typeof expression === 'string' || typeof expression === 'number') return `${expression}`;
  // Newer versions name the operator of what older ones give as a list.
  if (isList(expression)) return flagsText(expression);
  const [kind, body] = only(expression);
  if (kind === 'payload' && isFields(body) && 'field' in body) return `${unquoted(body.protocol!)} ${unquoted(body.field)}`;
  if (kind === 'payload' && isFields(body) && 'offset' in body) return `@${unquoted(body.base!)},${text(body.offset)},${text(body.len!)}`;
  if ((kind === 'meta' || kind === 'ct') && isFields(body)) return conntrackOrMeta(kind, body);
  if (kind === 'fib' && isFields(body)) return `fib ${isList(body.flags!) ? body.flags.map(text).join(' . ') : text(body.flags!)} ${unquoted(body.result!)}`;
  if (kind === 'concat' && isList(body)) return body.map(text).join(' . ');
  if (kind === 'set' && isList(body)) return `{ ${body.map(elementText).join(', ')} }`;
  if (kind === 'map' && isFields(body)) return `${text(body.key!)} map ${text(body.data!)}`;
  if (kind === 'prefix' && isFields(body)) return `${text(body.addr!)}/${text(body.len!)}`;
  if (kind === 'range' && isList(body)) return body.map(text).join('-');
  if (kind === 'numgen' && isFields(body)) return `numgen ${unquoted(body.mode!)} mod ${text(body.mod!)} offset ${numberText(body.offset ?? 0)}`;
  if (kind === '&' && isList(body)) return body.map((operand) => (isFlags(operand) ? `(${flagsText(operand)})` : text(operand))).join(' & ');
  if (kind === '|' && isList(body)) return flagsText(expression);
  if ((kind === 'jump' || kind === 'goto') && isFields(body)) return `${kind} ${unquoted(body.target!)}`;
  return isVerdict(kind, body) ? kind : unknown(expression);
}

/** What numgen counts from is a mark, with us. */
function numberText(value: Json): string {
  return typeof value === 'number' ? markText(value) : text(value);
}

function conntrackOrMeta(kind: string, body: Fields): string {
  const direction = body.dir === undefined ? '' : `${unquoted(body.dir)} `;
  return `${kind} ${direction}${unquoted(body.key!)}`;
}

/** One of a set, or of the pairs of a map. */
function elementText(element: Json): string {
  return isList(element) ? element.map(text).join(' : ') : text(element);
}

/** Flags that are or'ed, however deep: `fin | syn`. */
function flagsText(flags: Json): string {
  return flagNames(flags).join(' | ');
}

function flagNames(flags: Json): string[] {
  if (isList(flags)) return flags.flatMap(flagNames);
  const [kind, body] = only(flags);
  return kind === '|' && isList(body) ? body.flatMap(flagNames) : [text(flags)];
}

function isFlags(operand: Json): boolean {
  return isList(operand) || only(operand)[0] === '|';
}

function isVerdict(kind: string, body: Json): boolean {
  return body === null && ['accept', 'drop', 'return', 'continue'].includes(kind);
}

/** The one field of an object, or nothing that has a name. */
function only(value: Json): [kind: string, body: Json] {
  if (!isFields(value)) return ['', value];
  const entries = Object.entries(value);
  return entries.length === 1 ? entries[0]! : ['', value];
}

function isFields(value: Json): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function unquoted(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function unknown(value: Json): string {
  return JSON.stringify(value);
}
