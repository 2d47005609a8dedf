/**
 * The sandbox of the network overlay1, from outside: what a driver has installed there, what takes it away, and the flows that the kernel has.
 */
import assert from 'node:assert/strict';
import { trackedFlows } from '../../../../kernel/conntrack/tool.js';
import { openNamespace, type Namespace } from '../../../../kernel/netns/netns.js';
import type { DriverName } from '../../../../kernel/offload/driver.js';
import { run } from '../../../../kernel/run/runner.js';
import { pinnedNamespaces } from './host-state.js';
import type { MeshAgent } from './mesh-agent.js';

function openSandbox(): Namespace {
  return openNamespace('/run/netns', pinnedNamespaces().find((name) => name.endsWith('-overlay1')) ?? assert.fail('no sandbox'));
}

/** A command in the sandbox of overlay1. */
export async function inSandbox(...[command = '', ...args]: string[]): Promise<string> {
  const netns = openSandbox();
  try {
    return await run(command, args, { netns });
  } finally {
    netns.close();
  }
}

export interface KernelConnection {
  /** Address and port. */
  readonly client: string;
  /** Address. */
  readonly endpoint: string;
}

/**
 * Connections to port 80 that the kernel has, or had a minute ago: as the sandbox remembers them, since in a guest the agent takes long to say
 * so, or as the agent says where nobody else may look.
 */
export async function webInKernel(agent: MeshAgent): Promise<KernelConnection[]> {
  if (process.getuid?.() !== 0) {
    const web = (await agent.api.flows()).filter(({ path, vip }) => path === 'kernel' && vip.endsWith(':80'));
    return web.map(({ client, endpoint }) => ({ client, endpoint: endpoint.replace(/:\d+$/, '') }));
  }
  const netns = openSandbox();
  try {
    const web = (await trackedFlows(netns)).filter(({ original, mark }) => original.destinationPort === 80 && mark !== 0);
    return web.map(({ original, reply }) => ({ client: `${original.source}:${original.sourcePort}`, endpoint: reply.source }));
  } finally {
    netns.close();
  }
}

export interface Tools {
  /** One of those that install what the driver wants. */
  readonly command: string;
  /** Part of what is installed. */
  readonly ours: RegExp;
  /** All that is installed, the same only if nothing was touched. */
  ruleset(): Promise<string>;
  /** Takes away what leads packets to the kernel's flows. */
  flush(): Promise<unknown>;
  /** What takes the kernel's flows away as well. */
  readonly flushesFlows: readonly string[];
}

const IPTABLES_FLUSH = 'for table in mangle nat; do iptables -t $table -F; iptables -t $table -X; done';

/** Of each driver, in the sandbox of overlay1. */
export const TOOLS: Readonly<Record<DriverName, Tools>> = {
  nft: {
    command: 'nft',
    ours: /table ip vipmesh/,
    ruleset: () => inSandbox('nft', '--handle', 'list', 'ruleset'),
    flush: () => inSandbox('nft', 'flush', 'ruleset'),
    flushesFlows: [],
  },
  ipvs: {
    command: 'ipvsadm',
    ours: /-j VIPMESH-PRE[^]*-A -f \d+ -s rr/,
    ruleset: async () => `${await inSandbox('iptables', '-t', 'mangle', '-S')}${await inSandbox('iptables', '-t', 'nat', '-S')}${await inSandbox('ipvsadm', '-Sn')}`,
    flush: () => inSandbox('sh', '-ec', IPTABLES_FLUSH),
    flushesFlows: ['ipvsadm -C', `${IPTABLES_FLUSH}; ipvsadm -C`],
  },
};
