/**
 * TCP between a task on one node and a task on another: by the task's address, by the service's VIP, and over a bare VXLAN device that is put into the
 * same two namespaces, with the same underlay and MTU. They take turns, so that a slow moment of the machine falls on all.
 */
import { run } from '../../kernel/run/runner.js';
import { Cluster, SOON } from '../../test/support/cluster.js';
import type { ClusterNode } from '../../test/support/cluster-node.js';
import { pollUntil } from '../../test/support/poll-until.js';
import type { Effort } from './inside.js';
import type { Row } from './result.js';

/** Not the overlay's UDP port, where only known nodes and networks may speak. */
const BARE = { port: 4999, vni: 99, mtu: 1450, device: 'bare0', addresses: ['198.51.100.1', '198.51.100.2'] } as const;
/** Of what the bare device does: the issue's. */
const LEAST_RATIO = 0.9;
const SLACK_MS = 30_000;

const WAYS = ['bare', 'overlay', 'vip'] as const;
type Way = (typeof WAYS)[number];

/** The network namespace of a task, as a path that nsenter(1) takes. */
interface Place {
  readonly node: ClusterNode;
  readonly path: string;
}

export async function throughput({ rounds, seconds, say }: Effort): Promise<Row[]> {
  say('throughput: 2 nodes');
  const cluster = await Cluster.start({ nodes: 2 });
  try {
    const [near, far] = cluster.nodes as [ClusterNode, ClusterNode];
    await near.api.createNetwork({ name: 'overlay1' });
    const on = ({ name }: ClusterNode): readonly string[] => ['--network', 'overlay1', '--constraint', `node.hostname==${name}`];
    await near.cli('service', 'create', '--name', 'source', ...on(near), '--', 'sleep', 'infinity');
    await near.cli('service', 'create', '--name', 'sink', ...on(far), '--', 'iperf3', '-s');
    const [source, sink] = [await placeOf(near, 'source'), await placeOf(far, 'sink')];
    await putBare(source, sink);
    const { id } = await near.api.network('overlay1');
    const addresses: Readonly<Record<Way, string>> = {
      bare: BARE.addresses[1],
      overlay: (await near.api.serviceTasks('sink'))[0]?.addresses.find(({ networkId }) => networkId === id)?.address ?? '',
      vip: (await near.api.service('sink')).vips.find(({ networkId }) => networkId === id)?.address ?? '',
    };
    const rows: Row[] = [];
    for (const streams of [1, 8]) {
      const samples: Record<Way, number[]> = { bare: [], overlay: [], vip: [] };
      for (let round = 1; round <= rounds; round++) {
        say(`throughput: ${streams} stream${streams === 1 ? '' : 's'}, round ${round} of ${rounds}`);
        // Forth and back, so that of two each is before the other as often as after it.
        for (const way of round % 2 === 0 ? WAYS : [...WAYS].reverse()) samples[way].push(await measure(source, addresses[way], streams, seconds));
      }
      rows.push(...rowsOf(`TCP across the overlay, ${streams === 1 ? '1 stream' : `${streams} streams`}`, samples));
    }
    return rows;
  } finally {
    await cluster.close();
  }
}

function rowsOf(topic: string, { bare, overlay, vip }: Readonly<Record<Way, readonly number[]>>): Row[] {
  const ratio = (values: readonly number[], to: readonly number[]): number[] => values.map((value, round) => value / (to[round] ?? Number.NaN));
  return [
    { topic, name: 'a bare VXLAN device', unit: 'Gbit/s', samples: bare },
    { topic, name: "the overlay, by the task's address", unit: 'Gbit/s', samples: overlay },
    { topic, name: 'the overlay, by VIP in userspace', unit: 'Gbit/s', samples: vip },
    { topic, name: 'overlay to bare, round by round', unit: '×', samples: ratio(overlay, bare), atLeast: LEAST_RATIO },
    { topic, name: 'VIP to overlay, round by round: the balancer', unit: '×', samples: ratio(vip, overlay) },
  ];
}

async function placeOf(node: ClusterNode, service: string): Promise<Place> {
  const [task] = await node.settles(service, 1);
  const directory = `${node.root}/run/netns`;
  const name = (await node.exec('ls', '/run/netns')).split('\n').find((entry) => entry.endsWith(`-${task?.name ?? ''}`));
  return { node, path: `${directory}/${name ?? ''}` };
}

/** Made on the host, as the overlay's own are, and given to the task. */
async function putBare(source: Place, sink: Place): Promise<void> {
  for (const [{ node, path }, other, address] of [[source, sink.node, BARE.addresses[0]], [sink, source.node, BARE.addresses[1]]] as const) {
    await node.exec('ip', 'link', 'add', BARE.device, 'mtu', `${BARE.mtu}`, 'type', 'vxlan', 'id', `${BARE.vni}`, 'local', node.address, 'remote', other.address, 'dstport', `${BARE.port}`);
    // By a process in it, since names of namespaces are the node's own.
    await node.exec('ip', 'link', 'set', BARE.device, 'netns', path.slice(node.root.length));
    await inside(path, 'ip', 'address', 'add', `${address}/24`, 'dev', BARE.device);
    await inside(path, 'ip', 'link', 'set', BARE.device, 'up');
  }
  await pollUntil('the bare device carries packets', () => inside(source.path, 'ping', '-c', '1', '-W', '1', BARE.addresses[1]).then(() => true), SOON);
}

function inside(path: string, ...command: string[]): Promise<string> {
  return run('nsenter', [`--net=${path}`, ...command], { timeout: SLACK_MS });
}

/** Gbit/s that arrived. */
async function measure({ path }: Place, address: string, streams: number, seconds: number): Promise<number> {
  const output = await run('nsenter', [`--net=${path}`, 'iperf3', '--client', address, '--json', '--time', `${seconds}`, '--parallel', `${streams}`], { timeout: seconds * 1000 + SLACK_MS });
  const { end } = JSON.parse(output) as { readonly end: { readonly sum_received: { readonly bits_per_second: number } } };
  return end.sum_received.bits_per_second / 1e9;
}
