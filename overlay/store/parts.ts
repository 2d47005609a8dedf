/**
 * Deleting many keys in several transactions: etcd takes 128 operations in one unless it is told otherwise. For what nothing depends on
 * being there all or not at all.
 */
import type { Store } from './store.js';

/** Fewer than etcd's limit, which holds for compares and writes each. */
const PART = 100;

/** Deletes keys; what was cut short is repeated. */
export async function deleteInParts(store: Store, keys: readonly string[]): Promise<void> {
  for (const part of partsOf(keys)) await store.commit([], part.map((key) => ({ delete: key })));
}

/** In the order given, as many at a time as fit into one transaction. */
export function partsOf<T>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < items.length; from += PART) parts.push(items.slice(from, from + PART));
  return parts;
}
