/**
 * One nftables table as data: its maps and sets with their elements, its chains with their rules. Rules, keys and values are text as
 * nft(8) takes it, in one spelling each (marks in hexadecimal), so that two tables are compared by comparing text; read.ts brings what nft prints
 * into the same spelling. render.ts makes commands of it, diff.ts finds what leads from one table to another.
 *
 * Family ip only. A set is a map without values. What is anonymous in a rule belongs to that rule.
 */

export interface BaseChain {
  readonly type: 'nat' | 'filter';
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';
  /** A number: dstnat is -100, srcnat 100 (include/uapi/linux/netfilter_ipv4.h, enum nf_ip_hook_priorities). */
  readonly priority: number;
}

export interface Chain {
  /** Absent: a chain that others jump to. */
  readonly base?: BaseChain;
  readonly rules: readonly string[];
}

export interface NftMap {
  /** `ipv4_addr`, or several with ` . ` between them. */
  readonly key: string;
  /** Of a set whose key has a part without a type that nft(8) knows by name: an expression of that key, such as `ip saddr . @th,96,24`. It is not read back. */
  readonly expression?: string;
  /** Of the values: `verdict`, `ipv4_addr`, …; empty: a set. Its elements have empty values, too. */
  readonly value: string;
  readonly elements: ReadonlyMap<string, string>;
}

export interface Table {
  readonly name: string;
  readonly maps: ReadonlyMap<string, NftMap>;
  readonly chains: ReadonlyMap<string, Chain>;
  /** Names of counters that rules count by; absent: none. What they have counted is not of the table. */
  readonly counters?: readonly string[];
}

/** Nothing in it, which is also what a table that is not there is compared as. */
export function emptyTable(name: string): Table {
  return { name, maps: new Map(), chains: new Map() };
}
