/**
 * A transaction over a netlink socket, and the number of the ruleset's generation. The kernel works while we write: when the call is
 * back, all answers are there. A transaction waits there for every processor to be done with the old rules, milliseconds, so a thread
 * of the pool makes that call.
 */
import fs from 'node:fs';
import { promisify } from 'node:util';
import { ERESTART } from '../ffi/constants.js';
import { SystemError } from '../ffi/libc.js';
import { answersOn, exchange, openNetfilter } from '../netlink/socket.js';
import type { Namespace } from '../netns/netns.js';
import { decodeReplies, encodeBatch, encodeGetGeneration, type MapTypes, type Reply } from './netlink.js';
import type { Command } from './render.js';

/** Of the ruleset of all tables; undefined where the kernel does not tell. Never 0. */
export function generationOf(namespace: Namespace): number | undefined {
  try {
    return repliesIn(exchange(namespace, encodeGetGeneration())).find(({ generation }) => generation !== undefined)?.generation;
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

/**
 * Carries out all of the commands, or nothing. False: nothing was done, because they are not for here, or the ruleset has another
 * generation. Rejects with SystemError when the kernel refuses, with an error of fs when it takes no message.
 */
export async function transact(namespace: Namespace, table: string, commands: readonly Command[], types: MapTypes, generation: number): Promise<boolean> {
  if (commands.length === 0) return true;
  const batch = encodeBatch(table, commands, types, generation);
  if (!batch) return false;
  const fd = openNetfilter(namespace);
  let answers: Reply[];
  try {
    await promisify(fs.write)(fd, batch);
    answers = repliesIn(answersOn(fd));
  } finally {
    fs.closeSync(fd);
  }
  const failed = answers.find(({ error }) => error !== undefined && error !== 0);
  if (failed?.error === -ERESTART) return false;
  if (failed) throw new SystemError('nftables transaction', -failed.error!, namespace.name);
  // Without an answer, nobody knows: the caller reads back.
  return answers.some(({ error, sequence }) => error === 0 && sequence === commands.length);
}

function repliesIn(answers: Iterable<Uint8Array>): Reply[] {
  const found: Reply[] = [];
  for (const bytes of answers) found.push(...decodeReplies(bytes));
  return found;
}
