/**
 * Docker's durations, which are Go's (`10s`, `1m30s`, `500ms`), to and from milliseconds.
 * https://pkg.go.dev/time#ParseDuration
 */
import { ValidationError } from './errors.js';

const UNIT_MS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, 'µs': 1e-3, 'μs': 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const PART = /([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)/y;

/**
 * Milliseconds, whole and not negative; less than a millisecond rounds to the nearest. `0` needs no unit.
 * Throws ValidationError.
 */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  let total = 0;
  PART.lastIndex = 0;
  let end = 0;
  while (end < text.length) {
    const part = PART.exec(text);
    if (!part) break;
    total += Number(part[1]) * (UNIT_MS[part[2] ?? ''] ?? NaN);
    end = PART.lastIndex;
  }
  if (text === '' || end !== text.length) throw new ValidationError(`'${text}' is not a duration: use a number and a unit, such as 500ms, 10s or 1m30s`);
  const rounded = Math.round(total);
  if (!Number.isSafeInteger(rounded)) throw new ValidationError(`duration '${text}' is too long`);
  return rounded;
}

/** The shortest Go text of whole milliseconds: 90000 is `1m30s`, 1500 is `1.5s`, 20 is `20ms`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s';
  if (milliseconds < 1000) return `${milliseconds}ms`;
  const hours = Math.floor(milliseconds / 3_600_000);
  const minutes = Math.floor((milliseconds % 3_600_000) / 60_000);
  const seconds = (milliseconds % 60_000) / 1000;
  return `${hours > 0 ? `${hours}h` : ''}${minutes > 0 ? `${minutes}m` : ''}${seconds > 0 ? `${seconds}s` : ''}`;
}
