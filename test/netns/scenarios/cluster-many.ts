/**
 * Many services on several nodes: all come up, and each is reached from everywhere, by name and, as far as they publish one, by port.
 */
import assert from 'node:assert/strict';
import type { ServiceInput } from '../../../agent/api/inputs.js';
import { Cluster, SOON } from '../../support/cluster.js';
import type { ClusterNode } from '../../support/cluster-node.js';
import { pollUntil } from '../../support/poll-until.js';
import { curl, firstWords, times } from './support/cluster-clients.js';
import { step } from './support/steps.js';

/** A web server that is one small process: answers every request with its host name. */
const TINY = ['perl', '-MIO::Socket::INET', '-e', `
  $server = IO::Socket::INET->new(LocalPort => 80, Listen => 128, ReuseAddr => 1) or die $!;
  while ($client = $server->accept) {
    while (defined($line = <$client>) && $line =~ /\\S/) {}
    print $client "HTTP/1.0 200 OK\\r\\n\\r\\n$ENV{HOSTNAME}\\n";
    close $client;
  }`];

const FIRST_PORT = 20_000;
/**
 * A service that publishes a port has an address for its VIP and one for each task on the ingress network, a /24, where every node has two more: with five
 * nodes and four tasks each, this leaves room for tasks that are replaced.
 */
const MOST_PUBLISHED = 40;
/** Networks are shared by as many services. */
const SERVICES_PER_NETWORK = 10;

interface Service {
  readonly name: string;
  readonly network: string;
  /** Undefined: it publishes none. */
  readonly port: number | undefined;
  readonly replicas: number;
}

/** The scenario. @param sizes of the cluster, as text */
export async function many(...sizes: string[]): Promise<void> {
  const [nodes = 0, services = 0, tasks = 0] = sizes.map(Number);
  const cluster = await step(`${nodes} nodes come up`, () => Cluster.start({ nodes }));
  const wanted = Array.from({ length: services }, (_, index): Service => ({
    name: `s${index}`,
    network: `many${Math.floor(index / SERVICES_PER_NETWORK)}`,
    port: index < MOST_PUBLISHED ? FIRST_PORT + index : undefined,
    replicas: Math.floor(tasks / services),
  }));
  await step(`${services} services with ${tasks} tasks come up`, () => create(cluster, wanted));
  const known = await step('all nodes agree on them', () => agreed(cluster, wanted));
  for (const node of cluster.nodes) {
    await step(`${node.name} reaches all by name`, () => reachesByName(node, wanted, known));
    await step(`${node.name} reaches all by port`, () => reachesByPort(node, wanted, known));
  }
  await cluster.close();
}

async function create(cluster: Cluster, wanted: readonly Service[]): Promise<void> {
  const [first] = cluster.nodes;
  for (const network of new Set(wanted.map((service) => service.network))) await first?.cli('network', 'create', network);
  // On one node after the other.
  await Promise.all(cluster.nodes.map(async (node, turn) => {
    for (const service of wanted.filter((_, index) => index % cluster.nodes.length === turn)) await node.api.createService(inputOf(service));
  }));
}

function inputOf({ name, network, port, replicas }: Service): ServiceInput {
  return { name, replicas, networks: [{ network, aliases: [] }], ports: port === undefined ? [] : [{ published: port, target: 80, protocol: 'tcp', mode: 'ingress' }], task: { command: TINY } };
}

/** Ids of the tasks of each service, by its name. */
async function agreed(cluster: Cluster, wanted: readonly Service[]): Promise<Map<string, string[]>> {
  const known = new Map<string, string[]>();
  for (const { name, replicas } of wanted) {
    const ids = (await cluster.nodes[0]?.settles(name, replicas))?.map(({ id }) => id).sort() ?? [];
    known.set(name, ids);
  }
  const perNode = new Map<string, number>();
  for (const { node } of (await cluster.nodes[0]?.api.tasks()) ?? []) perNode.set(node, (perNode.get(node) ?? 0) + 1);
  const [least, most] = [Math.min(...perNode.values()), Math.max(...perNode.values())];
  assert.ok(perNode.size === cluster.nodes.length && most - least <= 1, `tasks are spread: ${JSON.stringify([...perNode])}`);
  for (const node of cluster.nodes) {
    for (const { name, replicas } of wanted) assert.deepEqual((await node.settles(name, replicas)).map(({ id }) => id).sort(), known.get(name));
  }
  return known;
}

/** From tasks on this node, one on each network. */
async function reachesByName(node: ClusterNode, wanted: readonly Service[], known: ReadonlyMap<string, string[]>): Promise<void> {
  for (const network of new Set(wanted.map((service) => service.network))) {
    const here = wanted.filter((service) => service.network === network);
    const script = here.flatMap(({ name, replicas }) => [`echo '=${name}'`, curl(...times(2 * replicas, `http://${name}/`)).map((word) => `'${word}'`).join(' ')]).join('\n');
    await pollUntil(`${node.name} reaches what is on ${network}`, async () => {
      const answers = new Map((await node.inTask(network, script)).split('=').slice(1).map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)]));
      for (const { name } of here) assert.deepEqual(firstWords(answers.get(name) ?? ''), known.get(name), name);
      return true;
    }, { ...SOON, interval: 500 });
  }
}

async function reachesByPort(node: ClusterNode, wanted: readonly Service[], known: ReadonlyMap<string, string[]>): Promise<void> {
  for (const { name, port, replicas } of wanted) {
    if (port === undefined) continue;
    await pollUntil(`${node.name}:${port} is ${name}`, async () => {
      assert.deepEqual(firstWords(await node.exec(...curl(...times(2 * replicas, `http://127.0.0.1:${port}/`)))), known.get(name));
      return true;
    }, { ...SOON, interval: 500 });
  }
}
