/** Ids of objects: 12 lower-case hexadecimal digits, random. A task's id is also its host name. */
import { randomBytes } from 'node:crypto';

const ID = /^[0-9a-f]{12}$/;

/** What makes ids; tests give their own. */
export type IdSource = () => string;

/** A new id. Never digits alone: resolvers and shells take such a host name for a number. */
export function newId(): string {
  for (;;) {
    const id = randomBytes(6).toString('hex');
    if (/[a-f]/.test(id)) return id;
  }
}

export function isId(text: string): boolean {
  return ID.test(text);
}
