/**
 * Of which cluster the node of a state directory was last, kept beside its identity: so that an option that somebody forgot, or mistyped, does
 * not start it alone or in another cluster, and end the tasks that it had.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { shellWord } from '../lifecycle/paths.js';
import type { ClusterSettings } from './settings.js';

export interface Membership {
  readonly cluster: string;
  /** `host:port` */
  readonly members: readonly string[];
  readonly advertise: string;
}

/** What was asked for is not what the node was, and was not said in so many words. */
export class MembershipError extends Error {
  override readonly name = 'MembershipError';
}

/**
 * Throws MembershipError unless the node stays what it was. `leaves`: it was said that it is to be alone. One that never was a cluster's may
 * become one.
 */
export function checkMembership(path: string, wanted: ClusterSettings | undefined, leaves: boolean, stateOption: string): void {
  const was = readMembership(path);
  if (was === undefined || leaves || wanted?.cluster === was.cluster) return;
  const store = `etcd://${was.members.join(',')}`;
  const options = [`--store ${shellWord(store)}`, `--cluster ${was.cluster}`, `--advertise ${was.advertise}`].join(' ');
  const asked = wanted === undefined ? 'without --store it would be alone, and its tasks would end' : `its tasks would end if it were one of '${wanted.cluster}' now`;
  throw new MembershipError(
    `this node is one of cluster '${was.cluster}', and ${asked}: start it as before, \`vipmesh up${stateOption} ${options}\` (and what else it was given), ` +
      `or take it out of that cluster first, \`vipmesh up${stateOption} --store local\``,
  );
}

/** Undefined: alone. Called when the agent runs, and so is what it was asked to be. */
export function noteMembership(path: string, settings: ClusterSettings | undefined): void {
  if (settings === undefined) return void rmSync(path, { force: true });
  const { cluster, members, advertise } = settings;
  const membership: Membership = { cluster, members, advertise };
  writeFileSync(path, JSON.stringify(membership, undefined, 2) + '\n', { mode: 0o600 });
}

/** A file that is none of ours, or half a file, says nothing: it only guards against a slip. */
function readMembership(path: string): Membership | undefined {
  try {
    const { cluster, members, advertise } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Membership>;
    return cluster === undefined || members === undefined || advertise === undefined ? undefined : { cluster, members, advertise };
  } catch {
    return undefined;
  }
}
