/**
 * A task on one node and a task on another, and the ways between them: the task's address, the service's VIP, and a bare VXLAN device that is put into
 * the same two namespaces, with the same underlay and MTU.
 */
import { readFileSync } from 'node:fs';
import { childrenOf } from '../../agent/tasks/process-tree.js';
import { run } from '../../kernel/run/runner.js';
import { Cluster, SOON } from '../../test/support/cluster.js';
import type { ClusterNode } from '../../test/support/cluster-node.js';
import { pollUntil } from '../../test/support/poll-until.js';

/** Not the overlay's UDP port, where only known nodes and networks may speak. */
const BARE = { port: 4999, vni: 99, mtu: 1450, device: 'bare0', addresses: ['198.51.100.1', '198.51.100.2'] } as const;
const SLACK_MS = 30_000;

export type Way = 'bare' | 'overlay' | 'vip';

/** A task's process, by whose namespaces it is entered; both as this process has them. */
interface Place {
  readonly node: ClusterNode;
  readonly pid: number;
}

export class TwoTasks {
  private constructor(
    private readonly cluster: Cluster,
    private readonly source: Place,
    private readonly addresses: Readonly<Record<Way, string>>,
  ) {}

  /** @param rootless both agents run so, as uid 65534 */
  static async start(rootless = false): Promise<TwoTasks> {
    const cluster = await Cluster.start({ nodes: 2, ...(rootless && { rootless: [1, 2] }) });
    const [near, far] = cluster.nodes as [ClusterNode, ClusterNode];
    await near.api.createNetwork({ name: 'overlay1' });
    const on = ({ name }: ClusterNode): readonly string[] => ['--network', 'overlay1', '--constraint', `node.hostname==${name}`];
    await near.cli('service', 'create', '--name', 'source', ...on(near), '--', 'sleep', 'infinity');
    await near.cli('service', 'create', '--name', 'sink', ...on(far), '--', 'iperf3', '-s');
    for (const service of ['source', 'sink']) await near.settles(service, 1);
    const [source, sink] = [placeOf(near, 'sleep'), placeOf(far, 'iperf3')];
    await putBare(source, sink);
    const { id } = await near.api.network('overlay1');
    const addresses = {
      bare: BARE.addresses[1],
      overlay: (await near.api.serviceTasks('sink'))[0]?.addresses.find(({ networkId }) => networkId === id)?.address ?? '',
      vip: (await near.api.service('sink')).vips.find(({ networkId }) => networkId === id)?.address ?? '',
    };
    return new TwoTasks(cluster, source, addresses);
  }

  /** Gbit/s that arrived, of all streams together. */
  async measure(way: Way, streams: number, seconds: number): Promise<number> {
    const output = await inside(this.source, ['iperf3', '--client', this.addresses[way], '--json', '--time', `${seconds}`, '--parallel', `${streams}`], seconds * 1000 + SLACK_MS);
    const { end } = JSON.parse(output) as { readonly end: { readonly sum_received: { readonly bits_per_second: number } } };
    return end.sum_received.bits_per_second / 1e9;
  }

  close(): Promise<void> {
    return this.cluster.close();
  }
}

/** By way, a sample a round. They take turns, so that a slow moment of the machine falls on all. */
export async function takeTurns<W extends Way>(tasks: TwoTasks, ways: readonly W[], effort: { readonly streams: number; readonly rounds: number; readonly seconds: number; readonly say: (round: number) => void }): Promise<Record<W, number[]>> {
  const samples = Object.fromEntries(ways.map((way) => [way, [] as number[]])) as Record<W, number[]>;
  for (let round = 1; round <= effort.rounds; round++) {
    effort.say(round);
    // Forth and back, so that of two each is before the other as often as after it.
    for (const way of round % 2 === 0 ? ways : [...ways].reverse()) samples[way].push(await tasks.measure(way, effort.streams, effort.seconds));
  }
  return samples;
}

/** Round by round. */
export function ratios(values: readonly number[], to: readonly number[]): number[] {
  return values.map((value, round) => value / (to[round] ?? Number.NaN));
}

/** Where the process of this name is that the node's agent, or a process of it, has started. */
function placeOf(node: ClusterNode, name: string): Place {
  const search = (pid: number): number | undefined => {
    if (readFileSync(`/proc/${pid}/comm`, 'latin1').trimEnd() === name) return pid;
    for (const child of childrenOf(pid)) {
      const found = search(child);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const pid = search(node.agentPid);
  if (pid === undefined) throw new Error(`the agent of ${node.name} runs no ${name}`);
  return { node, pid };
}

/** Made on the host, as the overlay's own are, and given to the task. */
async function putBare(source: Place, sink: Place): Promise<void> {
  for (const [{ node, pid }, other, address] of [[source, sink.node, BARE.addresses[0]], [sink, source.node, BARE.addresses[1]]] as const) {
    const link = ['link', 'add', BARE.device, 'mtu', `${BARE.mtu}`, 'type', 'vxlan', 'id', `${BARE.vni}`, 'local', node.address, 'remote', other.address, 'dstport', `${BARE.port}`];
    // In the host's network, and with the pids of this process.
    await inside({ pid: node.host.pid }, ['ip', ...link]);
    await inside({ pid: node.host.pid }, ['ip', 'link', 'set', BARE.device, 'netns', `${pid}`]);
    await inside({ pid }, ['ip', 'address', 'add', `${address}/24`, 'dev', BARE.device]);
    await inside({ pid }, ['ip', 'link', 'set', BARE.device, 'up']);
  }
  await pollUntil('the bare device carries packets', () => inside(source, ['ping', '-c', '1', '-W', '1', BARE.addresses[1]]).then(() => true), SOON);
}

/** Runs a command in a process's network. */
function inside({ pid }: Pick<Place, 'pid'>, command: readonly string[], timeout = SLACK_MS): Promise<string> {
  return run('nsenter', [`--net=/proc/${pid}/ns/net`, ...command], { timeout });
}
