/** What makes the networks of this node one with those of other nodes: by the kernel's VXLAN (weaver.ts) or in userspace (userspace-weaver.ts). */
import type { Repairable } from '../sandbox/caretaker.js';
import type { Sandboxes } from './sandboxes.js';

export interface Weaving {
  /** What others may take from it, by its name. */
  readonly things: readonly (readonly [name: string, thing: Repairable])[];
  /** Revision of the keys by which this node receives; 0: none. */
  readonly appliedKeys: number;
  /** As the mirror says now. Answers what failed. */
  weave(sandboxes: Pick<Sandboxes, 'entries' | 'weave'>): Promise<unknown[]>;
  /** The sandboxes are gone: nobody speaks to this node any more. */
  close(): Promise<void>;
}
