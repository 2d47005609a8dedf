/** What command lines of benches have in common. Pure: text in, a value or a complaint out. */

/** The command line asks for something that is not there. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What is asked of a bench. @template Options what is to be measured, and for how long */
export type Command<Options> = { readonly kind: 'help' } | { readonly kind: 'run'; readonly options: Options; readonly json: string | undefined };

/** What node:util's parseArgs answers, or throws as UsageError. */
export function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The value of an option, from `least` to `most`; `fraction`: not only whole numbers. Throws UsageError. @param name without its dashes */
export function number(name: string, text: string, least: number, most: number, fraction = false): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= least && value <= most) || (!fraction && !Number.isInteger(value))) {
    throw new UsageError(`--${name} ${text}: a ${fraction ? '' : 'whole '}number from ${least} to ${most}`);
  }
  return value;
}

/** Those of `topics` that are asked for, in their order; all when none is. Throws UsageError. */
export function topicsOf<T extends string>(topics: readonly T[], asked: readonly string[]): T[] {
  const stranger = asked.find((name) => !(topics as readonly string[]).includes(name));
  if (stranger !== undefined) throw new UsageError(`no topic ${stranger}: there are ${topics.join(', ')}`);
  return topics.filter((name) => asked.length === 0 || asked.includes(name));
}
