/**
 * Where everything is in the store.
 *
 *   networks/<id>, services/<id>, tasks/<id>   the objects of model/object.ts
 *   names/<kind>/<name>                        Owned: the object that has the name (of tasks, only named one-off ones; of nodes, the host name)
 *   addresses/<network id>/<address>           Owned: `balancer`, or the service or task that has the address
 *   pools/<network id>                         Pool: where allocation goes on; rewritten whenever something joins the network
 *   subnets                                    Subnets: one key, so that no two networks can take overlapping ones
 *   ula                                        UniqueLocal: the mesh's own IPv6 prefix, drawn once
 *   vnis/<number>                              Owned: a network
 *   marks/<node>/<number>                      MarkHolder: a service's packet mark on a network of one node, counted from the node's base
 *   nodes/<id>                                 NodeRecord
 *   alive/<node id>                            Alive: under the node's lease, so it goes with the node
 *   applied/<node id>                          Applied: the same
 *   troubles/<node id>                         NodeProblem[]: what does not work there; the same
 *   leader                                     Leader: under the lease of whoever places tasks
 *   problems                                   Problems: what the leader found in the way of services
 *   keys                                       FabricKeys (vxlan/keys.ts): secrets of encrypted networks
 *   sessions/<node id>                         Session (vxlan/keys.ts): what a node has drawn for them; it goes with the node's record
 *   attached/<network id>                      Attached: what nodes have of their own on a network
 *   migration                                  Migration: a store is being copied here; nothing else is to be relied on
 *   ports/<protocol>/<port>                    PortHolder[]: one key per port, so that no two listeners can collide
 *
 * An owner is the key of an object: what is owned by a key that does not exist is free to be released (service/prune.ts).
 */
import type { NodeAddresses } from '../model/object.js';
import type { Protocol } from '../model/spec.js';

export const NETWORKS = 'networks/';
export const SERVICES = 'services/';
export const TASKS = 'tasks/';
export const NAMES = 'names/';
export const ADDRESSES = 'addresses/';
export const POOLS = 'pools/';
export const SUBNETS = 'subnets';
export const ULA = 'ula';
export const VNIS = 'vnis/';
export const MARKS = 'marks/';
export const PORTS = 'ports/';
export const NODES = 'nodes/';
export const ALIVE = 'alive/';
export const APPLIED = 'applied/';
export const TROUBLES = 'troubles/';
export const LEADER = 'leader';
export const PROBLEMS = 'problems';
export const ATTACHED = 'attached/';
export const MIGRATION = 'migration';
export const KEYS = 'keys';
export const SESSIONS = 'sessions/';

/** Owner of the addresses that balancers and gateways of nodes have on a network; `attached` says which node's. They go with the network. */
export const BALANCER = 'balancer';

export interface Owned {
  readonly owner: string;
}

export interface Pool {
  /** The IPv4 address that was allocated last. */
  readonly last?: string;
  /** The IPv6 address that was allocated last. */
  readonly last6?: string;
}

export interface UniqueLocal {
  /** `fd3a:9c01:77e2::/48` */
  readonly prefix: string;
}

/** CIDR text, of either family, to the key of its network. */
export type Subnets = Readonly<Record<string, string>>;

export interface PortHolder extends Owned {
  /** Host address; absent: all. */
  readonly address?: string;
}

export interface MarkHolder extends Owned {
  /** Id of the network on which the owner, a service, has the mark. */
  readonly network: string;
  /** The published port that has it, as text; absent: the VIP. */
  readonly port?: string;
}

/** A node's agent runs, and reaches the store. */
export interface Alive {
  /** When this agent started. */
  readonly since: string;
}

/** How far a node has come. */
export interface Applied {
  /** What the store said of tasks up to here is applied on the node: whoever drains a task waits for it. */
  readonly revision: number;
  /** Revision of the keys of encrypted networks by which the node receives; 0: none. The next step of a rotation waits for it. */
  readonly keys: number;
}

export interface Leader {
  /** Id of the node. */
  readonly node: string;
  readonly since: string;
}

/** Why a service has fewer tasks than it should, one sentence, by the service's id. */
export type Problems = Readonly<Record<string, string>>;

export interface Migration {
  /** Id of the node whose store it is. */
  readonly node: string;
}

/** By node id. */
export type Attached = Readonly<Record<string, NodeAddresses>>;

export const networkKey = (id: string): string => NETWORKS + id;
export const serviceKey = (id: string): string => SERVICES + id;
export const taskKey = (id: string): string => TASKS + id;
export const nameKey = (kind: 'network' | 'service' | 'task' | 'node', name: string): string => `${NAMES}${kind}/${name}`;
export const addressKey = (networkId: string, address: string): string => `${ADDRESSES}${networkId}/${address}`;
export const poolKey = (networkId: string): string => POOLS + networkId;
export const vniKey = (vni: number): string => VNIS + vni;
export const markKey = (node: string, number: number): string => `${MARKS}${node}/${number}`;
export const portPrefix = (protocol: Protocol): string => `${PORTS}${protocol}/`;
export const portKey = (protocol: Protocol, port: number): string => `${PORTS}${protocol}/${port}`;
export const nodeKey = (id: string): string => NODES + id;
export const aliveKey = (nodeId: string): string => ALIVE + nodeId;
export const appliedKey = (nodeId: string): string => APPLIED + nodeId;
export const troublesKey = (nodeId: string): string => TROUBLES + nodeId;
export const sessionKey = (nodeId: string): string => SESSIONS + nodeId;
export const attachedKey = (networkId: string): string => ATTACHED + networkId;
