/** Log lines of tasks, as `service logs` and `task logs` print them. */
import type { LogLine, LogQuery } from '../control.js';
import type { OptionSpec } from './command.js';
import type { Context } from './context.js';
import { wholeNumber } from './values.js';

export interface LogOptions {
  readonly follow?: boolean;
  readonly tail?: number;
}

export const logOptions: readonly OptionSpec[] = [
  { flags: '-f, --follow', about: 'go on with what is written from now on' },
  { flags: '-n, --tail <n>', about: 'only the last lines of each task', parse: wholeNumber(0), shown: 'all that are kept' },
];

/** @param named whether each line says whose it is */
export async function printLogs(context: Context, options: LogOptions, named: boolean, open: (query: LogQuery, signal: AbortSignal) => AsyncIterable<LogLine>): Promise<void> {
  const query: LogQuery = { follow: options.follow === true, ...(options.tail === undefined ? {} : { tail: options.tail }) };
  let width = 0;
  for await (const { task, line } of open(query, context.interrupted())) {
    width = Math.max(width, task.length);
    context.write(named ? `${task.padEnd(width)} | ${line}\n` : `${line}\n`);
  }
}
