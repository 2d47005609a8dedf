/**
 * What others have put where we work: rules in our chains, and packet marks that are ours. Pure.
 */
import type { ReadTables } from '../iptables/read.js';
import { foreignRules } from '../iptables/chains.js';
import { CHAIN_PREFIX, hex } from '../iptables/rule.js';
import { OffloadError } from './error.js';
import { BLOCK_MASK } from './ipvs-layout.js';
import type { MarkRule } from './policy-route.js';

/** A range that nobody is likely to use, for the remedy. */
const OTHER_BASE = 0x56500000;

/** What is in the way of the blocks of marks, each with its remedy. `command` is the iptables that is used. */
export function conflictsOf(tables: ReadTables, others: readonly MarkRule[], blocks: readonly number[], command: string): OffloadError[] {
  const remedy = `choose another range of marks with --mark-base, such as --mark-base ${hex(OTHER_BASE)}`;
  const found: OffloadError[] = [];
  for (const [table, read] of tables) {
    for (const { chain, text } of foreignRules(read)) {
      found.push(new OffloadError(`chain ${chain} of table ${table} has a rule that is not vipmesh's: '${text}'`, `delete it with: ${command} -t ${table} -D ${chain} ${text}`));
    }
    for (const chain of read.chains.values()) {
      if (chain.name.startsWith(CHAIN_PREFIX)) continue;
      for (const { text } of chain.rules) {
        const mark = marksIn(text).find(({ value, mask }) => blocks.some((block) => meets(value, mask, block)));
        if (mark) found.push(new OffloadError(`mark ${hex(mark.value)} is used by another tool: rule '${text}' in ${chain.name} of table ${table}`, remedy));
      }
    }
  }
  for (const { preference, mark, mask } of others) {
    if (blocks.some((block) => meets(mark, mask, block))) {
      found.push(new OffloadError(`mark ${hex(mark)} is used by another tool: routing rule ${preference} takes mark ${hex(mark)}/${hex(mask)}`, remedy));
    }
  }
  return found;
}

/** Whether a packet can have both a mark of the block and these bits; bits of no block (mask 0, value 0) are nobody's. */
function meets(value: number, mask: number, block: number): boolean {
  const bits = (mask & BLOCK_MASK) >>> 0;
  return value !== 0 && bits !== 0 && ((value ^ block) & bits) === 0;
}

/** `0x104/0xffffffff` behind an option that sets a mark or looks at one. */
function marksIn(text: string): { value: number; mask: number }[] {
  return [...text.matchAll(/--(?:set-x?mark|set-mark|or-mark|mark) (0x[0-9a-f]+|\d+)(?:\/(0x[0-9a-f]+|\d+))?/gi)].map(([, value, mask]) => ({
    value: Number(value),
    mask: Number(mask ?? 0xffffffff),
  }));
}
