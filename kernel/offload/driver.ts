/**
 * What a kernel can be told to balance by itself, and who tells it: the interface of the drivers `ipvs` and `nft`. When a
 * service is handed over, and back, is decided in state.ts; which services there are, in agent/.
 *
 * A driver works in one network sandbox, whose userspace balancer goes on beside it. Only new flows are taken: whatever was
 * there before stays where it is, in both directions of the switch.
 */
import type { Namespace } from '../netns/netns.js';

export { OffloadError } from './error.js';

export type DriverName = 'ipvs' | 'nft';

/** As proxy/config/snapshot has them; kernel/ does not import it. */
export type OffloadScheduler = 'rr' | 'wrr' | 'lc' | 'wlc' | 'sh' | 'mh';

export interface OffloadEndpoint {
  /** IPv4 text. */
  readonly address: string;
  /** Of the real server; 0: the one that the client asked for. */
  readonly port: number;
  /** 0 to 65535; 0 takes no new flow, and those that it has go on. */
  readonly weight: number;
}

export interface OffloadPort {
  readonly protocol: 'tcp' | 'udp';
  readonly number: number;
  /** Of a published port: the host's address that it is published on; absent: all. A sandbox knows nothing of it. */
  readonly hostAddress?: string;
}

/** One virtual address, or one port of it, that the kernel balances. */
export interface OffloadService {
  /** Packet mark, unique in the sandbox: 0x100 and more unless the node was told another base. */
  readonly mark: number;
  /** IPv4 text: the VIP. */
  readonly address: string;
  /** Absent: every TCP and UDP port. */
  readonly port?: OffloadPort;
  readonly scheduler: OffloadScheduler;
  /** Seconds for which a client goes where it went before; 0: none. */
  readonly affinity: number;
  /** Flows that an endpoint may have at once; 0: any number. */
  readonly maxConnections: number;
  /**
   * In the order of userspace, which is the kernel's list of destinations: `sh` and `mh` depend on it. A new endpoint comes first, as
   * the kernel adds it: elsewhere it costs taking out and putting back those before it.
   */
  readonly endpoints: readonly OffloadEndpoint[];
  /**
   * `watch`: nothing is taken, but new flows are known from now on for those of userspace, and everything else that `take` needs
   * is there, so that what cannot be installed is found out before. `take`: new flows are the kernel's. `finish`: no new ones.
   * In all three the flows that the kernel has go on. A service comes as `watch` (or `take`, when it was adopted), and may go from
   * `finish` to `watch` again. One that is missing in a plan is gone with all that it had.
   */
  readonly phase: 'watch' | 'take' | 'finish';
}

/** Everything that one sandbox should have installed. */
export interface OffloadPlan {
  /** CIDR of the network. */
  readonly subnet: string;
  /** This node's source address toward endpoints. */
  readonly balancer: string;
  /** Seconds of silence after which a flow ends. */
  readonly timeouts: { readonly established: number; readonly closing: number; readonly udp: number };
  /** In any order, one per mark. */
  readonly services: readonly OffloadService[];
  /** Number of this plan among those of its sandbox. */
  readonly revision?: number;
  /**
   * What differs from an earlier plan, by mark (undefined: gone): `set` then costs by the change. Absent, or when the driver
   * was last given another plan than that: all services are compared. plans.ts makes such plans.
   */
  readonly since?: { readonly revision: number; readonly changes: ReadonlyMap<number, OffloadService | undefined> };
}

export interface KernelFlow {
  readonly mark: number;
  readonly protocol: 'tcp' | 'udp';
  /** Text of address and port: who asked, what it asked, who answers. */
  readonly client: string;
  readonly virtual: string;
  readonly endpoint: string;
  /** Who the endpoint sees in the client's place. */
  readonly seenAs: string;
  /** As the kernel names it: ESTABLISHED, FIN_WAIT, …; UDP has none. */
  readonly state: string;
  /** Seconds until it expires. */
  readonly expires: number;
  /** Both directions; 0 where the kernel does not count. */
  readonly bytes: number;
  /** Of a published port, where that is known: address and port of the host that were asked. */
  readonly asked?: string;
}

/** How much the kernel does for one endpoint of one service: cheap to ask for, also with many flows. */
export interface KernelCount {
  readonly mark: number;
  readonly address: string;
  readonly port: number;
  /** Flows that the kernel has now. IPVS counts connections that are over, too, until it forgets them (120 s). */
  readonly flows: number;
  /** Since the endpoint was installed, and in both directions; 0 where the kernel does not count. */
  readonly connections: number;
  readonly bytes: number;
}

/** A flow of userspace, for `keep`. */
export interface UserspaceFlow {
  readonly protocol: 'tcp' | 'udp';
  readonly client: string;
  readonly clientPort: number;
  readonly virtual: string;
  readonly virtualPort: number;
  readonly endpoint: string;
  readonly endpointPort: number;
  /** On the balancer address: what the endpoint sees as the client's. */
  readonly balancerPort: number;
}

export interface InstalledService {
  readonly mark: number;
  /** New flows are the kernel's now; otherwise it has at most some of before: phase `watch` or `finish`. */
  readonly takes: boolean;
}

export interface OffloadDriver {
  readonly name: DriverName;
  /** Why this driver cannot take the service as it is (a sentence), or undefined. One that it has taken can always `finish`. */
  refuses(service: OffloadService): string | undefined;
  /**
   * Makes what is installed match the plan by what differs from the last one, or from what is there when nothing was set
   * before. Idempotent. Calls must not overlap. Rejects with OffloadError, and then `verify` or the next `set` finds out what is there.
   */
  set(plan: OffloadPlan): Promise<void>;
  /** Whether somebody else has been at what is installed, as far as a single system call or file tells: `verify` then says how. */
  touched(): boolean;
  /** Reads back what is installed, and answers each difference from what was set, as sentences; none: all is there. */
  verify(): Promise<string[]>;
  /**
   * Flows that stay with userspace when their service is taken, though no packet of theirs was seen since `watch`: UDP ones are not
   * taken for new, and no flow of the kernel gets the balancer's port of one, which the endpoint could not tell from it. Called
   * between `watch` and `take`, with the flows that have been silent since `watch`; those that were not may be among them.
   */
  keep(flows: readonly UserspaceFlow[]): Promise<void>;
  /** Services that the kernel has, as it says itself: what an earlier agent left. What somebody has flushed since is among them as far as that can still be told. */
  installed(): Promise<readonly InstalledService[]>;
  /** Flows that the kernel has, of every service. Costs by the flow; `counts` by the endpoint. */
  flows(): Promise<KernelFlow[]>;
  /** Established TCP connections of these services: those that somebody may still wait on. At most so many, and costs by these. */
  connections(marks: readonly number[], most: number): Promise<KernelFlow[]>;
  /** Of every endpoint that is installed. */
  counts(): Promise<KernelCount[]>;
  /**
   * Forgets the flows toward an endpoint, so that their next packet finds none: userspace, or the kernel, refuses it (TCP), or gives
   * it to another endpoint (UDP). Answers those that it had. The endpoint is no longer installed: the next plan is to be without it.
   */
  end(mark: number, endpoint: Pick<OffloadEndpoint, 'address' | 'port'>): Promise<KernelFlow[]>;
  /** What is installed, as commands that an operator could run by hand, for one service. */
  show(mark: number): string[];
  /** Takes away everything of ours in the sandbox, whoever put it there. Idempotent. */
  remove(): Promise<void>;
}

export interface DriverOptions {
  /** First packet mark of this node, a multiple of 256. Default 0x100. */
  readonly markBase?: number;
}

/** Opens a driver in a sandbox. Nothing is installed before the first `set`. */
export type OpenDriver = (namespace: Namespace, options?: DriverOptions) => OffloadDriver;

export const DEFAULT_MARK_BASE = 0x100;

/** Marks of a node: from its base on, so many. */
export const MARK_SPAN = 0x10000;
