/**
 * Releases what is allocated to nobody: addresses, names, VNIs, subnets, marks and ports whose owner no longer exists. Allocations
 * are made and released together with their owners, so there should be nothing to do; this is for a store that was
 * restored, or written by an older version. Decided on one full listing, so nothing is pruned on half the picture.
 */
import { isEnded } from '../model/task-state.js';
import type { TaskObject } from '../model/object.js';
import type { MarkHolder, Owned, PortHolder, Subnets } from '../store/keys.js';
import { ADDRESSES, ATTACHED, BALANCER, MARKS, NAMES, POOLS, PORTS, SUBNETS, TASKS, VNIS, networkKey } from '../store/keys.js';
import { partsOf } from '../store/parts.js';
import type { Compare, Entry, Store, Write } from '../store/store.js';

/** Answers what was released, by key. Does nothing and answers nothing when the store changed meanwhile: call again. */
export async function prune(store: Store): Promise<string[] | undefined> {
  const { entries } = await store.list('');
  const released: string[] = [];
  for (const part of partsOf(planPrune(entries))) {
    const revision = await store.commit(part.map(({ compare }) => compare), part.map(({ write }) => write));
    if (revision === undefined) return undefined;
    released.push(...part.map(({ compare }) => compare.key));
  }
  return released;
}

/** What is written to a key, if that is still as it was. */
export interface Pruning {
  readonly compare: Compare;
  readonly write: Write;
}

/** The choice by itself, over everything in the store. */
export function planPrune(entries: readonly Entry[]): Pruning[] {
  const alive = new Set<string>();
  const holding = new Set<string>();
  for (const { key, value } of entries) {
    alive.add(key);
    if (!key.startsWith(TASKS) || !isEnded(value as TaskObject)) holding.add(key);
  }
  return entries.flatMap((entry): Pruning | [] => {
    const write = pruneEntry(entry, alive, holding);
    return write === undefined ? [] : { compare: { key: entry.key, revision: entry.revision }, write };
  });
}

function pruneEntry({ key, value }: Entry, alive: ReadonlySet<string>, holding: ReadonlySet<string>): Write | undefined {
  if (key.startsWith(ADDRESSES)) {
    const { owner } = value as Owned;
    const network = networkKey(key.split('/')[1] ?? '');
    // An ended task keeps its record and its name, but no address.
    return alive.has(network) && (owner === BALANCER || holding.has(owner)) ? undefined : { delete: key };
  }
  if (key.startsWith(MARKS)) {
    const { owner, network } = value as MarkHolder;
    return alive.has(owner) && alive.has(networkKey(network)) ? undefined : { delete: key };
  }
  if (key.startsWith(NAMES) || key.startsWith(VNIS)) return alive.has((value as Owned).owner) ? undefined : { delete: key };
  if (key.startsWith(ATTACHED)) return alive.has(networkKey(key.slice(ATTACHED.length))) ? undefined : { delete: key };
  if (key.startsWith(POOLS)) return alive.has(networkKey(key.slice(POOLS.length))) ? undefined : { delete: key };
  if (key.startsWith(PORTS)) {
    const holders = value as readonly PortHolder[];
    return shrunk(key, holders.length, holders.filter(({ owner }) => alive.has(owner)));
  }
  if (key === SUBNETS) {
    const subnets = Object.entries(value as Subnets);
    const left = subnets.filter(([, owner]) => alive.has(owner));
    return left.length === subnets.length ? undefined : { put: key, value: Object.fromEntries(left) };
  }
  return undefined;
}

function shrunk(key: string, before: number, left: readonly unknown[]): Write | undefined {
  if (left.length === before) return undefined;
  return left.length === 0 ? { delete: key } : { put: key, value: left };
}
