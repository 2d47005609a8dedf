/**
 * Copies a store of one machine into an empty cluster of etcd, and reads back what is there. In several transactions, with a mark that is
 * the first thing written and the last thing removed: a copy that was cut short begins anew, and no node starts on half of one.
 */
import { MIGRATION, NETWORKS, SERVICES, TASKS, type Migration } from '../../overlay/store/keys.js';
import { deleteInParts, partsOf } from '../../overlay/store/parts.js';
import type { Entry, Store } from '../../overlay/store/store.js';

/** The target is not to be written to. The message names the cause and the remedy. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

export interface Migrated {
  readonly keys: number;
  readonly networks: number;
  readonly services: number;
  readonly tasks: number;
}

/** Bytes of values in one transaction; etcd takes 1.5 MiB in a request. */
const PART_BYTES = 512 * 1024;

/**
 * @param node id of the node whose store `from` is; its tasks stay its own @param cluster name of `to`'s
 * Rejects with MigrationError, and with what either store rejects with.
 */
export async function migrate(from: Store, to: Store, node: string, cluster: string): Promise<Migrated> {
  const { entries } = await from.list('');
  await makeRoom(to, node, cluster);
  if ((await to.commit([{ key: MIGRATION, revision: 0 }], [{ put: MIGRATION, value: { node } satisfies Migration }])) === undefined) throw inUse(cluster);
  for (const part of partsOf(entries).flatMap(bySize)) {
    const created = await to.commit(part.map(({ key }) => ({ key, revision: 0 })), part.map(({ key, value }) => ({ put: key, value })));
    if (created === undefined) throw inUse(cluster);
  }
  await verify(entries, to, cluster);
  await to.commit([], [{ delete: MIGRATION }]);
  const count = (prefix: string): number => entries.filter(({ key }) => key.startsWith(prefix)).length;
  return { keys: entries.length, networks: count(NETWORKS), services: count(SERVICES), tasks: count(TASKS) };
}

/** Throws unless there is nothing in the cluster but what an earlier try of this node's has left, which is removed. */
async function makeRoom(to: Store, node: string, cluster: string): Promise<void> {
  const { entries } = await to.list('');
  if (entries.length === 0) return;
  const mark = entries.find(({ key }) => key === MIGRATION) as Entry<Migration> | undefined;
  if (mark?.value.node !== node) {
    throw new MigrationError(`cluster '${cluster}' has ${entries.length} keys in etcd already, and a store is migrated into an empty one only: choose another --cluster, or, if nobody needs it, empty it (etcdctl del --prefix /vipmesh/${cluster}/)`);
  }
  await deleteInParts(to, [...entries.map(({ key }) => key).filter((key) => key !== MIGRATION), MIGRATION]);
}

async function verify(entries: readonly Entry[], to: Store, cluster: string): Promise<void> {
  const copied = new Map((await to.list('')).entries.map(({ key, value }) => [key, JSON.stringify(value)]));
  const wrong = entries.filter(({ key, value }) => copied.get(key) !== JSON.stringify(value));
  if (wrong.length > 0 || copied.size !== entries.length + 1) throw inUse(cluster);
}

function inUse(cluster: string): MigrationError {
  return new MigrationError(`somebody else writes to cluster '${cluster}' in etcd: stop that agent, and repeat this`);
}

function bySize(entries: readonly Entry[]): Entry[][] {
  const parts: Entry[][] = [];
  let bytes = Infinity;
  for (const entry of entries) {
    const size = JSON.stringify(entry.value).length;
    if (bytes + size > PART_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(entry);
    bytes += size;
  }
  return parts;
}
