/**
 * Finds the facts that host-obstacle.ts decides by, again and again: asked every second, on a host on which hardly ever anything changes. What
 * only a process can tell is asked for when it may be another than before: the kernel tells of rules by the generation of its ruleset, of
 * routes by messages. Of rules of iptables-legacy nothing tells.
 */
import fs from 'node:fs';
import { kindOf, type XtablesKind } from '../iptables/tool.js';
import type { Namespace } from '../netns/netns.js';
import { RouteChanges } from '../netns/route-changes.js';
import { generationOf } from '../nftables/transaction.js';
import { run } from '../run/runner.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { Lack } from './capability.js';
import { othersRoute, type FoundRoute, type HostLink } from './host-link.js';
import { CHAINS, type HostFacts } from './host-obstacle.js';

const CONF = '/proc/sys/net/ipv4/conf';
/** Milliseconds after which everything is asked for again, whatever the kernel has told. */
const WHOLE_MS = 30_000;
/** The same where rules of iptables-legacy are. */
const LEGACY_MS = 3000;

interface Rules extends Pick<HostFacts, 'iptables' | 'nftables'> {
  readonly generation: number;
  readonly hasLegacy: boolean;
  readonly askedAt: number;
}

export class HostProbe {
  readonly #routes: RouteChanges;
  #rules: Rules | undefined;
  #other: { readonly other: Lack | undefined; readonly askedAt: number } | undefined;

  /** @param link undefined: as long as nobody has one */
  constructor(
    private readonly host: Namespace,
    private readonly link: Pick<HostLink, 'name' | 'address'> | undefined,
    private readonly clock: Pick<Clock, 'now'>,
  ) {
    this.#routes = new RouteChanges(host);
  }

  /** As they are now. Throws nothing: what cannot be asked is not in the way. */
  async facts(): Promise<HostFacts> {
    const closed = closedInterfaces(this.host);
    const [other, { iptables, nftables }] = await Promise.all([this.#othersRoute(), this.#filters()]);
    return { ...(other !== undefined && { other }), closed, iptables, nftables };
  }

  close(): void {
    this.#routes.close();
    this.#other = undefined;
  }

  async #othersRoute(): Promise<Lack | undefined> {
    if (!this.link) return undefined;
    const known = this.#other;
    const now = this.clock.now();
    // In this order: what changes while it is asked for shows the next time.
    if (!this.#routes.changed() && known && now - known.askedAt < WHOLE_MS) return known.other;
    const routes = await run('ip', ['-4', '-json', 'route', 'show', `${this.link.address}/32`], { netns: this.host }).catch(() => '');
    const other = othersRoute(this.link, JSON.parse(routes || '[]') as FoundRoute[]);
    this.#other = { other, askedAt: now };
    return other;
  }

  async #filters(): Promise<Pick<HostFacts, 'iptables' | 'nftables'>> {
    const known = this.#rules;
    const now = this.clock.now();
    const generation = generationOf(this.host);
    // Asking iptables-legacy makes its tables, where there are none.
    const hasLegacy = this.host.within(() => read('/proc/thread-self/net/ip_tables_names'))?.split('\n').includes('filter') === true;
    if (known?.generation === generation && known?.hasLegacy === hasLegacy && now - known.askedAt < (hasLegacy ? LEGACY_MS : WHOLE_MS)) return known;
    const iptables = await iptablesChains(this.host, hasLegacy);
    const asked = iptables.filter(({ kind }) => kind === 'nft').map(({ chain }): string => chain);
    const found = { iptables, nftables: await nftablesChains(this.host, asked) };
    this.#rules = generation === undefined ? undefined : { ...found, generation, hasLegacy, askedAt: now };
    return found;
  }
}

/** That do not forward, the one of all first. */
function closedInterfaces(host: Namespace): string[] {
  const order = (name: string): number => (name === 'all' ? 0 : 1);
  const closed = host.within(() => fs.readdirSync(CONF).filter((name) => name !== 'lo' && read(`${CONF}/${name}/forwarding`) === '0'));
  return closed.sort((a, b) => order(a) - order(b));
}

async function iptablesChains(host: Namespace, hasLegacy: boolean): Promise<HostFacts['iptables']> {
  const ask = (command: string, ...args: string[]): Promise<string> => run(command, args, { netns: host }).catch(() => '');
  const kind = kindOf(await ask('iptables', '--version'));
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
