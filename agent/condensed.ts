/**
 * A log in which the same trouble over and over takes few lines: a warning at once, and then, as long as it comes again, how often, after
 * 10 s, 20 s more, 40 s more, up to 10 minutes. What did not come again for such a time is new when it does. Only warnings; what tells them
 * apart is their message, not their fields, of which the last are shown.
 */
import type { Clock } from '../proxy/time/clock.js';
import type { LogFields, Logger } from './log.js';

const FIRST_MS = 10_000;
const LONGEST_MS = 600_000;

interface Recurring {
  times: number;
  last: LogFields | undefined;
}

export function condensed(log: Logger, clock: Clock): Logger {
  const known = new Map<string, Recurring>();
  const wait = (message: string, recurring: Recurring, ms: number): void => {
    clock.after(ms, () => {
      const { times, last } = recurring;
      if (times === 0) return void known.delete(message);
      recurring.times = 0;
      log.warn(message, { ...last, again: times, seconds: ms / 1000 });
      wait(message, recurring, Math.min(2 * ms, LONGEST_MS));
    });
  };
  return {
    ...log,
    warn: (message, fields) => {
      const recurring = known.get(message);
      if (recurring) {
        recurring.times++;
        recurring.last = fields;
        return;
      }
      log.warn(message, fields);
      const first: Recurring = { times: 0, last: undefined };
      known.set(message, first);
      wait(message, first, FIRST_MS);
    },
    child: (fields) => condensed(log.child(fields), clock),
  };
}
