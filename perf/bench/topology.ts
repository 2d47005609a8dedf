/**
 * A lane: the four test hosts that one peer is measured on. Every peer has a lane of its own, with servers of its own, so
 * that the peers can take turns from one second to the next and none sees another's connections in TIME_WAIT.
 *
 *     client 10.77.0.1 … .16 ── veth ── 10.77.0.254 node ── veth ── 10.77.11.1 endpoint 1
 *                                                      └─── veth ── 10.77.12.1 endpoint 2
 *
 * Everything goes through the node: a proxy listens on its address, a balancer of packets routes through it, and without a
 * balancer it is a plain router.
 */
import { createNamespace, type Namespace } from '../../kernel/netns/netns.js';
import { ipBatch, setSysctl } from '../../kernel/netns/links.js';

/** Inside the private host's own tmpfs: gone with it. */
export const NAMESPACES = '/run/bench-netns';

export const NODE = '10.77.0.254';
export const ENDPOINTS = ['10.77.11.1', '10.77.12.1'] as const;
/** Both are routed to the node by client and endpoints; what the node does with them is the peer's affair. */
export const VIPS = { bulk: '10.77.1.1', http: '10.77.1.2' } as const;
export const BALANCER = '10.77.1.250';
export const BULK_PORT = 5201;
export const HTTP_PORT = 80;
/** HTTP too, by servers that take more connections, see servers.ts. */
export const HOLD_PORT = 81;

/** The client has several addresses, because one has only 64 k source ports toward one destination. */
export const CLIENTS: readonly string[] = Array.from({ length: 16 }, (_, index) => `10.77.0.${index + 1}`);

export interface Lane {
  readonly name: string;
  readonly client: Namespace;
  readonly node: Namespace;
  readonly endpoints: readonly [Namespace, Namespace];
}

const SYSCTLS: Readonly<Record<string, string>> = {
  // More source ports, and none kept back for an earlier connection's sake when timestamps tell the two apart (RFC 6191).
  'net/ipv4/ip_local_port_range': '10240 65535',
  'net/ipv4/tcp_tw_reuse': '1',
  // A run must not inherit the congestion window of the run before it.
  'net/ipv4/tcp_no_metrics_save': '1',
  'net/ipv4/tcp_max_syn_backlog': '65536',
  'net/core/somaxconn': '65535',
};

export async function makeLane(name: string): Promise<Lane> {
  const create = (role: string): Namespace => createNamespace(NAMESPACES, `${name}-${role}`);
  const lane: Lane = { name, client: create('client'), node: create('node'), endpoints: [create('e1'), create('e2')] };
  const hosts = [lane.client, lane.node, ...lane.endpoints];
  for (const host of hosts) for (const [key, value] of Object.entries(SYSCTLS)) setSysctl(host, key, value);
  setSysctl(lane.node, 'net/ipv4/ip_forward', '1');
  const link = (device: string, peer: Namespace): string => `link add ${device} type veth peer name eth0 netns ${peer.path}`;
  await ipBatch(lane.node, [
    link('client', lane.client),
    ...lane.endpoints.map((endpoint, index) => link(`e${index + 1}`, endpoint)),
    `address add ${NODE}/24 dev client`,
    'link set client up',
    ...lane.endpoints.flatMap((_, index) => [`address add 10.77.${11 + index}.254/24 dev e${index + 1}`, `link set e${index + 1} up`]),
  ]);
  await ipBatch(lane.client, [...CLIENTS.map((address) => `address add ${address}/24 dev eth0`), 'link set eth0 up', `route add default via ${NODE}`]);
  for (const [index, endpoint] of lane.endpoints.entries()) {
    await ipBatch(endpoint, [`address add ${ENDPOINTS[index]}/24 dev eth0`, 'link set eth0 up', `route add default via 10.77.${11 + index}.254`]);
  }
  return lane;
}
