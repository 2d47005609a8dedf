/**
 * Where everything is in the store.
 *
 *   networks/<id>, services/<id>, tasks/<id>   the objects of model/object.ts
 *   names/<kind>/<name>                        Owned: the object that has the name (of tasks, only named one-off ones)
 *   addresses/<network id>/<address>           Owned: `balancer`, or the service or task that has the address
 *   pools/<network id>                         Pool: where allocation goes on; rewritten whenever something joins the network
 *   subnets                                    Subnets: one key, so that no two networks can take overlapping ones
 *   ula                                        UniqueLocal: the mesh's own IPv6 prefix, drawn once
 *   vnis/<number>                              Owned: a network
 *   marks/<node>/<number>                      MarkHolder: a service's packet mark on a network of one node, counted from the node's base
 *   ports/<protocol>/<port>                    PortHolder[]: one key per port, so that no two listeners can collide
 *
 * An owner is the key of an object: what is owned by a key that does not exist is free to be released (service/prune.ts).
 */
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

/** Owner of the address that the balancer of a network has; belongs to the network. */
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

export const networkKey = (id: string): string => NETWORKS + id;
export const serviceKey = (id: string): string => SERVICES + id;
export const taskKey = (id: string): string => TASKS + id;
export const nameKey = (kind: 'network' | 'service' | 'task', name: string): string => `${NAMES}${kind}/${name}`;
export const addressKey = (networkId: string, address: string): string => `${ADDRESSES}${networkId}/${address}`;
export const poolKey = (networkId: string): string => POOLS + networkId;
export const vniKey = (vni: number): string => VNIS + vni;
export const markKey = (node: string, number: number): string => `${MARKS}${node}/${number}`;
export const portKey = (protocol: Protocol, port: number): string => `${PORTS}${protocol}/${port}`;
