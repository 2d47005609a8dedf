/**
 * Scaling up by one, from the request to the last node that knows: on every node a task asks the name server and opens flows to the
 * VIP until both have the new one. The scheduler is `lc`, which gives the next flow to an endpoint that has none; so the first look after the
 * balancer knows it is the one that finds it.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openNamespace, type Namespace } from '../../kernel/netns/netns.js';
import { run } from '../../kernel/run/runner.js';
import type { TaskSummary } from '../../agent/control.js';
import { Cluster } from '../../test/support/cluster.js';
import type { ClusterNode } from '../../test/support/cluster-node.js';
import type { Effort } from './inside.js';
import { balancedTo, knownByName, PACE_MS } from './probe.js';
import type { Row } from './result.js';

const PORT = 5300;
/** Milliseconds, at the median: the issue's. */
const LIMIT_MS = 500;

/** Answers every datagram with its id; one small process. */
const ECHO_ID = ['perl', '-MIO::Socket::INET', '-e', `$s = IO::Socket::INET->new(LocalPort => ${PORT}, Proto => "udp") or die $!; while (defined($s->recv($d, 64))) { $s->send($ENV{HOSTNAME}) }`];

export async function change({ nodes, changes, say }: Effort): Promise<Row[]> {
  say(`change: ${nodes} nodes`);
  const cluster = await Cluster.start({ nodes });
  try {
    const [first] = cluster.nodes as [ClusterNode];
    await first.api.createNetwork({ name: 'overlay1' });
    await first.api.createService({ name: 'vote', replicas: nodes, networks: [{ network: 'overlay1', aliases: [] }], balancing: { scheduler: 'lc' }, task: { command: ECHO_ID } });
    const tasks = await first.settles('vote', nodes);
    const places = cluster.nodes.map((node) => placeOn(node, tasks));
    const { id: network } = await first.api.network('overlay1');
    const vip = (await first.api.service('vote')).vips.find(({ networkId }) => networkId === network)?.address ?? '';
    const known = new Set(tasks.map(({ id }) => id));
    // Each endpoint gets a flow of each node, so that none is like a new one.
    for (const namespace of places) for (let i = 0; i < 2 * nodes; i++) await balancedTo(namespace, vip, PORT, new Set());

    const samples = { everywhere: [] as number[], names: [] as number[], balancers: [] as number[], runs: [] as number[], rest: [] as number[] };
    for (let turn = 1; turn <= changes; turn++) {
      if (turn % 10 === 1) say(`change: ${turn} of ${changes}`);
      const count = nodes + turn;
      const begin = performance.now();
      const asked = first.api.scaleService('vote', count);
      const [names, balancers] = await Promise.all([
        Promise.all(places.map((namespace) => knownByName(namespace, 'vote', count))),
        Promise.all(places.map((namespace) => balancedTo(namespace, vip, PORT, known))),
      ]);
      await asked;
      const added = (await first.settles('vote', count)).find(({ id }) => !known.has(id));
      known.add(added?.id ?? '');
      const runs = Date.parse(added?.status.since ?? '') - performance.timeOrigin - begin;
      const [lastName, lastBalancer] = [Math.max(...names) - begin, Math.max(...balancers) - begin];
      samples.everywhere.push(Math.max(lastName, lastBalancer));
      samples.names.push(lastName);
      samples.balancers.push(lastBalancer);
      samples.runs.push(runs);
      samples.rest.push(Math.max(lastName, lastBalancer) - runs);
    }
    const topic = `A change, ${nodes} nodes (looked at every ${PACE_MS} ms)`;
    const unit = 'ms';
    return [
      { topic, name: 'scale up by one, until in every balancer and DNS', unit, samples: samples.everywhere, atMost: LIMIT_MS },
      { topic, name: 'the same, every DNS', unit, samples: samples.names },
      { topic, name: 'the same, every balancer', unit, samples: samples.balancers },
      { topic, name: 'of which until the task runs and listens', unit, samples: samples.runs },
      { topic, name: 'and from there to everywhere', unit, samples: samples.rest },
      ...(await entries(cluster, places)),
    ];
  } finally {
    await cluster.close();
  }
}

/** The namespace of the node's own task. */
function placeOn(node: ClusterNode, tasks: readonly TaskSummary[]): Namespace {
  const own = tasks.find((task) => task.node === node.name);
  return pinned(node, own?.name ?? `no task on ${node.name}`);
}

function pinned(node: ClusterNode, name: string): Namespace {
  const directory = join(node.root, 'run/netns');
  const found = readdirSync(directory).find((entry) => entry.endsWith(`-${name}`));
  if (found === undefined) throw new Error(`no namespace of ${name} on ${node.name}`);
  return openNamespace(directory, found);
}

/** What each node has in its tables of the network: by remote node, and by remote task. */
async function entries(cluster: Cluster, places: readonly Namespace[]): Promise<Row[]> {
  for (const place of places) place.close();
  const others = cluster.nodes.length - 1;
  const tasks = (await cluster.nodes[0]?.api.serviceTasks('vote')) ?? [];
  const counts = { fdb: [] as number[], neighbours: [] as number[], routes: [] as number[], beyond: [] as number[] };
  for (const node of cluster.nodes) {
    const namespace = pinned(node, 'overlay1');
    const count = async (command: string, ...args: string[]): Promise<number> => (JSON.parse((await run(command, args, { netns: namespace })) || '[]') as unknown[]).length;
    const routes = await count('ip', '-json', 'route', 'show', 'dev', 'vxlan0');
    counts.fdb.push(await count('bridge', '-json', 'fdb', 'show', 'dev', 'vxlan0'));
    counts.neighbours.push(await count('ip', '-json', 'neighbour', 'show', 'dev', 'vxlan0'));
    counts.routes.push(routes);
    counts.beyond.push(routes - tasks.filter((task) => task.node !== node.name).length - 2 * others);
    namespace.close();
  }
  const topic = `Entries of a network on a node: ${cluster.nodes.length} nodes, ${tasks.length} tasks`;
  return [
    { topic, name: 'FDB entries', unit: '', samples: counts.fdb, atMost: others },
    { topic, name: 'neighbour entries', unit: '', samples: counts.neighbours, atMost: others },
    { topic, name: 'routes over the VXLAN', unit: '', samples: counts.routes },
    { topic, name: 'of these beyond one for each remote task and two for each remote node', unit: '', samples: counts.beyond, atMost: 0 },
  ];
}
