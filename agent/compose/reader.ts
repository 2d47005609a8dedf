/**
 * Typed access to the values of a compose file. Every fault is noted with its line and reading goes on, so that a user
 * sees all of them at once.
 */
import { parseDuration } from '../../overlay/model/duration.js';
import { ValidationError } from '../../overlay/model/errors.js';
import { didYouMean } from '../grammar/closest.js';
import { interpolate, InterpolationError } from './interpolate.js';
import type { Variables } from './interpolate.js';
import type { YamlEntry, YamlMap, YamlScalar, YamlValue } from './yaml.js';

/** What a key of a map is to us: USED, or the reason why it is ignored ('' for none worth giving). */
export type KeyTable = Readonly<Record<string, string>>;
export const USED = 'used';

export interface Note {
  readonly line: number;
  readonly message: string;
}

export class Reader {
  readonly errors: Note[] = [];
  readonly warnings: Note[] = [];

  constructor(readonly variables: Variables) {}

  error(line: number, message: string): undefined {
    this.errors.push({ line, message });
    return undefined;
  }

  warn(line: number, message: string): void {
    if (!this.warnings.some((other) => other.line === line && other.message === message)) this.warnings.push({ line, message });
  }

  /**
   * The entries of a map. A known key that is not used is a warning, one that is not in the table an error; one that begins
   * with x- is the user's own.
   */
  map(value: YamlValue | undefined, path: string, keys: KeyTable): ReadonlyMap<string, YamlEntry> {
    const map = this.anyMap(value, path);
    const used = new Map<string, YamlEntry>();
    for (const entry of map?.entries.values() ?? []) {
      const fate = Object.hasOwn(keys, entry.key) ? keys[entry.key] : undefined;
      if (fate === USED) used.set(entry.key, entry);
      else if (fate !== undefined) this.warn(entry.line, `${path === '' ? '' : `${path}.`}${entry.key} is not supported and ignored${fate === '' ? '' : `: ${fate}`}`);
      else if (!entry.key.startsWith('x-')) {
        this.error(entry.line, `unknown key '${entry.key}' in ${path === '' ? 'the compose file' : path}${didYouMean(entry.key, Object.keys(keys))}`);
      }
    }
    return used;
  }

  /** A map with keys of the user's choice. Null is an empty one. */
  anyMap(value: YamlValue | undefined, path: string): YamlMap | undefined {
    if (value === undefined || value.kind === 'map') return value;
    if (value.kind === 'scalar' && value.value === null) return undefined;
    return this.error(value.line, `${path} must be a map`);
  }

  /** Null counts as absent. */
  text(entry: YamlEntry | undefined, path: string): string | undefined {
    if (!entry || isNull(entry.value)) return undefined;
    return entry.value.kind === 'scalar' ? this.scalar(entry.value) : this.error(entry.value.line, `${path} must be a text`);
  }

  /** With its variables filled in. */
  scalar(value: YamlScalar): string | undefined {
    try {
      return interpolate(value.text, this.variables, (name) => this.warn(value.line, `variable ${name} is not set: nothing is put in its place`));
    } catch (error) {
      if (error instanceof InterpolationError) return this.error(value.line, error.message);
      throw error;
    }
  }

  strings(value: YamlValue | undefined, path: string): string[] {
    if (value === undefined || isNull(value)) return [];
    if (value.kind !== 'list') return this.error(value.line, `${path} must be a list`) ?? [];
    return value.items.flatMap((item) => {
      if (item.kind !== 'scalar') return this.error(item.line, `${path} must be a list of texts`) ?? [];
      return this.scalar(item) ?? [];
    });
  }

  /** A text or a list of them. */
  stringOrList(value: YamlValue, path: string): string | string[] | undefined {
    return value.kind === 'scalar' ? this.scalar(value) : this.strings(value, path);
  }

  number(entry: YamlEntry | undefined, path: string, least: number): number | undefined {
    const text = this.text(entry, path);
    if (entry === undefined || text === undefined) return undefined;
    const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : NaN;
    return value >= least ? value : this.error(entry.line, `${path}: '${text}' is not a whole number of at least ${least}`);
  }

  boolean(entry: YamlEntry | undefined, path: string): boolean | undefined {
    const text = this.text(entry, path);
    if (entry === undefined || text === undefined) return undefined;
    if (/^(true|yes|on)$/i.test(text)) return true;
    return /^(false|no|off)$/i.test(text) ? false : this.error(entry.line, `${path}: '${text}' is neither true nor false`);
  }

  /** Milliseconds. */
  duration(entry: YamlEntry | undefined, path: string): number | undefined {
    const text = this.text(entry, path);
    return entry === undefined || text === undefined ? undefined : this.attempt(entry.line, path, () => parseDuration(text));
  }

  oneOf<T extends string>(entry: YamlEntry | undefined, path: string, choices: readonly T[]): T | undefined {
    const text = this.text(entry, path);
    if (entry === undefined || text === undefined) return undefined;
    return choices.find((choice) => choice === text) ?? this.error(entry.line, `${path}: '${text}' is not one of ${choices.join(', ')}`);
  }

  /** KEY: value, or - KEY=value; a key without a value takes it from the environment, or is left out (labels: is empty). */
  pairs(entry: YamlEntry | undefined, path: string, withoutValue: (key: string) => string | undefined): Record<string, string> {
    const pairs: Record<string, string> = {};
    const add = (key: string, value: string | undefined): void => void (value === undefined || (pairs[key] = value));
    if (!entry) return pairs;
    if (entry.value.kind === 'list') {
      for (const text of this.strings(entry.value, path)) {
        const equals = text.indexOf('=');
        if (equals < 0) add(text, withoutValue(text));
        else add(text.slice(0, equals), text.slice(equals + 1));
      }
      return pairs;
    }
    for (const { key, value, line } of this.anyMap(entry.value, path)?.entries.values() ?? []) {
      if (value.kind !== 'scalar') this.error(line, `${path}.${key} must be a text`);
      else add(key, isNull(value) ? withoutValue(key) : this.scalar(value));
    }
    return pairs;
  }

  /** Notes what a parser of the model complains of. */
  attempt<T>(line: number, path: string, parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (error instanceof ValidationError) return this.error(line, `${path}: ${error.message}`);
      throw error;
    }
  }
}

/** Not for `""`, which is a text of no letters. */
export function isNull(value: YamlValue): boolean {
  return value.kind === 'scalar' && value.value === null && !value.quoted;
}
