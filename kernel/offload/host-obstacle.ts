/**
 * What on the host keeps its kernel from forwarding published ports to the ingress sandbox: settings, and what other tools drop. It
 * is looked at, and never changed. The decision is pure; `probeHost` finds the facts.
 */
import fs from 'node:fs';
import { kindOf, type XtablesKind } from '../iptables/tool.js';
import type { Namespace } from '../netns/netns.js';
import { run } from '../run/runner.js';
import type { DriverName } from './driver.js';
import type { Lack } from './capability.js';

export interface HostFacts {
  /** net.ipv4.conf.INTERFACE.forwarding is 0, by name; `all` is ip_forward. */
  readonly closed: readonly string[];
  /** What `iptables -S FORWARD` prints, of each kind that has rules here. */
  readonly forward: readonly { readonly kind: XtablesKind; readonly command: string; readonly rules: string }[];
  /** Chains of nftables at the hook forward with policy drop, but iptables' own: as `nft list chain` prints them. */
  readonly dropping: readonly { readonly name: string; readonly text: string }[];
}

/** Rules of iptables that let through whatever was translated, as we are content with. */
const LETS_TRANSLATED = /^-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT$/;
/** Takes every packet that comes so far. */
const TAKES_ALL = /^-A FORWARD(?: -m comment --comment (?:"[^"]*"|\S+))? -j (?:DROP|REJECT)\b/;

/** Why the host's kernel would not forward, or undefined. `driver`: with `ipvs` we have rules of iptables of our own, at the end of its chain. */
export function hostObstacle({ closed, forward, dropping }: HostFacts, driver: DriverName): Lack | undefined {
  if (closed.includes('all')) return { reason: 'the host does not forward packets (net.ipv4.ip_forward is 0)', remedy: 'sysctl -w net.ipv4.ip_forward=1' };
  const [interfaceName] = closed;
  if (interfaceName !== undefined) {
    const key = `net.ipv4.conf.${interfaceName}.forwarding`;
    return { reason: `the host does not forward packets of ${interfaceName} (${key} is 0)`, remedy: `sysctl -w ${key}=1` };
  }
  for (const { kind, command, rules } of forward) {
    const lines = rules.split('\n').map((line) => line.trim());
    if (lines.some((line) => LETS_TRANSLATED.test(line))) continue;
    const drops = lines.some((line) => TAKES_ALL.test(line)) || (lines.includes('-P FORWARD DROP') && (driver === 'nft' || kind !== forward[0]?.kind));
    if (drops) return { reason: `${command} drops what the host forwards`, remedy: `${command} -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT` };
  }
  const drop = dropping.find(({ text }) => !/ct status dnat accept/.test(text));
  return drop && { reason: `chain ${drop.name} of nftables drops what the host forwards`, remedy: `nft insert rule ${drop.name} ct status dnat accept` };
}

const CONF = '/proc/sys/net/ipv4/conf';

/** Throws nothing: what cannot be asked is not in the way. */
export async function probeHost(host: Namespace): Promise<HostFacts> {
  const interfaces = host.within(() => fs.readdirSync(CONF).filter((name) => name !== 'lo'));
  const closed = interfaces.filter((name) => host.within(() => read(`${CONF}/${name}/forwarding`)) === '0');
  const order = (name: string): number => (name === 'all' ? 0 : 1);
  const forward = await forwardRules(host);
  return { closed: closed.sort((a, b) => order(a) - order(b)), forward, dropping: await droppingChains(host, forward.some(({ kind }) => kind === 'nft')) };
}

async function forwardRules(host: Namespace): Promise<HostFacts['forward']> {
  const ask = (command: string, ...args: string[]): Promise<string> => run(command, args, { netns: host }).catch(() => '');
  const kind = kindOf(await ask('iptables', '--version'));
  // Asking iptables-legacy makes its tables, where there are none.
  const hasLegacy = host.within(() => read('/proc/thread-self/net/ip_tables_names'))?.split('\n').includes('filter') === true;
  const kinds: XtablesKind[] = kind === 'legacy' ? ['legacy', 'nft'] : ['nft', 'legacy'];
  const found = await Promise.all(
    kinds.filter((one) => one === 'nft' || hasLegacy).map(async (one) => ({ kind: one, command: one === kind ? 'iptables' : `iptables-${one}`, rules: await ask(`iptables-${one}`, '-S', 'FORWARD') })),
  );
  return found.filter(({ rules }) => rules !== '');
}

interface ListedChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly policy?: string;
}

/** @param known chain FORWARD of iptables-nft is asked about by iptables */
async function droppingChains(host: Namespace, known: boolean): Promise<HostFacts['dropping']> {
  const nft = (...args: string[]): Promise<string> => run('nft', args, { netns: host }).catch(() => '');
  const { nftables = [] } = JSON.parse((await nft('-j', 'list', 'chains')) || '{}') as { nftables?: { chain?: ListedChain }[] };
  const chains = nftables.flatMap(({ chain }) => chain ?? []).filter(({ family, hook, policy }) => (family === 'ip' || family === 'inet') && hook === 'forward' && policy === 'drop');
  const others = chains.filter(({ family, table, name }) => !(known && family === 'ip' && table === 'filter' && name === 'FORWARD'));
  return Promise.all(others.map(async ({ family, table, name }) => ({ name: `${family} ${table} ${name}`, text: await nft('list', 'chain', family, table, name) })));
}

function read(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
