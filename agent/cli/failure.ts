/** Errors as the user sees them: `vipmesh: <message>`, and what to do on an indented line below. */
import { ValidationError } from '../../overlay/model/errors.js';
import { ClientError } from '../api/client-error.js';
import type { Context } from './context.js';
import { UsageError } from './command.js';
import { withOptionNames } from './option-names.js';

export function failureText(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  const message = isInvalid(error) ? withOptionNames(said) : said;
  const remedy = error instanceof Error ? (error as { remedy?: unknown }).remedy : undefined;
  const [first = '', ...more] = message.split('\n');
  const lines = [`vipmesh: ${first}`, ...more.map(indented)];
  if (typeof remedy === 'string') lines.push(...remedy.split('\n').map(indented));
  return lines.map((line) => line + '\n').join('');
}

const isInvalid = (error: unknown): boolean => error instanceof ClientError && error.code === 'invalid';

const indented = (line: string): string => (line === '' ? '' : `  ${line.replace(/^ {2}/, '')}`);

/** With VIPMESH_DEBUG set, where it happened too. */
export function reportFailure(context: Pick<Context, 'warn' | 'env'>, error: unknown): void {
  context.warn(failureText(error));
  if (context.env['VIPMESH_DEBUG'] && error instanceof Error && error.stack !== undefined) context.warn(error.stack + '\n');
}

/** 2 when the command line is wrong, 126 or 127 when `run` or `exec` has nothing to execute, 1 for everything else. */
export function exitCodeOf(error: unknown): number {
  const own = error instanceof Error ? (error as { exitCode?: unknown }).exitCode : undefined;
  if (typeof own === 'number') return own;
  // What the agent refuses as invalid was no better on the command line.
  return isInvalid(error) || error instanceof UsageError || error instanceof ValidationError ? 2 : 1;
}
