/**
 * How every listing and every `inspect` is printed: a table, or what --json, -q or --format ask for. One place, so that
 * all commands have the same options with the same meaning.
 */
import { CommandFailure } from './context.js';
import type { Context } from './context.js';
import { UsageError } from './command.js';
import type { OptionSpec } from './command.js';
import type { FormatItem, Formatter } from './format/format.js';
import { formatItem, tableOf } from './views/view.js';
import type { View } from './views/view.js';

export interface ListingOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly format?: string;
}

const formatOption: OptionSpec = { flags: '--format <format>', about: 'print by a template or a path (see below)' };
export const listingOptions: readonly OptionSpec[] = [
  { flags: '-q, --quiet', about: 'print ids only' },
  { flags: '--json', about: 'print the objects as a JSON array' },
  formatOption,
];
/** For what there is only one of. */
export const objectOptions: readonly OptionSpec[] = [formatOption, { flags: '--json', about: 'print the object as JSON' }];
export const inspectOptions: readonly OptionSpec[] = [formatOption, { flags: '--json', about: 'print a JSON array, which is what happens anyway without --format' }];

/** Reads the format first: a bad one is a usage error before the agent is asked anything. */
export async function makePrinter(context: Context, options: ListingOptions): Promise<<T>(view: View<T>, items: readonly T[]) => void> {
  const wanted = [options.json === true && '--json', options.quiet === true && '--quiet', options.format !== undefined && '--format'].filter((name) => name !== false);
  if (wanted.length > 1) throw new UsageError(`${wanted.join(' and ')} cannot be combined`);
  const format = options.format === undefined ? undefined : await readFormat(options.format);
  return (view, items) => {
    if (format) context.write(applied(format, items.map((item) => formatItem(view, item))));
    else if (options.json === true) context.write(json(items.map(view.raw)));
    else if (options.quiet === true) context.write(items.map((item) => view.id(item) + '\n').join(''));
    else context.write(tableOf(view, items));
  };
}

/** `inspect`: whole objects. A template sees the object alone, without the columns of a listing. */
export async function printObjects(context: Context, options: ListingOptions, load: () => Promise<readonly unknown[]>): Promise<void> {
  if (options.json === true && options.format !== undefined) throw new UsageError('--json and --format cannot be combined');
  const format = options.format === undefined ? undefined : await readFormat(options.format);
  const objects = await load();
  context.write(format ? applied(format, objects.map((raw) => ({ raw, row: raw }))) : json(objects));
}

/** The same for what there is only one of: the object itself, not a list of one. */
export async function printObject(context: Context, options: ListingOptions, load: () => Promise<unknown>): Promise<void> {
  if (options.format === undefined) context.write(json(await load()));
  else await printObjects(context, options, async () => [await load()]);
}

async function readFormat(text: string): Promise<Formatter> {
  const { parseFormat, FormatError } = await import('./format/format.js');
  try {
    return parseFormat(text);
  } catch (error) {
    if (error instanceof FormatError) throw new UsageError(`--format: ${error.message}`);
    throw error;
  }
}

function applied(format: Formatter, items: readonly FormatItem[]): string {
  try {
    return format(items);
  } catch (error) {
    if (error instanceof Error && error.name === 'FormatError') throw new CommandFailure(`--format: ${error.message}`);
    throw error;
  }
}

const json = (value: unknown): string => JSON.stringify(value, null, 2) + '\n';
