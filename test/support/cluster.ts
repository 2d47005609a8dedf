/**
 * A cluster of simulated hosts, for scenarios and benches that run on a test host (host.ts), as root. The test host's own network namespace is
 * the underlay: a bridge that every node has a veth on, with etcd beside it. Nothing of it reaches the machine's own namespaces, and all of it
 * ends with the test host.
 *
 *     test host   u0  192.0.2.254/24   etcd on 192.0.2.101, .102, …:2379
 *      ├─ node1   eth0 192.0.2.1   its own network, mount, PID and UTS namespaces, /run, state
 *      └─ node2   eth0 192.0.2.2
 *
 * Every node has an agent, root's or an ordinary user's. Host names resolve on all nodes (/etc/hosts).
 */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { NodeObject } from '../../overlay/model/object.js';
import { ipBatch } from '../../kernel/netns/links.js';
import { NOBODY } from './capability.js';
import { makeCertificates, type Certificates } from './certificates.js';
import { SimulatedHost, ClusterNode } from './cluster-node.js';
import { startEtcd, type Etcd } from './etcd.js';
import { pollUntil } from './poll-until.js';

/** What a scenario with a cluster needs besides root and TUN. */
export const CLUSTER_NEEDS = ['command:etcd', 'command:etcdctl', 'command:nsenter', 'command:curl'] as const;

export interface ClusterOptions {
  readonly nodes: number;
  /** Members of etcd; 1 by default. */
  readonly etcd?: number;
  /** Of the underlay, bytes; 1500 by default. */
  readonly mtu?: number;
  /** Numbers of those whose agent runs in mode rootless, as uid 65534; the others are root's. */
  readonly rootless?: readonly number[];
  /** etcd speaks TLS alone, with clients that have a certificate, a name and a password; nodes know its members by name. */
  readonly secured?: boolean;
  /** Further options of every `vipmesh up`. Traffic stays in userspace unless they say otherwise. */
  readonly up?: readonly string[];
  /** What is different on some nodes, by number. `up`: still further options. */
  readonly of?: Readonly<Record<number, { readonly mtu?: number; readonly up?: readonly string[] }>>;
}

const UNDERLAY = 'u0';
const GATEWAY = '192.0.2.254';

/** Milliseconds for what takes a second on an idle machine. */
export const SOON = { timeout: 90_000 } as const;

export class Cluster {
  private constructor(
    readonly nodes: readonly ClusterNode[],
    readonly etcd: Etcd,
    /** What `--store` is given. */
    readonly store: string,
  ) {}

  /** Resolves when every agent is up and every node is known as ready to all. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const { mtu = 1500, up = ['--offload', 'never'] } = options;
    const members = Array.from({ length: options.etcd ?? 1 }, (_, index) => `192.0.2.${101 + index}`);
    await ipBatch(undefined, [
      `link add ${UNDERLAY} mtu ${mtu} type bridge forward_delay 0`,
      `link set ${UNDERLAY} up`,
      ...[GATEWAY, ...members].map((address) => `address add ${address}/24 dev ${UNDERLAY}`),
    ]);
    const directory = mkdtempSync(join(tmpdir(), 'cluster-'));
    chmodSync(directory, 0o755);
    const etcdNames = members.map((_, index) => `etcd${index + 1}`);
    const tls = options.secured === true ? await certificatesFor(directory, etcdNames, members) : undefined;
    const etcd = await startEtcd(members, tls);
    const store = `etcd://${(tls ? etcdNames : members).map((host) => `${host}:2379`).join(',')}`;
    if (tls) await demandUser(etcd);
    const trust = tls ? ['--store-user', 'mesh:secret', ...onNodes(tls)] : [];
    const names = Array.from({ length: options.nodes }, (_, index) => ({ name: `node${index + 1}`, address: `192.0.2.${index + 1}` }));
    const hosts = join(directory, 'hosts');
    writeFileSync(hosts, readFileSync('/etc/hosts', 'utf8') + [...names, ...members.map((address, index) => ({ name: etcdNames[index] ?? '', address }))].map(({ name, address }) => `${address} ${name}\n`).join(''));
    const nodes = names.map(({ name, address }, index) => {
      const { mtu: ownMtu = mtu, up: more = [] } = options.of?.[index + 1] ?? {};
      const own = join(directory, name);
      for (const part of ['run', 'state']) mkdirSync(join(own, part), { recursive: true });
      if (tls) cpSync(join(directory, 'tls'), join(own, 'state/tls'), { recursive: true });
      const host = new SimulatedHost({ name, address, directory: own, hosts, mtu: ownMtu, bridge: UNDERLAY, gateway: GATEWAY, uid: options.rootless?.includes(index + 1) === true ? NOBODY : 0 });
      return new ClusterNode(host, ['--store', store, ...trust, '--cluster', 'test', '--advertise', address, ...up, ...more]);
    });
    const cluster = new Cluster(nodes, etcd, store);
    // The first makes what is one for all, and the others need not wait for each other.
    const [first, ...others] = nodes;
    await first?.powerOn();
    await Promise.all(others.map((node) => node.powerOn()));
    await cluster.allReady();
    return cluster;
  }

  /** The node of this host name, or with this number, counted from 1. */
  node(which: string | number): ClusterNode {
    const name = typeof which === 'number' ? `node${which}` : which;
    const found = this.nodes.find((node) => node.name === name);
    if (!found) throw new Error(`there is no ${name}`);
    return found;
  }

  /** Waits until each of the nodes that run knows all of them as ready. */
  async allReady(): Promise<void> {
    const running = this.nodes.filter(({ isUp }) => isUp);
    for (const node of running) {
      await pollUntil(`${node.name} knows all nodes`, async () => {
        const known = await node.api.nodes();
        return running.every(({ name }) => statusOf(known, name) === 'ready');
      }, { ...SOON, interval: 100 });
    }
  }

  /** Waits until one node sees another so. */
  async sees(observer: ClusterNode, name: string, status: NodeObject['status']): Promise<void> {
    await pollUntil(`${observer.name} sees ${name} ${status}`, async () => statusOf(await observer.api.nodes(), name) === status, { ...SOON, interval: 100 });
  }

  /** Ends everything at once, as a power cut would: nothing of it is to be left in order. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.powerOff()));
    await this.etcd.stop();
    await ipBatch(undefined, [`link delete ${UNDERLAY}`]);
  }
}

/** For members by name and by address; everybody may read them. */
async function certificatesFor(directory: string, names: readonly string[], addresses: readonly string[]): Promise<Certificates> {
  const own = join(directory, 'tls');
  mkdirSync(own, { mode: 0o755 });
  // etcdctl asks by address.
  const made = await makeCertificates(own, 'mesh', [...names.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP:${address}`)]);
  chmodSync(made.client.key, 0o644);
  return made;
}

/** Options, with the files as every node has them. */
function onNodes({ ca, client }: Certificates): string[] {
  const there = (path: string): string => `/run/state/tls/${basename(path)}`;
  return ['--store-ca', there(ca), '--store-cert', there(client.cert), '--store-key', there(client.key)];
}

/** Only `mesh`, with its password, may use what is the mesh's. */
async function demandUser(etcd: Etcd): Promise<void> {
  await etcd.ctl('user', 'add', 'root:secret');
  await etcd.ctl('user', 'grant-role', 'root', 'root');
  await etcd.ctl('role', 'add', 'mesh');
  await etcd.ctl('role', 'grant-permission', 'mesh', '--prefix=true', 'readwrite', '/vipmesh/');
  await etcd.ctl('user', 'add', 'mesh:secret');
  await etcd.ctl('user', 'grant-role', 'mesh', 'mesh');
  await etcd.ctl('auth', 'enable');
}

function statusOf(nodes: readonly NodeObject[], name: string): NodeObject['status'] | undefined {
  return nodes.find(({ hostname }) => hostname === name)?.status;
}
