/**
 * Reads what `nft -j list table ip NAME` prints into a Table. Handles, counters and versions are left out. Pure.
 */
import { expressionText, markText, ruleText } from './expression.js';
import type { BaseChain, Chain, NftMap, Table } from './table.js';

/** nft printed something else than its own JSON. */
export class NftOutputError extends Error {
  override readonly name = 'NftOutputError';
}

interface Listed {
  readonly map?: ListedMap;
  /** The same, without values. */
  readonly set?: ListedMap;
  readonly counter?: { readonly name: string; readonly packets?: number };
  readonly chain?: { readonly name: string; readonly type?: string; readonly hook?: string; readonly prio?: number };
  readonly rule?: { readonly chain: string; readonly expr: readonly unknown[] };
}

interface ListedMap {
  readonly name: string;
  readonly type: string | readonly string[];
  readonly map?: string | readonly string[];
  readonly elem?: readonly unknown[];
}

/** Of the table `name`; throws NftOutputError. */
export function parseTable(name: string, json: string): Table {
  const maps = new Map<string, NftMap>();
  const chains = new Map<string, Chain & { rules: string[] }>();
  const counters: string[] = [];
  for (const listed of listing(json)) {
    const { map = listed.set, chain, rule, counter } = listed;
    if (counter) counters.push(counter.name);
    if (map) maps.set(map.name, { key: typeText(map.type), value: typeText(map.map ?? ''), elements: new Map((map.elem ?? []).map((listed) => element(listed, map.type === 'mark'))) });
    if (chain) chains.set(chain.name, { ...(chain.hook !== undefined && { base: baseOf(chain) }), rules: [] });
    if (rule) chains.get(rule.chain)?.rules.push(ruleText(rule.expr));
  }
  return { name, maps, chains, ...(counters.length > 0 && { counters }) };
}

/** What `nft -j list counters table ip NAME` prints: packets, by counter. Throws NftOutputError. */
export function parseCounters(json: string): Map<string, number> {
  return new Map(listing(json).flatMap(({ counter }) => (counter ? [[counter.name, counter.packets ?? 0] as const] : [])));
}

function listing(json: string): readonly Listed[] {
  try {
    const { nftables } = JSON.parse(json) as { readonly nftables?: readonly Listed[] };
    if (Array.isArray(nftables)) return nftables as readonly Listed[];
  } catch {
    // Said below.
  }
  throw new NftOutputError(`nft -j printed no list: ${json.slice(0, 80)}`);
}

function baseOf({ type, hook, prio }: NonNullable<Listed['chain']>): BaseChain {
  return { type: type as BaseChain['type'], hook: hook as BaseChain['hook'], priority: prio ?? 0 };
}

/** `typeof ip daddr` is printed by the types that it comes to. */
function typeText(type: string | readonly string[]): string {
  return typeof type === 'string' ? type : type.join(' . ');
}

function element(listed: unknown, isMark: boolean): [key: string, value: string] {
  const [key, value] = Array.isArray(listed) ? (listed as unknown[]) : [listed];
  return [isMark && typeof key === 'number' ? markText(key) : expressionText(key), value === undefined ? '' : expressionText(value)];
}
