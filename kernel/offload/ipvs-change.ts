/**
 * From what is installed to what a plan wants: the commands, in an order in which no packet is lost. Pure.
 *
 * Before new flows are marked, there is an IPVS service to take them and a route that leads them there; before either goes, nothing
 * is marked any more. Two ways lead to the same: from the plan before, by the services that differ, which costs by the change;
 * and from what was read back, which costs by what is there.
 */
import { chainFaults, chainLines, deleteLine, insertLine, type TableBatch } from '../iptables/chains.js';
import type { ReadTables } from '../iptables/read.js';
import { ruleText, type Rule } from '../iptables/rule.js';
import { serviceFaults, serviceLines, type VirtualService } from '../ipvs/service.js';
import type { OffloadPlan, OffloadService } from './driver.js';
import { blockOf, mangleChains, markRules, natChains, NEW, virtualService } from './ipvs-layout.js';
import type { PlanChanges } from './plans.js';
import { blockLine, vipLine } from './policy-route.js';

/** Steps, each one batch, in this order. */
export interface Change {
  /** For `ipvsadm -R`. */
  readonly ipvsFirst: readonly string[];
  /** Destinations are moved in it: connections must not end for want of one meanwhile. */
  readonly moves: boolean;
  /** For `ip -batch`. */
  readonly routesFirst: readonly string[];
  readonly tables: readonly TableBatch[];
  /** Marks whose tracked flows are to be forgotten. */
  readonly forget: readonly number[];
  readonly routesLast: readonly string[];
  readonly ipvsLast: readonly string[];
}

/** What was read back. */
export interface Present {
  readonly tables: ReadTables;
  /** Those of our marks. */
  readonly services: ReadonlyMap<number, VirtualService>;
  readonly blocks: readonly number[];
  readonly vips: readonly string[];
}

/** How many services use each VIP and each block of marks: a route is there for as long as one does. */
export class Uses {
  readonly #vips = new Map<string, number>();
  readonly #blocks = new Map<number, number>();

  static of(services: Iterable<OffloadService>): Uses {
    const uses = new Uses();
    for (const service of services) uses.add(service);
    return uses;
  }

  add({ address, mark }: OffloadService): void {
    increase(this.#vips, address);
    increase(this.#blocks, blockOf(mark));
  }

  remove({ address, mark }: OffloadService): void {
    decrease(this.#vips, address);
    decrease(this.#blocks, blockOf(mark));
  }

  hasVip(vip: string): boolean {
    return this.#vips.has(vip);
  }

  hasBlock(block: number): boolean {
    return this.#blocks.has(block);
  }

  get vips(): string[] {
    return [...this.#vips.keys()];
  }

  get blocks(): number[] {
    return [...this.#blocks.keys()];
  }
}

function increase<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function decrease<K>(counts: Map<K, number>, key: K): void {
  const left = (counts.get(key) ?? 0) - 1;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
}

/** A service of the plan before and of the new one; undefined: not in it. */
export interface ServiceChange {
  readonly before: OffloadService | undefined;
  readonly after: OffloadService | undefined;
}

/** The services that differ. A service that is the same object is the same service. */
export function changedServices(before: ReadonlyMap<number, OffloadService>, services: readonly OffloadService[]): ServiceChange[] {
  const changes: ServiceChange[] = [];
  let kept = 0;
  for (const after of services) {
    const old = before.get(after.mark);
    if (old) kept++;
    if (old !== after) changes.push({ before: old, after });
  }
  if (kept < before.size) {
    const marks = new Set(services.map(({ mark }) => mark));
    for (const old of before.values()) if (!marks.has(old.mark)) changes.push({ before: old, after: undefined });
  }
  return changes;
}

/** The same from what a plan says that it changes. */
export function notedServices(before: ReadonlyMap<number, OffloadService>, changes: PlanChanges): ServiceChange[] {
  return [...changes].map(([mark, after]) => ({ before: before.get(mark), after })).filter((change) => change.before !== change.after);
}

/** Where the chains stand, and only services differ. `uses` is of what is installed, and is brought up to the change. */
export function incrementalChange(changes: readonly ServiceChange[], uses: Uses): Change {
  const first: string[] = [];
  const last: string[] = [];
  const inserts: string[] = [];
  const deletes: string[] = [];
  const forget: number[] = [];
  let moves = false;
  const vips = new Map<string, boolean>();
  const blocks = new Map<number, boolean>();
  for (const { before, after } of changes) {
    for (const service of [before, after]) {
      if (!service) continue;
      if (!vips.has(service.address)) vips.set(service.address, uses.hasVip(service.address));
      const block = blockOf(service.mark);
      if (!blocks.has(block)) blocks.set(block, uses.hasBlock(block));
    }
    const rules = ruleChange(before, after);
    inserts.push(...rules.insert.map((rule) => insertLine(NEW, rule)));
    deletes.push(...rules.remove.map((rule) => deleteLine(NEW, rule)));
    const ipvs = serviceLines(before && virtualService(before), after && virtualService(after));
    (after ? first : last).push(...ipvs.lines);
    moves ||= ipvs.moves;
    if (before && !after) forget.push(before.mark);
    if (before) uses.remove(before);
    if (after) uses.add(after);
  }
  return {
    ipvsFirst: first,
    moves,
    routesFirst: [
      ...[...blocks].filter(([block, had]) => !had && uses.hasBlock(block)).map(([block]) => blockLine('add', block)),
      ...[...vips].filter(([vip, had]) => !had && uses.hasVip(vip)).map(([vip]) => vipLine('replace', vip)),
    ],
    tables: [{ table: 'mangle', lines: [...inserts, ...deletes] }],
    forget,
    routesLast: [
      ...[...vips].filter(([vip, had]) => had && !uses.hasVip(vip)).map(([vip]) => vipLine('del', vip)),
      ...[...blocks].filter(([block, had]) => had && !uses.hasBlock(block)).map(([block]) => blockLine('del', block)),
    ],
    ipvsLast: last,
  };
}

function ruleChange(before: OffloadService | undefined, after: OffloadService | undefined): { insert: Rule[]; remove: Rule[] } {
  const [old, wanted] = [before, after].map((service) => (service ? markRules(service) : []));
  const lacks = (rules: Rule[], rule: Rule): boolean => !rules.some((one) => ruleText(one) === ruleText(rule));
  return { insert: wanted!.filter((rule) => lacks(old!, rule)), remove: old!.filter((rule) => lacks(wanted!, rule)) };
}

/** From what is there, whoever put it there, to all of the plan. */
export function wholeChange(present: Present, plan: OffloadPlan): Change {
  const wanted = new Map(plan.services.map((service) => [service.mark, virtualService(service)]));
  const uses = Uses.of(plan.services);
  const ipvs = plan.services.map(({ mark }) => serviceLines(present.services.get(mark), wanted.get(mark)));
  const gone = [...present.services.keys()].filter((mark) => !wanted.has(mark));
  const vips = new Set(present.vips);
  const blocks = new Set(present.blocks);
  return {
    ipvsFirst: ipvs.flatMap(({ lines }) => lines),
    moves: ipvs.some(({ moves }) => moves),
    routesFirst: [
      ...uses.blocks.filter((block) => !blocks.has(block)).map((block) => blockLine('add', block)),
      ...uses.vips.filter((vip) => !vips.has(vip)).map((vip) => vipLine('replace', vip)),
    ],
    tables: [
      { table: 'nat', lines: chainLines(present.tables.get('nat'), natChains(plan)) },
      { table: 'mangle', lines: chainLines(present.tables.get('mangle'), mangleChains(plan.services.flatMap(markRules))) },
    ],
    forget: gone,
    routesLast: [
      ...[...vips].filter((vip) => !uses.hasVip(vip)).map((vip) => vipLine('del', vip)),
      ...surplus(present.blocks, uses).map((block) => blockLine('del', block)),
    ],
    ipvsLast: gone.map((mark) => `-D -f ${mark}`),
  };
}

/** Blocks without a service, and blocks that are there twice. */
function surplus(blocks: readonly number[], uses: Uses): number[] {
  return blocks.filter((block, i) => !uses.hasBlock(block) || blocks.indexOf(block) !== i);
}

/** How what is there differs from the plan, as sentences. */
export function faultsOf(present: Present, plan: OffloadPlan): string[] {
  const uses = Uses.of(plan.services);
  const marks = new Set(plan.services.map(({ mark }) => mark));
  const vips = new Set(present.vips);
  return [
    ...chainFaults('nat', present.tables.get('nat'), natChains(plan)),
    ...chainFaults('mangle', present.tables.get('mangle'), mangleChains(plan.services.flatMap(markRules))),
    ...plan.services.flatMap((service) => serviceFaults(present.services.get(service.mark), virtualService(service))),
    ...[...present.services.keys()].filter((mark) => !marks.has(mark)).map((mark) => `the IPVS service of mark ${mark} should not be there`),
    ...uses.blocks.filter((block) => !present.blocks.includes(block)).map((block) => `the routing rule of marks from 0x${block.toString(16)} on is missing`),
    ...surplus(present.blocks, uses).map((block) => `the routing rule of marks from 0x${block.toString(16)} on should not be there`),
    ...uses.vips.filter((vip) => !vips.has(vip)).map((vip) => `the route that makes ${vip} local for marked packets is missing`),
    ...[...vips].filter((vip) => !uses.hasVip(vip)).map((vip) => `the route that makes ${vip} local for marked packets should not be there`),
  ];
}
