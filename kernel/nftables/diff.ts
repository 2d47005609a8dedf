/**
 * What leads from one table to another, as the commands of one transaction, and what somebody has changed, as sentences. Pure.
 * Of what is not ours a sentence says no more than what it does, and how to look at it.
 *
 * What is the same object in both tables is the same: whoever makes a table from the one before and keeps what did not
 * change has a diff that costs by the change, not by the table.
 */
import { deedOf } from './deed.js';
import type { Command } from './render.js';
import type { Chain, NftMap, Table } from './table.js';

/**
 * `current` undefined: there is no such table. What only `current` has goes. Elements go before the chains that they lead to,
 * and come after them.
 */
export function diffTables(current: Table | undefined, desired: Table): Command[] {
  const from = current ?? { maps: new Map<string, NftMap>(), chains: new Map<string, Chain>() };
  const commands: Command[] = current ? [] : [{ do: 'add-table' }];
  // A map of another type, and a chain at another hook, are made anew.
  const maps = kept(from.maps, desired.maps, (a, b) => a.key === b.key && a.value === b.value);
  const chains = kept(from.chains, desired.chains, sameBase);
  const gone = { maps: [...from.maps.keys()].filter((name) => !maps.has(name)), chains: [...from.chains.keys()].filter((name) => !chains.has(name)) };

  // A rule that names a map, and an element that names a chain, hold it.
  for (const chain of gone.chains) commands.push({ do: 'flush-chain', chain });
  const changed = [...desired.chains].filter(([name, chain]) => !sameRules(chains.get(name)?.rules ?? [], chain.rules));
  for (const [chain] of changed) if (chains.has(chain)) commands.push({ do: 'flush-chain', chain });
  for (const map of gone.maps) commands.push({ do: from.maps.get(map)!.value === '' ? 'delete-set' : 'delete-map', map });
  for (const [name, { elements }] of maps) {
    const keys = outdated(elements, desired.maps.get(name)!.elements);
    if (keys.length > 0) commands.push({ do: 'delete-elements', map: name, keys });
  }
  for (const chain of gone.chains) commands.push({ do: 'delete-chain', chain });

  for (const counter of desired.counters ?? []) if (!current?.counters?.includes(counter)) commands.push({ do: 'add-counter', counter });
  for (const [map, { key, value, expression }] of desired.maps) if (!maps.has(map)) commands.push({ do: 'add-map', map, key, value, ...(expression !== undefined && { expression }) });
  for (const [chain, { base }] of desired.chains) if (!chains.has(chain)) commands.push({ do: 'add-chain', chain, ...(base && { base }) });
  for (const [chain, { rules }] of changed) for (const rule of rules) commands.push({ do: 'add-rule', chain, rule });
  for (const [map, { elements }] of desired.maps) {
    const fresh = missing(maps.get(map)?.elements, elements);
    if (fresh.length > 0) commands.push({ do: 'add-elements', map, elements: fresh });
  }
  return commands;
}

/**
 * What differs between a table as it should be and as it was read, one sentence each; none: nothing does. `netns`: name of the namespace
 * that it is in, for `ip netns exec`; absent: the host's.
 */
export function describeDifferences(desired: Table, current: Table | undefined, netns?: string): string[] {
  const table = `table ip ${desired.name}`;
  if (!current) return [`${table} is gone`];
  const look = (chain: string): string => `${netns === undefined ? '' : `ip netns exec ${netns} `}nft list chain ip ${desired.name} ${chain}`;
  return differences(desired, current, look).map((sentence) => `${table}: ${sentence}`);
}

function differences(desired: Table, current: Table, look: (chain: string) => string): string[] {
  const found: string[] = [];
  for (const [name, map] of desired.maps) {
    const there = current.maps.get(name);
    const kind = map.value === '' ? 'set' : 'map';
    const pair = (key: string, value: string): string => (value === '' ? key : `${key} : ${value}`);
    if (!there) found.push(`${kind} ${name} is gone`);
    else if (there.elements !== map.elements) {
      for (const [key, value] of missing(there.elements, map.elements)) found.push(`${kind} ${name} lacks ${pair(key, value)}`);
      for (const key of outdated(there.elements, map.elements)) found.push(`${kind} ${name} has ${pair(key, there.elements.get(key)!)}, which is not ours`);
    }
  }
  for (const [name, chain] of desired.chains) {
    const there = current.chains.get(name);
    if (!there) found.push(`chain ${name} is gone`);
    else if (!sameBase(there, chain)) found.push(`chain ${name} is at another hook`);
    else found.push(...describeRules(name, chain.rules, there.rules, look));
  }
  for (const counter of desired.counters ?? []) if (!current.counters?.includes(counter)) found.push(`counter ${counter} is gone`);
  for (const name of current.maps.keys()) if (!desired.maps.has(name)) found.push(`there is a map ${name}, which is not ours`);
  for (const name of current.chains.keys()) if (!desired.chains.has(name)) found.push(`there is a chain ${name}, which is not ours`);
  return found;
}

function describeRules(chain: string, desired: readonly string[], current: readonly string[], look: (chain: string) => string): string[] {
  if (sameRules(desired, current)) return [];
  const gone = desired.filter((rule) => !current.includes(rule)).map((rule) => `chain ${chain} lacks the rule '${rule}'`);
  const foreign = current.filter((rule) => !desired.includes(rule)).map((rule) => `chain ${chain} has a rule that is not ours and ${deedOf(rule)}: look with \`${look(chain)}\``);
  return gone.length + foreign.length > 0 ? [...gone, ...foreign] : [`chain ${chain} has its rules in another order, or twice`];
}

function kept<T>(current: ReadonlyMap<string, T>, desired: ReadonlyMap<string, T>, same: (a: T, b: T) => boolean): Map<string, T> {
  return new Map(
    [...current].filter(([name, there]) => {
      const wanted = desired.get(name);
      return wanted !== undefined && (wanted === there || same(there, wanted));
    }),
  );
}

function sameBase({ base: a }: Chain, { base: b }: Chain): boolean {
  return a?.type === b?.type && a?.hook === b?.hook && a?.priority === b?.priority;
}

function sameRules(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((rule, index) => rule === b[index]));
}

/** Keys of `current` that `desired` lacks, or has with another value. */
function outdated(current: ReadonlyMap<string, string>, desired: ReadonlyMap<string, string>): string[] {
  return current === desired ? [] : [...current].filter(([key, value]) => desired.get(key) !== value).map(([key]) => key);
}

function missing(current: ReadonlyMap<string, string> | undefined, desired: ReadonlyMap<string, string>): [string, string][] {
  return current === desired ? [] : [...desired].filter(([key, value]) => current?.get(key) !== value);
}
