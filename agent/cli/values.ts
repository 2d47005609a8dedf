/** Values of options, from text. Each throws a UsageError or a ValidationError, which the parser quotes with the option. */
import { parseDuration } from '../../overlay/model/duration.js';
import { UsageError } from './command.js';
import type { OptionSpec } from './command.js';

/** A whole number of at least `least`, and of at most `most` if that is given. */
export function wholeNumber(least: number, most?: number): (text: string) => number {
  return (text) => {
    const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : NaN;
    if (!(value >= least && value <= (most ?? Infinity))) {
      throw new UsageError(`'${text}' is not a whole number ${most === undefined ? `of at least ${least}` : `from ${least} to ${most}`}`);
    }
    return value;
  };
}

/** 0 to 1: `0.25` */
export function ratio(text: string): number {
  const value = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : NaN;
  if (!(value <= 1)) throw new UsageError(`'${text}' is not a number from 0 to 1`);
  return value;
}

/** `vote=5` */
export function parseScaleTarget(text: string): { readonly ref: string; readonly replicas: number } {
  const match = /^(?<ref>[^=]+)=(?<replicas>[0-9]{1,9})$/.exec(text)?.groups;
  if (!match) throw new UsageError(`'${text}' does not say how many replicas`, 'write SERVICE=REPLICAS, for example vote=5');
  return { ref: match['ref'] ?? '', replicas: Number(match['replicas']) };
}

/** How a task is named on a command line (overlay/service/lookup.ts). */
export const TASK_REF = 'its name or id, the first digits of that (at least 4), or SERVICE.SLOT, as vote.1';

/** How commands that start tasks are waited for. */
export const waitOptions: readonly OptionSpec[] = [
  { flags: '-d, --detach', about: 'do not wait until the tasks run' },
  { flags: '--timeout <duration>', about: 'how long to wait until they run', parse: parseDuration, shown: '60s' },
];

export interface WaitOptions {
  readonly detach?: boolean;
  /** Milliseconds. */
  readonly timeout?: number;
}

export const DEFAULT_WAIT = 60_000;
