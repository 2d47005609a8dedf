/**
 * Splits a command line into words as a POSIX shell would: quotes and backslashes, no expansion of any kind
 * (what compose does with a `command` given as one string).
 */
import { ValidationError } from '../../overlay/model/errors.js';

/** Throws ValidationError when a quote is not closed or a backslash is the last character. */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === "'") {
      const end = text.indexOf("'", i + 1);
      if (end < 0) throw new ValidationError(`a single quote is not closed in: ${text}`);
      word = (word ?? '') + text.slice(i + 1, end);
      i = end;
    } else if (char === '"') {
      const quoted = doubleQuoted(text, i + 1);
      word = (word ?? '') + quoted.value;
      i = quoted.end;
    } else if (char === '\\') {
      if (i + 1 >= text.length) throw new ValidationError(`a backslash is the last character of: ${text}`);
      i++;
      if (text.charAt(i) !== '\n') word = (word ?? '') + text.charAt(i);
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** POSIX XCU 2.2.3: within double quotes a backslash escapes only $ ` " \ and newline. */
function doubleQuoted(text: string, start: number): { value: string; end: number } {
  let value = '';
  for (let i = start; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === '"') return { value, end: i };
    const next = text.charAt(i + 1);
    if (char === '\\' && next === '\n') i++;
    else if (char === '\\' && next !== '' && '$`"\\'.includes(next)) {
      value += next;
      i++;
    } else value += char;
  }
  throw new ValidationError(`a double quote is not closed in: ${text}`);
}
