/** Removing several things at once: each is tried, and what went is printed, as Docker does. */
import type { Context } from './context.js';
import { reportFailure } from './failure.js';

export async function removeEach(context: Context, refs: readonly string[], remove: (ref: string) => Promise<unknown>): Promise<void> {
  for (const ref of refs) {
    try {
      await remove(ref);
      context.write(`${ref}\n`);
    } catch (error) {
      if (refs.length === 1) throw error;
      reportFailure(context, error);
      context.exitCode = 1;
    }
  }
}
