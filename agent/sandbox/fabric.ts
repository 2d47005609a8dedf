/**
 * The kernel's VXLAN device of one network sandbox: made, changed by difference, and removed. What fabric-plan.ts says is done here; what there should
 * be is overlay/vxlan's to say. The device outlives the agent with its sandbox, and is taken over when it is what is wanted.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { bridgeBatch, IpBatchError, ipBatch } from '../../kernel/netns/links.js';
import type { Namespace } from '../../kernel/netns/netns.js';
import type { Fabric, FabricLink } from '../../overlay/vxlan/fabric.js';
import { Turns } from '../../proxy/time/turns.js';
import { addFabricRule6, fabricState, removeFabricLink, repairFabricRule6 } from './fabric-changes.js';
import { entryFaults, FABRIC_LINK, fabricEntries, fabricLines, linkFault, linkLines, NO_ENTRIES, readEntries, type FabricEntries } from './fabric-plan.js';
import { observe } from './observe.js';
import type { Observed } from './repair-plan.js';
import type { SandboxFabric } from './sandbox-fabric.js';

/** The kernel takes down links of a namespace that is gone when it gets round to it; until then their VNI is taken. */
const TAKEN_TRIES = 40;
const TAKEN_WAIT_MS = 50;

export interface KernelFabricOptions {
  readonly sandbox: Namespace;
  /** Where its packets go out; absent: the agent's own namespace. */
  readonly host?: Namespace;
  readonly ipv6: boolean;
}

interface State {
  readonly link: FabricLink | undefined;
  readonly entries: FabricEntries;
}

const NOTHING: State = { link: undefined, entries: NO_ENTRIES };

export class KernelFabric implements SandboxFabric {
  /** What there is; undefined when the kernel has to be asked. */
  #current: State | undefined;
  #desired: Fabric | undefined;
  /** Changes, one after another. */
  readonly #changes = new Turns();

  constructor(private readonly options: KernelFabricOptions) {}

  set(desired: Fabric | undefined): Promise<void> {
    return this.#changes.take(() => this.#set(desired));
  }

  repair(observed: Observed): Promise<string[]> {
    return this.#changes.take(async () => {
      const desired = this.#desired;
      // What could not be set is set again by whoever asked for it.
      if (!desired || this.#current === undefined) return [];
      const found = readState(desired.link, observed);
      const faults = found.fault === undefined ? entryFaults(found.entries, fabricEntries(desired)) : [found.fault];
      if (faults.length > 0) await this.#apply(desired, found);
      return this.options.ipv6 ? [...faults, ...(await repairFabricRule6(this.options.sandbox, observed))] : faults;
    });
  }

  release(): void {
    // The kernel has all of it.
  }

  async #set(desired: Fabric | undefined): Promise<void> {
    if (this.#current !== undefined && desired === this.#desired) return;
    if (desired) {
      await this.#apply(desired, this.#current ?? (await this.#read(desired.link)));
    } else {
      this.#current = undefined;
      await removeFabricLink(this.options.sandbox);
      this.#current = NOTHING;
    }
    this.#desired = desired;
  }

  async #apply(desired: Fabric, current: State): Promise<void> {
    const { sandbox } = this.options;
    this.#current = undefined;
    const fits = current.link !== undefined && sameLink(current.link, desired.link);
    if (!fits) await this.#make(desired.link);
    const entries = fabricEntries(desired);
    const lines = fabricLines(fits ? current.entries : NO_ENTRIES, entries);
    await ipBatch(sandbox, lines.first);
    await bridgeBatch(sandbox, lines.forwarding);
    await ipBatch(sandbox, lines.last);
    this.#current = { link: desired.link, entries };
  }

  async #make(link: FabricLink): Promise<void> {
    const { sandbox, host, ipv6 } = this.options;
    await removeFabricLink(sandbox);
    for (let tries = 1; ; tries++) {
      try {
        await ipBatch(host, linkLines(link, sandbox.path));
        break;
      } catch (error) {
        if (!(error instanceof IpBatchError) || !/exists/.test(error.reason) || tries >= TAKEN_TRIES) throw error;
        await wait(TAKEN_WAIT_MS);
      }
    }
    if (ipv6) await addFabricRule6(sandbox);
    await ipBatch(sandbox, [`link set ${FABRIC_LINK} up`]);
  }

  /** `wanted`: as which it is taken, when it is just that; otherwise it is as good as none. */
  async #read(wanted: FabricLink): Promise<State> {
    return fabricState(this.options.sandbox) === 'up' ? readState(wanted, await observe(this.options.sandbox, this.options.ipv6)) : NOTHING;
  }
}

function readState(wanted: FabricLink, observed: Observed): State & { readonly fault?: string } {
  const fault = linkFault(wanted, observed);
  return fault === undefined ? { link: wanted, entries: readEntries(observed, wanted.port) } : { ...NOTHING, fault };
}

function sameLink(a: FabricLink, b: FabricLink): boolean {
  return a.vni === b.vni && a.local === b.local && a.port === b.port && a.mtu === b.mtu && a.balancer === b.balancer;
}
