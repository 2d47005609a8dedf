/**
 * Who this node is: an id and a tag that outlive every restart, kept as plain JSON in the state directory, and the name,
 * which follows the host's. The tag begins the name of every namespace this node makes on the machine.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, readdirSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** The identity file cannot be read or is not one. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
}

export interface Identity {
  /** 12 lower-case hexadecimal digits. */
  readonly id: string;
  /** The host's name. */
  readonly name: string;
  /** 4 lower-case hexadecimal digits, unique among the nodes that run on one machine. */
  readonly tag: string;
}

/** How every name that this node gives to something on the machine begins: `vm1a2b-`. */
export function namePrefix(identity: Identity): string {
  return `vm${identity.tag}-`;
}

/**
 * The identity kept in `path`, made there at first use. `taken` lists names that exist on the machine already (namespaces,
 * links): a tag one of them begins with is not chosen. Throws IdentityError when the file is damaged.
 */
export function loadIdentity(path: string, hostName: string, taken: () => readonly string[] = machineNames): Identity {
  const kept = readIdentity(path);
  if (kept?.name === hostName) return kept;
  const identity: Identity =
    kept === undefined ? { id: randomBytes(6).toString('hex'), name: hostName, tag: newTag(taken()) } : { ...kept, name: hostName };
  writeAtomically(path, JSON.stringify(identity, undefined, 2) + '\n');
  return identity;
}

/** The identity kept in `path`, or undefined when there is none. Throws IdentityError. */
export function readIdentity(path: string): Identity | undefined {
  let text;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return undefined;
    throw new IdentityError(`the node's identity in ${path} cannot be read (${code ?? String(error)})`);
  }
  const identity = parseIdentity(text);
  if (identity === undefined) {
    throw new IdentityError(`${path} does not hold a node's identity: restore it, or remove it and the node gets a new one`);
  }
  return identity;
}

export function parseIdentity(text: string): Identity | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, name, tag } = value as Record<string, unknown>;
  if (typeof id !== 'string' || !/^[0-9a-f]{12}$/.test(id)) return undefined;
  if (typeof tag !== 'string' || !/^[0-9a-f]{4}$/.test(tag)) return undefined;
  return typeof name === 'string' && name !== '' ? { id, name, tag } : undefined;
}

/** A tag that begins none of `taken`. `random` yields 4 hexadecimal digits. */
export function newTag(taken: readonly string[], random = (): string => randomBytes(2).toString('hex')): string {
  for (;;) {
    const tag = random();
    if (!taken.some((name) => name.startsWith(`vm${tag}`))) return tag;
  }
}

function machineNames(): readonly string[] {
  return ['/run/netns', '/sys/class/net'].flatMap((directory) => {
    try {
      return readdirSync(directory);
    } catch {
      return [];
    }
  });
}

/** Either the old file or the whole new one is found after a crash at any moment. */
function writeAtomically(path: string, text: string): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, 'w', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
