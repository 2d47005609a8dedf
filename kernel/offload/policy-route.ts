/**
 * Policy routing of marked packets: one routing rule per block of 256 marks, and one route per VIP, which makes it a local
 * address for them, as IPVS wants it. Lines for `ip -batch`, and reading back `ip -json`. Pure.
 */
import { BLOCK_MASK } from './ipvs-layout.js';

/** Before the main table's rule (32766) and after the local table's (0). */
export const PREFERENCE = 50;
export const TABLE = 100;

export function blockLine(action: 'add' | 'del', block: number): string {
  return `rule ${action} pref ${PREFERENCE} fwmark 0x${block.toString(16)}/0x${BLOCK_MASK.toString(16)} lookup ${TABLE}`;
}

export function vipLine(action: 'replace' | 'del', vip: string): string {
  return `route ${action} local ${vip}/32 dev lo table ${TABLE}`;
}

export interface MarkRoutes {
  /** First marks of the blocks that have our rule, one for each time. */
  readonly blocks: readonly number[];
  /** VIPs that have our route. */
  readonly vips: readonly string[];
  /** Rules of others that look at marks. */
  readonly others: readonly MarkRule[];
}

export interface MarkRule {
  readonly preference: number;
  readonly mark: number;
  readonly mask: number;
}

/** From `ip -N -json -4 rule show` and `ip -json -4 route show table 100` ('' where there is no such table). */
export function readMarkRoutes(rules: string, routes: string): MarkRoutes {
  const all = (JSON.parse(rules) as { priority: number; fwmark?: string; fwmask?: string; table?: string }[])
    .filter(({ fwmark }) => fwmark !== undefined)
    .map(({ priority, fwmark, fwmask, table }) => ({ preference: priority, mark: Number(fwmark), mask: Number(fwmask ?? 0xffffffff), table }));
  const isOurs = (rule: (typeof all)[number]): boolean => rule.preference === PREFERENCE && rule.mask === BLOCK_MASK && rule.table === `${TABLE}`;
  const locals = routes.trim() === '' ? [] : (JSON.parse(routes) as { type?: string; dst: string }[]);
  return {
    blocks: all.filter(isOurs).map(({ mark }) => mark),
    vips: locals.filter(({ type }) => type === 'local').map(({ dst }) => dst),
    others: all.filter((rule) => !isOurs(rule)).map(({ preference, mark, mask }) => ({ preference, mark, mask })),
  };
}
