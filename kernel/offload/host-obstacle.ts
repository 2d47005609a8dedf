/**
 * What on the host keeps its kernel from forwarding published ports to the ingress sandbox: settings, and what other tools filter. It
 * is looked at, and never changed. Pure; host-probe.ts finds the facts.
 *
 * The relay's clients pass the hook input, flows of the kernel pass forward. So a filter in either may treat them otherwise. Which flows a
 * rule means is not ours to judge: where there is one that may drop, only services whose owner has agreed to it are handed over.
 */
import type { XtablesKind } from '../iptables/tool.js';
import type { DriverName } from './driver.js';
import type { Lack } from './capability.js';

/** Of iptables, that are looked at. */
export const CHAINS = ['INPUT', 'FORWARD'] as const;

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
