/**
 * Who may speak to a node's VXLAN, as the fabrics of its networks say. Pure; agent/sandbox has the host drop and count the rest. A packet has to
 * come from a known node (VTEP), to a network that this node has, and with an inner source that is one of that node's on that network.
 */
import { fabricPort, type Fabric } from './fabric.js';
import type { NodeRecord } from '../model/object.js';

export interface FabricFilter {
  /** This node's underlay address. */
  readonly local: string;
  /** UDP port of networks in the clear. */
  readonly port: number;
  /** UDP port of encrypted networks: what comes there has to have come by IPsec. */
  readonly encryptedPort: number;
  /** Underlay addresses of other nodes. */
  readonly vteps: ReadonlySet<string>;
  readonly networks: readonly Speaker[];
  readonly sources: readonly Source[];
}

/** One node on one network. */
export interface Speaker {
  readonly vtep: string;
  /** UDP, of this node. */
  readonly port: number;
  readonly vni: number;
}

/** An inner source that a node may use on a network, of either family. */
export interface Source extends Speaker {
  readonly address: string;
}

/** Undefined: this node is alone, and has no VXLAN. `nodes`: as FabricView has them. */
export function fabricFilter(self: NodeRecord, nodes: Iterable<NodeRecord>, fabrics: Iterable<Fabric>): FabricFilter | undefined {
  if (self.vxlanPort === undefined) return undefined;
  const vteps = new Set<string>();
  for (const { id, address } of nodes) if (id !== self.id) vteps.add(address);
  const networks: Speaker[] = [];
  const sources: Source[] = [];
  for (const { link, peers } of fabrics) {
    for (const { underlay: vtep, balancer, balancer6, reaches } of peers) {
      const speaker: Speaker = { vtep, port: link.port, vni: link.vni };
      networks.push(speaker);
      const own = balancer6 === undefined ? [balancer] : [balancer, balancer6];
      for (const address of [...own, ...reaches]) sources.push({ ...speaker, address });
    }
  }
  return { local: self.address, port: fabricPort(self.vxlanPort, false), encryptedPort: fabricPort(self.vxlanPort, true), vteps, networks, sources };
}
