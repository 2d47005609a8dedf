/**
 * What the driver `ipvs` installs for a plan: which rules, which virtual services, which routes and settings. Pure. How they are
 * brought about is ipvs-change.ts's; README.md says why they are so.
 */
import type { Chain } from '../iptables/chains.js';
import type { Rule } from '../iptables/rule.js';
import type { IpvsTimeouts } from '../ipvs/read.js';
import type { VirtualService } from '../ipvs/service.js';
import { MARK_SPAN, type OffloadPlan, type OffloadService } from './driver.js';

export const PRE = 'VIPMESH-PRE';
export const NEW = 'VIPMESH-NEW';
export const OUT = 'VIPMESH-OUT';
export const POST = 'VIPMESH-POST';

/** Chains that are the driver's, by table. */
export const CHAINS = { mangle: [PRE, NEW, OUT], nat: [POST] } as const;
export const TABLES = ['nat', 'mangle'] as const;

/** What does not depend on the services. */
export type Base = Pick<OffloadPlan, 'subnet' | 'balancer' | 'timeouts'>;

/** Marks of one service's rules are in one block of 256, and a routing rule takes a whole block. */
export const BLOCK_MASK = 0xffffff00;

export function blockOf(mark: number): number {
  return (mark & BLOCK_MASK) >>> 0;
}

/** The rules of VIPMESH-NEW that give a service's new flows their mark. Where no endpoint takes any, userspace answers. */
export function markRules({ mark, address, port, phase, endpoints }: OffloadService): Rule[] {
  if (phase !== 'take' || endpoints.every(({ weight }) => weight === 0)) return [];
  const protocols = port ? [port.protocol] : (['tcp', 'udp'] as const);
  return protocols.map((protocol) => ({
    destination: `${address}/32`,
    protocol,
    ...(port && { port: port.number }),
    ...(protocol === 'tcp' && { syn: true as const }),
    action: { kind: 'mark', value: mark },
  }));
}

export function mangleChains(members: readonly Rule[]): Chain[] {
  return [
    { name: NEW, members, tail: [{ notMark: 0, action: { kind: 'save-mark' } }] },
    {
      name: PRE,
      from: 'PREROUTING',
      members: [],
      tail: [{ action: { kind: 'restore-mark' } }, { mark: 0, stateNew: true, unconfirmed: true, action: { kind: 'jump', chain: NEW } }],
    },
    // A marked SYN that no IPVS service took: somebody has just removed it, and the client's next SYN finds it mended.
    { name: OUT, from: 'OUTPUT', members: [], tail: [{ protocol: 'tcp', refusal: true, notConnectionMark: 0, action: { kind: 'drop' } }] },
  ];
}

export function natChains({ subnet, balancer }: Base): Chain[] {
  return [{ name: POST, from: 'POSTROUTING', members: [], tail: [{ destination: subnet, ipvs: true, action: { kind: 'snat', to: balancer } }] }];
}

const FLAGS: Readonly<Record<string, readonly string[]>> = { sh: ['sh-fallback'], mh: ['mh-fallback'] };

export function virtualService({ mark, scheduler, affinity, maxConnections, endpoints }: OffloadService): VirtualService {
  return {
    mark,
    scheduler,
    flags: FLAGS[scheduler] ?? [],
    persistence: affinity,
    // With a lower threshold of its own the kernel takes new connections again below three quarters of the upper one only.
    destinations: endpoints.map(({ address, port, weight }) => ({ address, port, weight, upper: maxConnections, lower: maxConnections })),
  };
}

export interface Sysctl {
  /** Under /proc/sys. */
  readonly key: string;
  readonly value: string;
}

/** Kept at 1, but for the moment in which destinations are moved. */
export const EXPIRE_NODEST = 'net/ipv4/vs/expire_nodest_conn';

/** Half-closed connections in IPVS, seconds: nothing sets it. */
const IPVS_CLOSE_WAIT = 60;

/** IPVS: its connections are tracked (the SNAT needs it), and end with their endpoint. Tracking: no entry ends before its connection. */
export function sysctls({ timeouts }: Base): Sysctl[] {
  const { established, closing, udp } = timeouts;
  const tracking: Record<string, number> = {
    tcp_timeout_established: established,
    tcp_timeout_fin_wait: closing,
    tcp_timeout_close_wait: Math.max(closing, IPVS_CLOSE_WAIT),
    udp_timeout: udp,
    udp_timeout_stream: udp,
    acct: 1,
  };
  return [
    ...['conntrack', 'conn_reuse_mode', 'expire_quiescent_template'].map((name) => ({ key: `net/ipv4/vs/${name}`, value: '1' })),
    { key: EXPIRE_NODEST, value: '1' },
    ...Object.entries(tracking).map(([name, value]) => ({ key: `net/netfilter/nf_conntrack_${name}`, value: `${value}` })),
  ];
}

export function ipvsTimeoutsOf({ timeouts }: Base): IpvsTimeouts {
  const { established, closing, udp } = timeouts;
  return { established, closing, udp };
}

/** Why IPVS cannot take the service as it is. */
export function refusal(service: OffloadService, markBase: number): string | undefined {
  const { mark, port, endpoints, address, affinity } = service;
  if (mark < markBase || mark >= markBase + MARK_SPAN) {
    return `mark 0x${mark.toString(16)} is not in this node's range, 0x${markBase.toString(16)} to 0x${(markBase + MARK_SPAN - 1).toString(16)}`;
  }
  if ([address, ...endpoints.map((endpoint) => endpoint.address)].some((text) => text.includes(':'))) return 'only IPv4 is handed to the kernel';
  if (affinity > 0 && endpoints.some((endpoint) => endpoint.port !== 0 && endpoint.port !== port?.number)) {
    // ip_vs_sched_persist compares the packet's port with that of the service, and a service by mark has none.
    return 'with affinity, IPVS keeps the port that the client asked for, and an endpoint has another';
  }
  if (!port && endpoints.some((endpoint) => endpoint.port !== 0)) return 'an endpoint has a port of its own, and the service takes every port';
  return undefined;
}
