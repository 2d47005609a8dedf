/**
 * How many namespaces there are, as far as this user can see, and whether AppArmor is at work.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { ROOT_NAMESPACES } from '../lifecycle/paths.js';
import type { DoctorFacts } from './facts.js';

/** Of all processes whose namespaces may be looked at, and of what is pinned in /run/netns. */
export function findNamespaces(): DoctorFacts['namespacesSeen'] {
  const processes = list('/proc').filter((name) => /^\d+$/.test(name));
  const of = (kind: 'user' | 'net'): Set<string> => new Set(processes.flatMap((pid) => linkOf(`/proc/${pid}/ns/${kind}`) ?? []));
  const pinned = list(ROOT_NAMESPACES).flatMap((name) => inodeOf(`${ROOT_NAMESPACES}/${name}`) ?? []);
  return { user: of('user').size, net: new Set([...of('net'), ...pinned]).size };
}

/** Whether the kernel has it, and it was not turned off at boot. */
export function appArmorIsAtWork(path = '/sys/module/apparmor/parameters/enabled'): boolean {
  try {
    return readFileSync(path, 'utf8').startsWith('Y');
  } catch {
    return false;
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** `net:[4026531840]`; undefined for a process that has ended, or is another user's. */
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** As linkOf has it, for a file that a namespace is mounted on. */
function inodeOf(path: string): string | undefined {
  try {
    return `net:[${statSync(path).ino}]`;
  } catch {
    return undefined;
  }
}
