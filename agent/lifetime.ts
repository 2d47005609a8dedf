/** What a composition root needs beside what it composes: taking down in reverse what was built, and counters under one name. */
import type { Logger } from './log.js';

export type Undo = (() => Promise<void> | void)[];

/** Steps in reverse, every one of them, whatever the ones before came to. */
export async function takeDown(log: Pick<Logger, 'error'>, undo: Undo): Promise<void> {
  for (const step of undo.splice(0).reverse()) {
    try {
      await step();
    } catch (error) {
      log.error('a step of the shutdown failed', { err: error });
    }
  }
}

/** `{ 'relay.connections': 3 }` */
export function prefixed(prefix: string, counters: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).map(([name, value]) => [`${prefix}.${name}`, value]));
}
