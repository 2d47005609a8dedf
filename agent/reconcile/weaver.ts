/**
 * Makes the networks of this node one with those of other nodes by the kernel's VXLAN: who may speak to it first, then each sandbox's VXLAN.
 */
import type { Fabric } from '../../overlay/vxlan/fabric.js';
import { fabricFilter } from '../../overlay/vxlan/filter.js';
import type { Encryption } from '../cluster/encryption.js';
import type { Repairable } from '../sandbox/caretaker.js';
import type { HostFilter } from '../sandbox/host-filter.js';
import { fabrics } from './fabrics.js';
import { ReconcileFailure } from './failure.js';
import type { Mirror } from './mirror.js';
import type { Sandboxes } from './sandboxes.js';
import type { Weaving } from './weaving.js';

export interface WeaverOptions {
  readonly nodeId: string;
  readonly mirror: Pick<Mirror, 'nodes' | 'networks' | 'attached' | 'tasks'>;
  readonly filter: Pick<HostFilter, 'set' | 'repair'>;
  readonly encryption: Pick<Encryption, 'apply' | 'appliedKeys' | 'repair' | 'close'>;
}

export class Weaver implements Weaving {
  constructor(private readonly options: WeaverOptions) {}

  /** What others may take from it, by its name. */
  get things(): readonly (readonly [name: string, thing: Repairable])[] {
    const { filter, encryption } = this.options;
    return [
      ["the host's filter for other nodes", filter],
      ['the encryption of networks', encryption],
    ];
  }

  /** Revision of the keys by which this node receives; 0: none. */
  get appliedKeys(): number {
    return this.options.encryption.appliedKeys;
  }

  /** As the mirror says now. Answers what failed: without a filter nothing is connected, without encryption no network that is to have it. */
  async weave(sandboxes: Pick<Sandboxes, 'entries' | 'weave'>): Promise<unknown[]> {
    const { nodeId, mirror, filter, encryption } = this.options;
    const self = mirror.nodes.get(nodeId);
    if (!self) return [];
    const fabricOf = fabrics(mirror, nodeId);
    // Before there is anything that could be sent.
    const failure = await encryption.apply().then(
      () => undefined,
      (error: unknown) => new ReconcileFailure('encryption', error),
    );
    const woven = new Map<string, Fabric>();
    for (const [id] of sandboxes.entries()) {
      const fabric = failure && mirror.networks.get(id)?.spec.encrypted === true ? undefined : fabricOf(id);
      if (fabric) woven.set(id, fabric);
    }
    try {
      await filter.set(fabricFilter(self, mirror.nodes.values(), woven.values()));
    } catch (error) {
      return [new ReconcileFailure('nodes', error)];
    }
    return [...(failure ? [failure] : []), ...(await sandboxes.weave((id) => woven.get(id)))];
  }

  /** The sandboxes are gone: nobody speaks to this node any more. */
  async close(): Promise<void> {
    await this.options.encryption.close();
    await this.options.filter.set(undefined);
  }
}
