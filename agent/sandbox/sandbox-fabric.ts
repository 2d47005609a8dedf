/** The way of one network sandbox to other nodes, whoever carries it: the kernel (fabric.ts), or the fabric worker (userspace-fabric.ts). */
import type { Namespace } from '../../kernel/netns/netns.js';
import type { Fabric } from '../../overlay/vxlan/fabric.js';
import type { Observed } from './repair-plan.js';

export interface SandboxFabric {
  /** Undefined: no device. Idempotent; costs nothing when nothing differs. Throws IpBatchError, and what the kind of it has besides. */
  set(desired: Fabric | undefined): Promise<void>;
  /** Puts back what somebody has taken, of what was set last, and answers what that was, as sentences. Throws as `set` does. */
  repair(observed: Observed): Promise<string[]>;
  /** Lets go of what this process has of it. */
  release(): void;
}

/** @param ipv6 whether the network has it */
export type MakeFabric = (sandbox: Namespace, ipv6: boolean) => SandboxFabric;
