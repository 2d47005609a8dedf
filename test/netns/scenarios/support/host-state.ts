/**
 * What is on a test host: processes, namespaces, links, mounts and listening sockets. For comparing before and after.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { childrenOf, statOf } from '../../../../agent/tasks/process-tree.js';

/** Pids of the processes whose command line fits. One that has ended and was not asked for its status is none. */
export function processes(fits: (words: readonly string[]) => boolean = () => true): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);
  return pids.filter((pid) => {
    try {
      return isAlive(pid) && fits(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1));
    } catch {
      return false;
    }
  });
}

function isAlive(pid: number): boolean {
  const state = statOf(pid)?.state;
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** One process, for ever: its pid may be another's later, but not with the same start. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: number;
}

/** All that descend from a process, without itself. */
export function descendants(pid: number): ProcessIdentity[] {
  return childrenOf(pid).flatMap((child) => {
    const startTime = statOf(child)?.startTime;
    return [...(startTime === undefined ? [] : [{ pid: child, startTime }]), ...descendants(child)];
  });
}

export function survivors(identities: readonly ProcessIdentity[]): ProcessIdentity[] {
  return identities.filter(({ pid, startTime }) => statOf(pid)?.startTime === startTime && isAlive(pid));
}

/** Names of the network namespaces that are pinned for all to see. */
export function pinnedNamespaces(): string[] {
  try {
    return readdirSync('/run/netns').sort();
  } catch {
    return [];
  }
}

/** Names of the links in a pinned namespace, or in this one; without lo. */
export function links(namespace?: string): string[] {
  const args = [...(namespace === undefined ? [] : ['-n', namespace]), '-json', 'link', 'show'];
  const found = JSON.parse(execFileSync('ip', args, { encoding: 'utf8' })) as { ifname: string }[];
  return found.map(({ ifname }) => ifname).filter((name) => name !== 'lo').sort();
}

/** What an agent that has ended must leave as it was. */
export interface HostState {
  readonly processes: number;
  readonly namespaces: readonly string[];
  readonly links: readonly string[];
  readonly rules: string;
  readonly mounts: readonly string[];
  readonly sockets: readonly string[];
}

export function hostState(): HostState {
  const text = (file: string, ...args: string[]): string => execFileSync(file, args, { encoding: 'utf8' });
  return {
    // That of the scenario itself, and what it was started by.
    processes: processes(([program]) => program !== 'ss' && program !== 'ip').length,
    namespaces: pinnedNamespaces(),
    links: links(),
    rules: text('ip', 'rule'),
    mounts: readFileSync('/proc/self/mounts', 'utf8').split('\n').sort(),
    sockets: text('ss', '-Hlntux').split('\n').map((line) => line.replace(/\s+/g, ' ').trim()).sort(),
  };
}
