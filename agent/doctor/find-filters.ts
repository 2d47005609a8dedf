/**
 * Packet filters, IPVS and VXLAN of this host, by asking the tools, and by trying in namespaces that end at once.
 */
import { readFileSync } from 'node:fs';
import { kindOf, type XtablesKind } from '../../kernel/iptables/tool.js';
import { moduleState } from '../../kernel/modules/modules.js';
import type { Capability } from '../../kernel/offload/capability.js';
import { CommandError, run } from '../../kernel/run/runner.js';
import { findTool } from '../lifecycle/facts.js';
import type { HostFacts, Trial } from '../lifecycle/modes.js';
import type { IptablesFacts, IpvsFacts, NftablesFacts } from './facts.js';

const TIMEOUT = 5000;
const SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh'] as const;
/** As the uplink's. */
const MASQUERADE = 'table ip vmtry { chain c { type nat hook postrouting priority 100; masquerade; }; }\n';

/** First line of what a tool says of its version; undefined without it. */
export async function versionOf(tool: string, option = '--version'): Promise<string | undefined> {
  try {
    return (await run(tool, [option], { timeout: TIMEOUT })).split('\n')[0]?.trim();
  } catch {
    return undefined;
  }
}

export async function findIptables(uid: number): Promise<IptablesFacts> {
  const version = await versionOf('iptables');
  const kinds: readonly XtablesKind[] = ['legacy', 'nft'];
  const named = kinds.filter((kind) => findTool(`iptables-${kind}`) !== undefined);
  // Before 1.8 there was one flavour, of no name.
  const flavours = named.length > 0 || version === undefined ? named : [kindOf(version)];
  const ruled = uid === 0 ? await Promise.all(flavours.map(async (kind) => ((await hasRules(kind)) ? [kind] : []))).then((lists) => lists.flat()) : undefined;
  return { ...(version !== undefined && { version }), flavours, ruled };
}

async function hasRules(kind: XtablesKind): Promise<boolean> {
  // Asking iptables-legacy makes its tables, where there are none.
  if (kind === 'legacy' && textOf('/proc/net/ip_tables_names').trim() === '') return false;
  const saved = await run(`iptables-${kind}-save`, [], { timeout: TIMEOUT }).catch(() => '');
  return /^-A /m.test(saved);
}

export async function findNftables(host: HostFacts): Promise<NftablesFacts> {
  const version = await versionOf('nft');
  if (version === undefined) return { trial: 'not tried' };
  return { version, trial: await tryApart(host, 'nft', ['-f', '-'], MASQUERADE) };
}

export function findVxlan(host: HostFacts): Promise<Trial> {
  return tryApart(host, 'ip', ['link', 'add', 'vmtry0', 'type', 'vxlan', 'id', '4097', 'dstport', '4789', 'nolearning']);
}

/** In a network namespace that ends with the command; who is not root gets a user namespace to be root in. */
async function tryApart(host: HostFacts, command: string, args: readonly string[], input = ''): Promise<Trial> {
  if ((host.uid === 0 ? host.ownNamespaces : host.userNamespaces) !== 'ok') return 'not tried';
  const own = host.uid === 0 ? [] : ['--user', '--map-root-user'];
  try {
    await run('unshare', [...own, '--net', command, ...args], { input, timeout: TIMEOUT });
    return 'ok';
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { failed: error.stderr.trim().split('\n')[0] || error.message };
  }
}

/** What root's trial found, else what modules this kernel has. */
export function findIpvs(offload: readonly Capability[]): IpvsFacts {
  const tried = offload.find(({ driver }) => driver === 'ipvs')?.schedulers ?? [];
  const known = SCHEDULERS.filter((name) => ['loaded', 'built in', 'loadable'].includes(moduleState(`ip_vs_${name}`)));
  return { module: moduleState('ip_vs'), schedulers: tried.length > 0 ? tried : known };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
