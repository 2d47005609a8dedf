/**
 * Variables in a compose file's values: $VAR, ${VAR}, ${VAR:-default}, ${VAR-default}, ${VAR:?error}, ${VAR?error},
 * ${VAR:+other}, ${VAR+other}, and $$ for a dollar sign. Defaults may hold variables again. Pure.
 * https://docs.docker.com/reference/compose-file/interpolation/
 */

/** A variable that is required and not set, or a `$` that makes no sense. */
export class InterpolationError extends Error {
  override readonly name = 'InterpolationError';
}

export type Variables = Readonly<Record<string, string | undefined>>;

/** `onUnset` hears of variables that are used without a default and are not set (they are replaced by nothing). */
export function interpolate(text: string, variables: Variables, onUnset: (name: string) => void): string {
  let out = '';
  for (let at = 0; at < text.length; ) {
    const dollar = text.indexOf('$', at);
    if (dollar < 0) return out + text.slice(at);
    out += text.slice(at, dollar);
    if (text[dollar + 1] === '$') {
      out += '$';
      at = dollar + 2;
      continue;
    }
    const name = /^[A-Za-z_][A-Za-z0-9_]*/.exec(text.slice(dollar + 1))?.[0];
    if (name !== undefined) {
      out += valueOf(name, variables, onUnset);
      at = dollar + 1 + name.length;
      continue;
    }
    if (text[dollar + 1] !== '{') throw new InterpolationError(`'${text.slice(dollar, dollar + 10)}' is not a variable: write $$ for a dollar sign`);
    const end = closingBrace(text, dollar + 2);
    out += braced(text.slice(dollar + 2, end), variables, onUnset);
    at = end + 1;
  }
  return out;
}

function closingBrace(text: string, from: number): number {
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    if (text.startsWith('${', i)) depth++;
    else if (text[i] === '}' && --depth === 0) return i;
  }
  throw new InterpolationError(`'\${' without '}' in '${text}'`);
}

function braced(inner: string, variables: Variables, onUnset: (name: string) => void): string {
  const match = /^(?<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?<operator>:?[-?+])(?<rest>[\s\S]*))?$/.exec(inner)?.groups;
  if (!match) throw new InterpolationError(`'\${${inner}}' is not a variable: write \${NAME} or \${NAME:-default}, and $$ for a dollar sign`);
  const name = match['name'] ?? '';
  const operator = match['operator'];
  const rest = match['rest'] ?? '';
  const value = variables[name];
  // With a colon an empty value counts as not set.
  const set = value !== undefined && !(operator?.startsWith(':') === true && value === '');
  switch (operator?.at(-1)) {
    case '-':
      return set ? value : interpolate(rest, variables, onUnset);
    case '+':
      return set ? interpolate(rest, variables, onUnset) : '';
    case '?':
      if (!set) throw new InterpolationError(`variable ${name} is required${rest === '' ? ': set it in the environment' : `: ${interpolate(rest, variables, onUnset)}`}`);
      return value;
    default:
      return valueOf(name, variables, onUnset);
  }
}

function valueOf(name: string, variables: Variables, onUnset: (name: string) => void): string {
  const value = variables[name];
  if (value === undefined) onUnset(name);
  return value ?? '';
}
