/**
 * What the setup script says to the agent (setup-script.ts has the protocol): bytes in, messages out.
 */
export type SetupMessage =
  | { readonly kind: 'warn'; readonly text: string }
  | { readonly kind: 'fail'; readonly code: 125 | 126 | 127; readonly text: string }
  | { readonly kind: 'ready' };

/** Undefined for a line that is none of ours. */
export function parseSetupLine(line: string): SetupMessage | undefined {
  if (line === 'ready') return { kind: 'ready' };
  if (line.startsWith('warn ')) return { kind: 'warn', text: line.slice('warn '.length) };
  const fail = /^fail (\d+) (.*)$/s.exec(line);
  if (!fail) return undefined;
  const code = Number(fail[1]);
  return { kind: 'fail', code: code === 127 || code === 126 ? code : 125, text: fail[2] ?? '' };
}

/** Joins chunks into lines. */
export class SetupReader {
  #rest = '';

  push(chunk: string): SetupMessage[] {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.map(parseSetupLine).filter((message) => message !== undefined);
  }
}
