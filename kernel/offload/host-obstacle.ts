/**
 * What on the host keeps its kernel from forwarding published ports to the ingress sandbox: settings, and what other tools filter. It
 * is looked at, and never changed. The decision is pure; `probeHost` finds the facts.
 *
 * The relay's clients pass the hook input, flows of the kernel pass forward. So a filter in either may treat them otherwise. Which flows a
 * rule means is not ours to judge: where there is one that may drop, only services whose owner has agreed to it are handed over.
 */
import fs from 'node:fs';
import { kindOf, type XtablesKind } from '../iptables/tool.js';
import type { Namespace } from '../netns/netns.js';
import { run } from '../run/runner.js';
import type { DriverName } from './driver.js';
import type { Lack } from './capability.js';
import { othersRoute, type FoundRoute, type HostLink } from './host-link.js';

const CHAINS = ['INPUT', 'FORWARD'] as const;

export interface HostFacts {
  /** Somebody else's route to where published ports would be sent. */
  readonly other?: Lack;
  /** net.ipv4.conf.INTERFACE.forwarding is 0, by name; `all` is ip_forward. */
  readonly closed: readonly string[];
  /** What `iptables -S CHAIN` prints, of each kind that has rules here, first of the one that `iptables` is. */
  readonly iptables: readonly { readonly kind: XtablesKind; readonly command: string; readonly chain: (typeof CHAINS)[number]; readonly rules: string }[];
  /** Chains of nftables at the hooks input and forward, but those of iptables: as `nft list chain` prints them. */
  readonly nftables: readonly { readonly name: string; readonly hook: string; readonly text: string }[];
}

/** Rules that let through whatever was translated, as we are content with. */
const LETS_TRANSLATED = /^(?:-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT|ct status dnat accept)$/;
/** Takes every packet that comes so far. */
const TAKES_ALL = /^-A FORWARD(?: -m comment --comment (?:"[^"]*"|\S+))? -j (?:DROP|REJECT)\b/;
/** Accepts, only counts, or leads to a chain of ours, whichever agent's. */
const DROPS_NOTHING = / -j (?:ACCEPT|VIPMESH-INGRESS[\w-]*)$|^(?!.* -[jg] )/;
const NFT_DROPS_NOTHING = /^(?!.* vmap ).*\baccept$/;

/**
 * Why the host's kernel would not forward, or would treat flows otherwise than the relay's; or undefined. `driver`: with `ipvs` we
 * have rules of iptables of our own, at the end of its chain. `agreed`: the service's owner has chosen the kernel, whatever is filtered.
 */
export function hostObstacle(facts: HostFacts, driver: DriverName, agreed: boolean): Lack | undefined {
  return facts.other ?? settingObstacle(facts) ?? dropObstacle(facts, driver) ?? (agreed ? undefined : filterObstacle(facts));
}

/** All that is in the way of services that have not agreed. */
export function hostObstacles(facts: HostFacts, driver: DriverName): Lack[] {
  return [facts.other, settingObstacle(facts), dropObstacle(facts, driver), filterObstacle(facts)].filter((lack) => lack !== undefined);
}

function settingObstacle({ closed }: HostFacts): Lack | undefined {
  if (closed.includes('all')) return { reason: 'the host does not forward packets (net.ipv4.ip_forward is 0)', remedy: 'sysctl -w net.ipv4.ip_forward=1' };
  const [interfaceName] = closed;
  if (interfaceName === undefined) return undefined;
  const key = `net.ipv4.conf.${interfaceName}.forwarding`;
  return { reason: `the host does not forward packets of ${interfaceName} (${key} is 0)`, remedy: `sysctl -w ${key}=1` };
}

/** Whatever is forwarded is dropped. */
function dropObstacle({ iptables, nftables }: HostFacts, driver: DriverName): Lack | undefined {
  for (const { kind, command, chain, rules } of iptables) {
    const lines = linesOf(rules);
    if (chain !== 'FORWARD' || lines.some((line) => LETS_TRANSLATED.test(line))) continue;
    const drops = lines.some((line) => TAKES_ALL.test(line)) || (lines.includes('-P FORWARD DROP') && (driver === 'nft' || kind !== iptables[0]?.kind));
    if (drops) return { reason: `${command} drops what the host forwards`, remedy: `${command} -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT` };
  }
  const drop = nftables.find(({ hook, text }) => hook === 'forward' && /policy drop;/.test(text) && !nftRules(text).some((line) => LETS_TRANSLATED.test(line)));
  return drop && { reason: `chain ${drop.name} of nftables drops what the host forwards`, remedy: `nft insert rule ${drop.name} ct status dnat accept` };
}

/** Some flows may be dropped in one of the chains, and not in the other. */
function filterObstacle({ iptables, nftables }: HostFacts): Lack | undefined {
  const found = [
    ...iptables.map(({ command, chain, rules }) => {
      const lines = linesOf(rules);
      const strict = chain === 'INPUT' ? lines.find((line) => /^-P INPUT (?!ACCEPT)/.test(line)) : undefined;
      return { name: `${chain} of ${command}`, forwards: chain === 'FORWARD', strict: strict ?? untilTranslated(lines).find((line) => line.startsWith('-A ') && !DROPS_NOTHING.test(line)) };
    }),
    ...nftables.map(({ name, hook, text }) => {
      const strict = hook === 'input' && /policy drop;/.test(text) ? 'policy drop' : undefined;
      return { name: `${name} of nftables`, forwards: hook === 'forward', strict: strict ?? untilTranslated(nftRules(text)).find((line) => !NFT_DROPS_NOTHING.test(line)) };
    }),
  ].find(({ strict }) => strict !== undefined);
  if (!found) return undefined;
  const { name, forwards, strict } = found;
  const passes = forwards ? 'only what the kernel serves passes it' : 'only what the relay serves passes it';
  return { reason: `chain ${name} filters (${strict}), and ${passes}`, remedy: 'where that makes no difference, vipmesh offload enable SERVICE' };
}

function linesOf(text: string): string[] {
  return text.split('\n').map((line) => line.trim());
}

/** Past a rule that lets them through, ours meet no others. */
function untilTranslated(lines: readonly string[]): readonly string[] {
  const end = lines.findIndex((line) => LETS_TRANSLATED.test(line));
  return end < 0 ? lines : lines.slice(0, end);
}

/** The rules of a chain, as nft prints them, without their comments and counts. */
function nftRules(text: string): string[] {
  const lines = linesOf(text);
  const begin = lines.findIndex((line) => line.startsWith('type filter hook '));
  const rules = lines.slice(begin + 1).map((line) => line.replace(/ comment "[^"]*"$/, '').replace(/ ?\bcounter packets \d+ bytes \d+/, ''));
  return rules.filter((line) => line !== '' && line !== '}');
}

const CONF = '/proc/sys/net/ipv4/conf';

/** Throws nothing: what cannot be asked is not in the way. `link` undefined: as long as nobody has one. */
export async function probeHost(host: Namespace, link?: Pick<HostLink, 'name' | 'address'>): Promise<HostFacts> {
  const interfaces = host.within(() => fs.readdirSync(CONF).filter((name) => name !== 'lo'));
  const closed = interfaces.filter((name) => host.within(() => read(`${CONF}/${name}/forwarding`)) === '0');
  const order = (name: string): number => (name === 'all' ? 0 : 1);
  const iptables = await iptablesChains(host);
  const other = link && (await findOthersRoute(host, link));
  const known = iptables.filter(({ kind }) => kind === 'nft').map(({ chain }): string => chain);
  return { ...(other !== undefined && { other }), closed: closed.sort((a, b) => order(a) - order(b)), iptables, nftables: await nftablesChains(host, known) };
}

async function findOthersRoute(host: Namespace, link: Pick<HostLink, 'name' | 'address'>): Promise<Lack | undefined> {
  const routes = await run('ip', ['-4', '-json', 'route', 'show', `${link.address}/32`], { netns: host }).catch(() => '');
  return othersRoute(link, JSON.parse(routes || '[]') as FoundRoute[]);
}

async function iptablesChains(host: Namespace): Promise<HostFacts['iptables']> {
  const ask = (command: string, ...args: string[]): Promise<string> => run(command, args, { netns: host }).catch(() => '');
  const kind = kindOf(await ask('iptables', '--version'));
  // Asking iptables-legacy makes its tables, where there are none.
  const hasLegacy = host.within(() => read('/proc/thread-self/net/ip_tables_names'))?.split('\n').includes('filter') === true;
  const kinds: XtablesKind[] = kind === 'legacy' ? ['legacy', 'nft'] : ['nft', 'legacy'];
  const asked = kinds.filter((one) => one === 'nft' || hasLegacy).flatMap((one) => CHAINS.map((chain) => ({ one, chain })));
  const found = await Promise.all(
    asked.map(async ({ one, chain }) => ({ kind: one, command: one === kind ? 'iptables' : `iptables-${one}`, chain, rules: await ask(`iptables-${one}`, '-S', chain) })),
  );
  return found.filter(({ rules }) => rules !== '');
}

interface ListedChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly type?: string;
  readonly hook?: string;
}

/** @param known chains of iptables-nft that iptables is asked about */
async function nftablesChains(host: Namespace, known: readonly string[]): Promise<HostFacts['nftables']> {
  const nft = (...args: string[]): Promise<string> => run('nft', args, { netns: host }).catch(() => '');
  const { nftables = [] } = JSON.parse((await nft('-j', 'list', 'chains')) || '{}') as { nftables?: { chain?: ListedChain }[] };
  const found = nftables.flatMap(({ chain }) => {
    if (chain === undefined) return [];
    const { family, table, name, type, hook = '' } = chain;
    if (type !== 'filter' || !['ip', 'inet'].includes(family) || !['input', 'forward'].includes(hook)) return [];
    return family === 'ip' && table === 'filter' && known.includes(name) ? [] : [{ family, table, name, hook }];
  });
  return Promise.all(found.map(async ({ family, table, name, hook }) => ({ name: `${family} ${table} ${name}`, hook, text: await nft('list', 'chain', family, table, name) })));
}

function read(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
