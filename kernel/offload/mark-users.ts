/**
 * Who else uses marks in the sandboxes of this host, for `vipmesh doctor`. Marks are of one network namespace: the kernel takes a packet's
 * away when it leaves it (net/core/skbuff.c, skb_scrub_packet), so what the host and its other namespaces do with marks is in nobody's way.
 */
import { installedXtables, XtablesReader } from '../iptables/tool.js';
import { listNamespaces, openNamespace, type Namespace } from '../netns/netns.js';
import { deedOf, SETS_MARKS } from '../nftables/deed.js';
import { ruleText } from '../nftables/expression.js';
import { run } from '../run/runner.js';
import type { Lack } from './capability.js';
import { conflictsOf } from './conflicts.js';
import { TABLES } from './ipvs-layout.js';
import { TABLE as OURS } from './nft-layout.js';
import { readMarkRoutes } from './policy-route.js';

/** Of an agent's network: `vm1a2b-overlay1`. */
const SANDBOX = /^vm[0-9a-f]{4}-/;

/** In every sandbox that is pinned in `directory`. What cannot be asked is not in the way. */
export async function findMarkUsers(directory: string): Promise<Lack[]> {
  const found: Lack[] = [];
  for (const name of listNamespaces(directory, 'vm').filter((one) => SANDBOX.test(one))) {
    const namespace = open(directory, name);
    if (namespace === undefined) continue;
    try {
      found.push(...(await markUsers(namespace)).map(({ reason, ...rest }) => ({ reason: `${name}: ${reason}`, ...rest })));
    } finally {
      namespace.close();
    }
  }
  return found;
}

/** undefined: a file that is left over, or it has just gone. */
function open(directory: string, name: string): Namespace | undefined {
  try {
    return openNamespace(directory, name);
  } catch {
    return undefined;
  }
}

async function markUsers(namespace: Namespace): Promise<Lack[]> {
  const ask = (command: string, ...args: string[]): Promise<string> => run(command, args, { netns: namespace }).catch(() => '');
  const { blocks, others } = readMarkRoutes((await ask('ip', '-N', '-json', '-4', 'rule', 'show')) || '[]', '');
  const byPackets = blocks.length > 0;
  const byNft = foreignMarks(await ask('nft', '-j', 'list', 'ruleset'), namespace.name, byPackets);
  if (!byPackets) return byNft;
  const found: Lack[] = [];
  for (const tool of await installedXtables(namespace)) {
    const tables = await new XtablesReader(TABLES).read(tool, namespace);
    found.push(...conflictsOf(tables, found.length === 0 ? others : [], blocks, tool.command).map(({ message, remedy }) => ({ reason: message, ...(remedy !== undefined && { remedy }) })));
  }
  return [...byNft, ...found];
}

interface ListedRule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly expr: readonly unknown[];
}

/**
 * Rules of nftables that set marks of connections, but ours, from what `nft -j list ruleset` prints; with `byPackets`, as the driver ipvs goes, also
 * of packets. Flows that have such a mark are left to userspace. Exported for its test.
 */
export function foreignMarks(json: string, netns: string, byPackets: boolean): Lack[] {
  const { nftables = [] } = JSON.parse(json || '{}') as { nftables?: { rule?: ListedRule }[] };
  const chains = nftables.flatMap(({ rule }) => {
    if (rule === undefined || (rule.family === 'ip' && rule.table === OURS)) return [];
    const text = ruleText(rule.expr);
    return deedOf(text) === SETS_MARKS && (byPackets || /\bct\b/.test(text)) ? [`${rule.family} ${rule.table} ${rule.chain}`] : [];
  });
  return [...new Set(chains)].map((chain) => ({
    reason: `chain ${chain} of nftables sets marks, and userspace balances the flows that get one`,
    remedy: `look with \`ip netns exec ${netns} nft list chain ${chain}\`, and leave the marks of that namespace to vipmesh`,
  }));
}
