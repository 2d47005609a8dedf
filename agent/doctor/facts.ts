/**
 * What `vipmesh doctor` knows of a host, as found by the find-….ts files of this folder. What it means is said in the
 * …checks.ts files.
 */
import type { Capability, Lack } from '../../kernel/offload/capability.js';
import type { XtablesKind } from '../../kernel/iptables/tool.js';
import type { ModuleState } from '../../kernel/modules/modules.js';
import type { StoreInfo } from '../control.js';
import type { HostFacts, Trial } from '../lifecycle/modes.js';

export interface DoctorFacts {
  readonly host: HostFacts;
  /** `6.18.5`. */
  readonly kernel: string;
  /** `20.19.4`. */
  readonly node: string;
  /** `ip utility, iproute2-6.1.0`; undefined without the tool. */
  readonly iproute2: string | undefined;
  /** `unshare from util-linux 2.38.1`. */
  readonly utilLinux: string | undefined;
  /** Different namespaces that this user can see, of processes and in /run/netns. */
  readonly namespacesSeen: { readonly user: number; readonly net: number };
  /** AppArmor of this kernel is at work. */
  readonly appArmor: boolean;
  /** net.ipv4.ip_unprivileged_port_start; undefined on kernels before 4.11. */
  readonly unprivilegedPortStart: number | undefined;
  /** Addresses that names outside are asked of, from /etc/resolv.conf. */
  readonly resolvers: readonly string[];
  /** Of the route to the rest of the world, or why it is not known. */
  readonly underlayMtu: number | { readonly failed: string };
  /** Making a VXLAN device, in a namespace of its own. */
  readonly vxlan: Trial;
  /** Why packets cannot go through io_uring; undefined: they can. */
  readonly uringObstacle: string | undefined;
  /** The store that was named, or the one of the agent that runs here; undefined: neither. */
  readonly store: StoreFacts | StoreInfo | undefined;
  readonly clock: ClockFacts;
  readonly uplinks: UplinkFacts;
  readonly iptables: IptablesFacts;
  readonly nftables: NftablesFacts;
  readonly ipvs: IpvsFacts;
  /** What each driver of kernel offload found when it tried. */
  readonly offload: readonly Capability[];
  /** What on the host keeps published ports from the kernel; undefined: this user's agent does not see the host's network. */
  readonly portObstacles: readonly Lack[] | undefined;
  /** Who else uses marks in the sandboxes of agents. */
  readonly markUsers: readonly Lack[];
  /** Why connections in the kernel cannot be ended by us; undefined: they can. */
  readonly rawObstacle: string | undefined;
}

/** First line of each program's `--version`. */
export interface UplinkFacts {
  readonly pasta?: string;
  readonly slirp4netns?: string;
}

export interface IptablesFacts {
  /** What `iptables` in PATH is: `iptables v1.8.9 (nf_tables)`. */
  readonly version?: string;
  /** Flavours that are installed. */
  readonly flavours: readonly XtablesKind[];
  /** Those that have rules in this network namespace; undefined: only root may look. */
  readonly ruled: readonly XtablesKind[] | undefined;
}

export interface NftablesFacts {
  /** `nftables v1.0.6 (Lester Gooch #5)`; undefined without the tool. */
  readonly version?: string;
  /** Setting a rule that masquerades, in a namespace of its own. */
  readonly trial: Trial;
}

export interface IpvsFacts {
  readonly module: ModuleState;
  /** That the kernel has, or has modules for. */
  readonly schedulers: readonly string[];
}

/** What each member of etcd answered, and what a question of ours to all of them came to. */
export interface StoreFacts {
  readonly kind: 'asked';
  readonly cluster: string;
  readonly members: readonly MemberFacts[];
  /** Milliseconds of a read, the median of three; or why nothing can be read. */
  readonly read: number | { readonly failed: string };
}

export interface MemberFacts {
  /** `host:port`. */
  readonly member: string;
  readonly answer: MemberAnswer | MemberFailure;
}

export interface MemberAnswer {
  /** Milliseconds from question to answer. */
  readonly ms: number;
  /** Its clock's time at the answer (HTTP's `Date`, RFC 9110 §6.6.1), less ours: milliseconds, to a second or so. */
  readonly ahead?: number;
}

export interface MemberFailure {
  readonly failed: string;
  /** `ECONNREFUSED` and the like. */
  readonly code?: string;
}

/** How this host's clock was compared. */
export type ClockFacts =
  /** With an etcd member's: milliseconds that that one is ahead, and by how much this may be wrong. */
  | { readonly member: string; readonly ahead: number; readonly uncertainty: number }
  /** By what the kernel knows of who sets it (adjtimex(2)). */
  | { readonly synchronised: boolean }
  | { readonly unknown: string };
