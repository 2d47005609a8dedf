/**
 * Looks after what was made: every two seconds what others have taken from network sandboxes, and from the host's filter, is put back, and
 * told in the log; the same again and again in few lines. What there should be is others' to say.
 */
import type { Clock } from '../../proxy/time/clock.js';
import type { Logger } from '../log.js';
import { condensed } from '../condensed.js';

const LOOK_MS = 2000;
/** Sentences in one line of the log. */
const MOST_TOLD = 5;

/** Something that can be damaged: it puts itself right, and answers what was wrong, as sentences. Costs next to nothing when nothing has changed. */
export interface Repairable {
  repair(): Promise<readonly string[]>;
}

/** `things`: what there is now, by the names that the log has for them. Never throws. Answers what ends it, which resolves when no look is under way. */
export function takeCare(options: { readonly clock: Clock; readonly log: Logger; readonly things: () => Iterable<readonly [name: string, thing: Repairable]> }): () => Promise<void> {
  const { clock, things } = options;
  const log = condensed(options.log, clock);
  let closed = false;
  let cancel = (): void => undefined;
  let looking: Promise<void> = Promise.resolve();

  const look = async (): Promise<void> => {
    for (const [name, thing] of [...things()]) {
      if (closed) return;
      try {
        const faults = await thing.repair();
        if (faults.length > 0) log.warn(`${name} was changed by somebody, and is put right`, { was: told(faults) });
      } catch (error) {
        log.warn(`${name} cannot be put right`, { error: error instanceof Error ? error.message : String(error) });
      }
    }
  };
  const next = (): void => {
    cancel = clock.after(LOOK_MS, () => {
      looking = look().then(() => {
        if (!closed) next();
      });
    });
  };
  next();
  return () => {
    closed = true;
    cancel();
    return looking;
  };
}

function told(faults: readonly string[]): string {
  const more = faults.length - MOST_TOLD;
  return [...faults.slice(0, MOST_TOLD), ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}
