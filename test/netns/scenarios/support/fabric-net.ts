/**
 * Nodes as network namespaces on one bridge, each with a network sandbox and one task, and what each knows of the others: for scenarios of
 * the VXLAN between them. No agent, no store.
 */
import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { NetworkSandbox, type NetworkSandboxOptions } from '../../../../agent/sandbox/network-sandbox.js';
import { ipBatch } from '../../../../kernel/netns/links.js';
import { createNamespace, type Namespace } from '../../../../kernel/netns/netns.js';
import type { NodeAddresses, NodeRecord } from '../../../../overlay/model/object.js';
import { type Fabric, type FabricView, networkFabric, networkMtu } from '../../../../overlay/vxlan/fabric.js';

export const VNI = 4097;
export const PORT = 4789;
const UNDERLAY_MTU = 1500;

export interface FabricNode {
  readonly record: NodeRecord;
  readonly addresses: NodeAddresses;
  readonly host: Namespace;
  readonly options: NetworkSandboxOptions;
  readonly sandbox: NetworkSandbox;
  readonly task: Namespace;
  /** Its task's. */
  readonly address: string;
  readonly address6: string;
}

export interface FabricNet {
  readonly directory: string;
  readonly nodes: readonly FabricNode[];
  /** What the node at `index` should have. */
  readonly fabric: (index: number, more?: Partial<FabricView>) => Fabric;
}

/** `192.168.9.3` */
export const underlay = (index: number): string => `192.168.9.${index + 1}`;
const four = (index: number, what: number): string => `10.0.1.${10 * (index + 1) + what}`;
const six = (index: number, what: number): string => `fd3a:9c01:77e2:1::${10 * (index + 1) + what}`;

/** One more host on the bridge, with nothing of ours. */
export async function addHost(directory: string, index: number, mtu = UNDERLAY_MTU): Promise<Namespace> {
  const host = createNamespace(directory, `host${index}`);
  await ipBatch(undefined, [
    `link add u${index} mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${host.path}`,
    `link set u${index} master br0 up`,
  ]);
  await ipBatch(host, [`addr add ${underlay(index)}/24 dev eth0`, 'link set eth0 up']);
  return host;
}

/** `mtus`: of each node's underlay, bytes. */
export async function withFabric(mtus: readonly number[], use: (net: FabricNet) => Promise<void>, encrypted = false): Promise<void> {
  const directory = mkdtempSync(join(os.tmpdir(), 'fabric-'));
  await ipBatch(undefined, ['link add br0 type bridge', 'link set br0 up']);
  const nodes: FabricNode[] = [];
  for (const [index, mtu] of mtus.entries()) {
    const host = await addHost(directory, index, mtu);
    const record: NodeRecord = {
      id: `node${index}`, hostname: `host${index}`, availability: 'active', labels: {}, mode: 'root', address: underlay(index), vxlanPort: PORT, mtu: mtu - 50, version: '0', createdAt: '2024-01-01T00:00:00Z',
    };
    const addresses = { gateway: four(index, 1), balancer: four(index, 2), gateway6: six(index, 1), balancer6: six(index, 2) };
    const options: NetworkSandboxOptions = {
      directory, name: `net${index}`, host, subnet: '10.0.1.0/24', gateway: addresses.gateway, balancer: addresses.balancer,
      ipv6: { subnet: 'fd3a:9c01:77e2:1::/64', gateway: addresses.gateway6, balancer: addresses.balancer6 }, mtu: networkMtu(record.mtu, encrypted), queues: 1,
    };
    const sandbox = await NetworkSandbox.create(options);
    const task = createNamespace(directory, `task${index}`);
    const node = { record, addresses, host, options, sandbox, task, address: four(index, 5), address6: six(index, 5) };
    await sandbox.attachTask(task, { id: `task${index}`, interface: 'eth0', address: node.address, address6: node.address6 });
    nodes.push(node);
  }
  const fabric = (index: number, more: Partial<FabricView> = {}): Fabric =>
    networkFabric({
      self: nodes[index]!.record,
      nodes: nodes.map(({ record }) => record),
      network: { id: 'n1', vni: VNI, encrypted },
      attached: Object.fromEntries(nodes.map(({ record, addresses }) => [record.id, addresses])),
      tasks: nodes.map(({ record, address, address6 }) => ({ node: record.hostname, addresses: [{ networkId: 'n1', address, address6, interface: 'eth0' }] })),
      ...more,
    })!;
  await use({ directory, nodes, fabric });
  for (const { sandbox } of nodes) await sandbox.destroy();
}
