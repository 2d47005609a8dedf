/**
 * What iptables-save, ipvsadm and ip print on a node where a plan is installed, so that reading it can be measured where no kernel
 * has IPVS. The XML is iptables-xml's own.
 */
import { mangleChains, markRules, natChains } from '../../kernel/offload/ipvs-layout.js';
import type { Chain } from '../../kernel/iptables/chains.js';
import { ruleText } from '../../kernel/iptables/rule.js';
import { relevantLines } from '../../kernel/iptables/read.js';
import type { OffloadPlan } from '../../kernel/offload/driver.js';
import { Uses } from '../../kernel/offload/ipvs-change.js';
import { BLOCK_MASK, TABLES } from '../../kernel/offload/ipvs-layout.js';
import { PREFERENCE, TABLE } from '../../kernel/offload/policy-route.js';
import { run } from '../../kernel/run/runner.js';

export interface Printed {
  /** `iptables-save`, and what iptables-xml makes of it. */
  readonly saved: string;
  readonly xml: string;
  /** `ipvsadm -Sn`, `ipvsadm -Ln --thresholds --nosort`. */
  readonly services: string;
  readonly thresholds: string;
  /** `ip -json rule show`, `ip -json route show table 100`. */
  readonly rules: string;
  readonly routes: string;
}

/** Rejects with CommandError where there is no iptables-xml. */
export async function printedFor(plan: OffloadPlan): Promise<Printed> {
  const saved = savedTable('nat', natChains(plan)) + savedTable('mangle', mangleChains(plan.services.flatMap(markRules)));
  const uses = Uses.of(plan.services);
  const destinations = plan.services.map(({ mark, endpoints }) => ({ mark, at: endpoints.map(({ address, port, weight }) => ({ real: `${address}:${port}`, weight })) }));
  return {
    saved,
    xml: await run('iptables-xml', [], { input: relevantLines(saved, TABLES) }),
    services: lines(destinations.flatMap(({ mark, at }) => [`-A -f ${mark} -s rr`, ...at.map(({ real, weight }) => `-a -f ${mark} -r ${real} -m -w ${weight}`)])),
    thresholds: lines(destinations.flatMap(({ mark, at }) => [`FWM  ${mark} rr`, ...at.map(({ real }) => `  -> ${real.padEnd(28)} 0          0          0          0         `)])),
    rules: JSON.stringify(uses.blocks.map((block) => ({ priority: PREFERENCE, src: 'all', fwmark: hex(block), fwmask: hex(BLOCK_MASK), table: `${TABLE}` }))),
    routes: JSON.stringify(uses.vips.map((dst) => ({ type: 'local', dst, dev: 'lo', scope: 'host', flags: [] }))),
  };
}

function savedTable(name: string, chains: readonly Chain[]): string {
  const jumps = chains.flatMap(({ name: to, from }) => (typeof from === 'string' ? [{ from, to }] : []));
  return lines([
    `*${name}`,
    ...jumps.map(({ from }) => `:${from} ACCEPT [0:0]`),
    ...chains.map((chain) => `:${chain.name} - [0:0]`),
    ...jumps.map(({ from, to }) => `-A ${from} -j ${to}`),
    ...chains.flatMap((chain) => [...chain.members, ...chain.tail].map((rule) => `-A ${chain.name} ${ruleText(rule)}`)),
    'COMMIT',
  ]);
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('');
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
