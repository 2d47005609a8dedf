/**
 * Whether this node's kernel can do what the driver `nft` needs: tried with a service of its own, in a network namespace that ends
 * with the process that made it. Also for a rootless node, in its user namespace.
 */
import { explainConntrack } from '../conntrack/tool.js';
import { explainNft, NftError } from '../nftables/apply.js';
import { diffTables } from '../nftables/diff.js';
import { batchText } from '../nftables/render.js';
import { CommandError, run } from '../run/runner.js';
import type { Capability, Lack } from './capability.js';
import { OffloadError, type OffloadService } from './driver.js';
import { baseChains, servicePart, TABLE, tableOf } from './nft-layout.js';

/** Runs a command in a network namespace that ends with it. */
type Trial = (command: string, args: readonly string[], input: string) => Promise<string>;

/** Who is not root tries it as a rootless node would: in a user namespace. */
const inNamespace: Trial = (command, args, input) => {
  const own = process.geteuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  return run('unshare', [...own, '--net', command, ...args], { input });
};

const SAMPLE: OffloadService = {
  mark: 0x100,
  address: '10.0.0.2',
  scheduler: 'rr',
  affinity: 0,
  maxConnections: 0,
  endpoints: [{ address: '10.0.0.4', port: 0, weight: 1 }],
  phase: 'take',
};

/** What the driver `nft` lacks here. */
export async function probeNft(trial = inNamespace): Promise<Capability> {
  const wanted = tableOf(baseChains({ subnet: '10.0.0.0/24', balancer: '10.0.0.3' }, SAMPLE.mark), [servicePart(SAMPLE)]);
  const [rules, tracking] = await Promise.all([
    attempt(() => trial('nft', ['-f', '-'], batchText(TABLE, diffTables(undefined, wanted))), explained),
    attempt(() => trial('conntrack', ['-L'], ''), (error) => explainConntrack(error)),
  ]);
  return { driver: 'nft', lacks: [...rules, ...tracking], schedulers: ['rr', 'wrr'], tools: ['nft'] };
}

/** unshare(1) ends with 127 for a command that is not there. */
function explained(error: unknown): unknown {
  if (error instanceof CommandError && error.exitCode === 127) return new NftError('nft is not there', "install the package 'nftables'", true);
  return explainNft(error, 'a network namespace for a trial');
}

async function attempt(work: () => Promise<unknown>, explain: (error: unknown) => unknown): Promise<Lack[]> {
  try {
    await work();
    return [];
  } catch (error) {
    const cause = explain(error);
    if (!(cause instanceof NftError) && !(cause instanceof OffloadError)) throw cause;
    return [{ reason: cause.message, ...(cause.remedy !== undefined && { remedy: cause.remedy }) }];
  }
}
