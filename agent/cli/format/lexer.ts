/** The tokens of a Go-like template: text, and what is within {{ }}. See template.ts for the language. */
import { FormatError } from './lookup.js';

export type Piece = { readonly text: string } | { readonly action: string };

export type Token =
  | { readonly kind: 'field'; readonly names: readonly string[] }
  | { readonly kind: 'variable'; readonly name: string; readonly names: readonly string[] }
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | { readonly kind: 'word' | 'mark'; readonly text: string };

/** Text and actions in order. `{{-` and `-}}` trim the blanks of the text beside them; comments vanish. */
export function splitTemplate(template: string): Piece[] {
  const pieces: Piece[] = [];
  let trimNext = false;
  let at = 0;
  while (at <= template.length) {
    const open = template.indexOf('{{', at);
    let text = template.slice(at, open < 0 ? template.length : open);
    const trimBefore = open >= 0 && /^\{\{-\s/.test(template.slice(open));
    if (trimNext) text = text.trimStart();
    if (trimBefore) text = text.trimEnd();
    if (text !== '') pieces.push({ text });
    if (open < 0) break;
    const close = closingBraces(template, open + 2);
    let action = template.slice(open + (trimBefore ? 3 : 2), close);
    trimNext = /\s-$/.test(action);
    if (trimNext) action = action.slice(0, -1);
    if (!/^\s*\/\*[\s\S]*\*\/\s*$/.test(action)) pieces.push({ action: action.trim() });
    at = close + 2;
  }
  return pieces;
}

/** Index of the `}}` that ends an action; braces within quotes do not count. */
function closingBraces(template: string, from: number): number {
  let quote: string | undefined;
  for (let i = from; i < template.length; i++) {
    const char = template[i];
    if (quote !== undefined) {
      if (char === '\\' && quote === '"') i++;
      else if (char === quote) quote = undefined;
    } else if (char === '"' || char === '`') quote = char;
    else if (char === '}' && template[i + 1] === '}') return i;
  }
  throw new FormatError(`'{{' without '}}' at '${template.slice(from - 2, from + 18)}'`);
}

const TOKEN =
  /\s+|(?<field>(?:\.[A-Za-z_][A-Za-z0-9_]*)+|\.)|\$(?<variable>[A-Za-z_][A-Za-z0-9_]*|)(?<rest>(?:\.[A-Za-z_][A-Za-z0-9_]*)*)|(?<double>"(?:[^"\\]|\\.)*")|`(?<raw>[^`]*)`|(?<number>-?[0-9]+(?:\.[0-9]+)?)|(?<word>[A-Za-z_][A-Za-z0-9_]*)|(?<mark>:=|[|(),=])/y;

export function tokenize(action: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < action.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const groups = TOKEN.exec(action)?.groups;
    if (!groups) throw new FormatError(`'${action.slice(at)}' in '{{${action}}}' makes no sense`);
    const token = tokenOf(groups);
    if (token) tokens.push(token);
  }
  return tokens;
}

function tokenOf(groups: Readonly<Record<string, string | undefined>>): Token | undefined {
  const { field, variable, rest, double, raw, number, word, mark } = groups;
  if (field !== undefined) return { kind: 'field', names: names(field) };
  if (variable !== undefined) return { kind: 'variable', name: variable, names: names(rest ?? '') };
  if (double !== undefined) return { kind: 'literal', value: unquote(double) };
  if (raw !== undefined) return { kind: 'literal', value: raw };
  if (number !== undefined) return { kind: 'literal', value: Number(number) };
  if (word === 'true' || word === 'false') return { kind: 'literal', value: word === 'true' };
  if (word === 'nil') return { kind: 'literal', value: null };
  if (word !== undefined) return { kind: 'word', text: word };
  return mark === undefined ? undefined : { kind: 'mark', text: mark };
}

const names = (path: string): string[] => path.split('.').filter((name) => name !== '');

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '"': '"', '\\': '\\' };

function unquote(quoted: string): string {
  return quoted.slice(1, -1).replace(/\\(.)/g, (all, char: string) => {
    const value = ESCAPES[char];
    if (value === undefined) throw new FormatError(`'${all}' in ${quoted} is not an escape: use \\n, \\t, \\" or \\\\`);
    return value;
  });
}

/** Outside of actions `\t` and `\n` may be written out, as Docker allows: a shell leaves them alone in quotes. */
export function unescapeText(text: string): string {
  return text.replace(/\\([tn\\])/g, (_, char: string) => ESCAPES[char] ?? char);
}
