/**
 * Our own chains: what each should have, how that differs from what it has, and the batch for `iptables-restore --noflush`
 * that makes up for it. Pure.
 *
 * In a chain the *members* are in no order that matters, and come before the *tail*, which has one. A chain that only lacks
 * members, or has some too many, is changed rule by rule, new ones at its head; one whose tail is not as it should be is written
 * anew. Either way a table changes at once, or not at all.
 */
import type { ReadChain, ReadTable } from './read.js';
import { CHAIN_PREFIX, ruleText, type Conditions, type Rule } from './rule.js';

/** A jump from a built-in chain, at its end. */
export interface Jump {
  readonly from: string;
  /** Of the packets that jump. */
  readonly when: Conditions;
}

export interface Chain {
  readonly name: string;
  /** The built-in chain with the one jump to this one, or several; absent: another chain of ours jumps here. */
  readonly from?: string | readonly Jump[];
  readonly members: readonly Rule[];
  readonly tail: readonly Rule[];
}

/** Changes of one table, as lines of its batch. */
export interface TableBatch {
  readonly table: string;
  readonly lines: readonly string[];
}

/** One batch; '' when there is nothing to change. Tables in the order given: each is committed by itself. */
export function renderBatch(tables: readonly TableBatch[]): string {
  return tables
    .filter(({ lines }) => lines.length > 0)
    .map(({ table, lines }) => `*${table}\n${lines.join('\n')}\nCOMMIT\n`)
    .join('');
}

export function insertLine(chain: string, rule: Rule): string {
  return `-I ${chain} 1 ${ruleText(rule)}`;
}

export function deleteLine(chain: string, rule: Rule): string {
  return `-D ${chain} ${ruleText(rule)}`;
}

/** Makes the chains of one table what they should be. `present` is what was read of the table. */
export function chainLines(present: ReadTable | undefined, wanted: readonly Chain[]): string[] {
  const declared: string[] = [];
  const filled: string[] = [];
  const changed: string[] = [];
  const jumps: string[] = [];
  for (const chain of wanted) {
    const now = present?.chains.get(chain.name);
    if (now && tailStands(now, chain)) changed.push(...memberLines(now, chain));
    else {
      // Of a chain that is there, this line takes all rules away: within the one transaction that fills it again.
      declared.push(`:${chain.name} - [0:0]`);
      filled.push(...[...chain.members, ...chain.tail].map((rule) => `-A ${chain.name} ${ruleText(rule)}`));
    }
    jumps.push(...jumpLines(present, chain));
  }
  return [...declared, ...filled, ...changed, ...jumps];
}

/** Takes every chain of ours away, with the jumps to them, whoever made these. */
export function removalLines(present: ReadTable, names: readonly string[]): string[] {
  const ours = names.filter((name) => present.chains.has(name));
  const jumps = [...present.chains.values()].flatMap((chain) =>
    ours.includes(chain.name) ? [] : chain.rules.filter(({ target }) => ours.includes(target)).map(({ text }) => `-D ${chain.name} ${text}`),
  );
  return [...jumps, ...ours.map((name) => `-F ${name}`), ...ours.map((name) => `-X ${name}`)];
}

/** What is wrong with our chains in one table, as sentences. */
export function chainFaults(table: string, present: ReadTable | undefined, wanted: readonly Chain[]): string[] {
  return wanted.flatMap((chain) => {
    const now = present?.chains.get(chain.name);
    const at = `chain ${chain.name} of table ${table}`;
    if (!now) return [`${at} is missing`];
    const has = now.rules.map(({ text }) => text);
    const should = [...chain.members, ...chain.tail].map(ruleText);
    const faults = [
      ...without(should, has).map((text) => `${at} lacks the rule '${text}'`),
      ...without(has, should).map((text) => `${at} has the rule '${text}', which should not be there`),
    ];
    if (faults.length === 0 && !tailStands(now, chain)) faults.push(`${at} has its rules in the wrong order`);
    for (const jump of jumpsTo(chain)) {
      const jumps = jumpCount(present, jump);
      if (jumps !== 1) faults.push(`${jump.from} of table ${table} has ${jumps === 0 ? 'no jump' : `${jumps} jumps`} to ${chain.name}`);
    }
    return faults;
  });
}

/** Rules of our chains that we would never make. */
export function foreignRules(present: ReadTable | undefined): { chain: string; text: string }[] {
  return [...(present?.chains.values() ?? [])]
    .filter(({ name }) => name.startsWith(CHAIN_PREFIX))
    .flatMap(({ name, rules }) => rules.filter(({ rule }) => rule === undefined).map(({ text }) => ({ chain: name, text })));
}

function tailStands(now: ReadChain, chain: Chain): boolean {
  const at = now.rules.length - chain.tail.length;
  const tail = chain.tail.map(ruleText);
  return at >= 0 && tail.every((text, i) => now.rules[at + i]!.text === text) && now.rules.slice(0, at).every(({ text }) => !tail.includes(text));
}

function memberLines(now: ReadChain, chain: Chain): string[] {
  const has = now.rules.slice(0, now.rules.length - chain.tail.length).map(({ text }) => text);
  const should = chain.members.map(ruleText);
  return [
    ...without(should, has).map((text) => `-I ${chain.name} 1 ${text}`),
    ...without(has, should).map((text) => `-D ${chain.name} ${text}`),
  ];
}

interface JumpText {
  readonly from: string;
  readonly text: string;
}

/** The jumps that a chain is to have, as text. */
export function jumpsTo({ name, from = [] }: Chain): JumpText[] {
  const jumps = typeof from === 'string' ? [{ from, when: {} }] : from;
  return jumps.map((jump) => ({ from: jump.from, text: ruleText({ ...jump.when, action: { kind: 'jump', chain: name } }) }));
}

function jumpLines(present: ReadTable | undefined, chain: Chain): string[] {
  return jumpsTo(chain).flatMap((jump) => {
    const line = `${jump.from} ${jump.text}`;
    const count = jumpCount(present, jump);
    return count === 0 ? [`-A ${line}`] : Array.from({ length: count - 1 }, () => `-D ${line}`);
  });
}

function jumpCount(present: ReadTable | undefined, { from, text }: JumpText): number {
  return present?.chains.get(from)?.rules.filter((rule) => rule.text === text).length ?? 0;
}

/** Those of `texts` that `others` lacks; where one is there twice, each counts. */
function without(texts: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const text of others) left.set(text, (left.get(text) ?? 0) + 1);
  return texts.filter((text) => {
    const count = left.get(text) ?? 0;
    left.set(text, count - 1);
    return count <= 0;
  });
}
