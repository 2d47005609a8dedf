/**
 * The VXLAN of one network on one node, as it should be: its device, and what is reached by which other node. Pure; agent/sandbox makes
 * it so. Routed, not bridged: a remote node is one neighbour, whose tasks are routes by it, so what a node keeps for its neighbours
 * costs by nodes.
 */
import type { NetworkObject, NodeAddresses, NodeRecord, TaskObject } from '../model/object.js';
import type { Attached } from '../store/keys.js';

/** What a node has to know of the cluster for one network. */
export interface FabricView {
  readonly self: NodeRecord;
  /** Nodes that take part, in any order; those that are down, too, as long as they may be back. `self` may be among them. */
  readonly nodes: Iterable<NodeRecord>;
  readonly network: Pick<NetworkObject, 'id' | 'vni'> & { readonly encrypted: boolean };
  readonly attached: Attached;
  /** That have not ended; those of other networks do no harm. */
  readonly tasks: Iterable<Pick<TaskObject, 'node' | 'addresses'>>;
}

export interface Fabric {
  readonly link: FabricLink;
  /** In the order of their underlay addresses. */
  readonly peers: readonly FabricPeer[];
}

/** The device. Its hardware address follows from `balancer`. */
export interface FabricLink {
  readonly vni: number;
  /** Underlay address. */
  readonly local: string;
  /** UDP, of this end. */
  readonly port: number;
  /** Bytes of the largest packet of a task. */
  readonly mtu: number;
  /** This node's. */
  readonly balancer: string;
}

/** Another node on the network. It is the next hop to all that is its, by its balancer addresses. */
export interface FabricPeer {
  readonly underlay: string;
  readonly port: number;
  readonly balancer: string;
  /** Exactly when the network has IPv6. */
  readonly balancer6?: string;
  /** Where it carries less than this node: the largest packet toward it, bytes. */
  readonly mtu?: number;
  /** Addresses behind it, of both families: its gateway's and its tasks', sorted. */
  readonly reaches: readonly string[];
}

/** Bytes of an underlay's packet that a task's has not: IPv4 20, UDP 8, VXLAN 8, Ethernet 14 (RFC 7348 section 5). NodeRecord.mtu is the underlay's MTU less these. */
export const VXLAN_HEADERS = 50;
const IPV4_HEADER = 20;
/** SPI and sequence number (RFC 4303 section 2), initialization vector and check value of AES-GCM (RFC 4106 sections 3.1 and 6). */
const ESP_HEADERS = 8 + 8 + 16;
/** Length of the padding and next header: the last two bytes of what is encrypted (RFC 4303 section 2). */
const ESP_TRAILER = 2;
/** What is encrypted is whole words of so many bytes (RFC 4303 section 2.4). */
const ESP_WORD = 4;

/**
 * MTU of a network's links, bytes, on a node with this `mtu` (NodeRecord.mtu). ESP in transport mode encrypts all that follows the outer IP
 * header: 1416 of 1450.
 */
export function networkMtu(mtu: number, encrypted: boolean): number {
  if (!encrypted) return mtu;
  const room = mtu + VXLAN_HEADERS - IPV4_HEADER - ESP_HEADERS;
  return room - (room % ESP_WORD) - ESP_TRAILER - (VXLAN_HEADERS - IPV4_HEADER);
}

/** UDP port of a node's VXLAN. Encrypted networks have one of their own, by which alone the policies of IPsec tell them. */
export function fabricPort(vxlanPort: number, encrypted: boolean): number {
  return encrypted ? vxlanPort + 1 : vxlanPort;
}

/** Undefined: this node has no VXLAN, because it is alone, or has nothing on the network. */
export function networkFabric({ self, nodes, network, attached, tasks }: FabricView): Fabric | undefined {
  const own = attached[self.id];
  if (self.vxlanPort === undefined || own === undefined) return undefined;
  const mtu = networkMtu(self.mtu, network.encrypted);
  const link = { vni: network.vni, local: self.address, port: fabricPort(self.vxlanPort, network.encrypted), mtu, balancer: own.balancer };
  const behind = addressesByNode(network.id, tasks);
  const peers: FabricPeer[] = [];
  for (const node of nodes) {
    const theirs = attached[node.id];
    if (node.id === self.id || node.vxlanPort === undefined || theirs === undefined) continue;
    const peerMtu = networkMtu(node.mtu, network.encrypted);
    peers.push({
      underlay: node.address,
      port: fabricPort(node.vxlanPort, network.encrypted),
      balancer: theirs.balancer,
      ...(theirs.balancer6 !== undefined && { balancer6: theirs.balancer6 }),
      ...(peerMtu < mtu && { mtu: peerMtu }),
      reaches: [...gateways(theirs), ...(behind.get(node.hostname) ?? [])].sort(),
    });
  }
  return { link, peers: peers.sort((a, b) => (a.underlay < b.underlay || (a.underlay === b.underlay && a.port < b.port) ? -1 : 1)) };
}

function gateways({ gateway, gateway6 }: NodeAddresses): string[] {
  return gateway6 === undefined ? [gateway] : [gateway, gateway6];
}

/** By host name. */
function addressesByNode(networkId: string, tasks: FabricView['tasks']): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { node, addresses } of tasks) {
    for (const { networkId: on, address, address6 } of addresses) {
      if (on !== networkId) continue;
      const there = found.get(node) ?? [];
      if (there.length === 0) found.set(node, there);
      there.push(address, ...(address6 === undefined ? [] : [address6]));
    }
  }
  return found;
}
