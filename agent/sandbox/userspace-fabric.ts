/**
 * The VXLAN of one network sandbox in userspace: a TUN in place of the kernel's device, and routes by it, changed by difference. What is
 * behind which node the fabric worker (agent/fabric-worker) knows; it serves the TUN as long as there is one.
 *
 * The TUN ends with the agent. The sandbox of an agent that was killed has none, until the next one makes it.
 */
import { isDeepStrictEqual } from 'node:util';
import { ipBatch } from '../../kernel/netns/links.js';
import type { Namespace } from '../../kernel/netns/netns.js';
import { openTun, type TunDevice } from '../../kernel/tun/tun.js';
import type { Fabric } from '../../overlay/vxlan/fabric.js';
import { Turns } from '../../proxy/time/turns.js';
import type { FabricWorker } from '../fabric-worker/start.js';
import { addFabricRule6, removeFabricLink, repairFabricRule6 } from './fabric-changes.js';
import { entryFaults, FABRIC_LINK, fabricLines, NO_ENTRIES, readEntries, tunEntries, tunFault, type FabricEntries } from './fabric-plan.js';
import { TX_QUEUE } from './network-plan.js';
import type { Observed } from './repair-plan.js';
import type { SandboxFabric } from './sandbox-fabric.js';

export interface UserspaceFabricOptions {
  readonly sandbox: Namespace;
  readonly ipv6: boolean;
  readonly worker: Pick<FabricWorker, 'setNetwork' | 'forget'>;
}

export class UserspaceFabric implements SandboxFabric {
  #tun: TunDevice | undefined;
  /** VNI by which the worker was given the TUN: it reads from that descriptor until it is told to forget it. */
  #served: number | undefined;
  /** Routes by the TUN; undefined when a batch failed half-way, and it is to be made anew. */
  #current: FabricEntries | undefined;
  /** What was set last, entirely. */
  #desired: Fabric | undefined;
  #isBare = false;
  /** Changes, one after another. */
  readonly #changes = new Turns();

  constructor(private readonly options: UserspaceFabricOptions) {}

  set(desired: Fabric | undefined): Promise<void> {
    return this.#changes.take(() => this.#set(desired));
  }

  repair(observed: Observed): Promise<string[]> {
    return this.#changes.take(async () => {
      const desired = this.#desired;
      // What could not be set is set again by whoever asked for it.
      if (!desired || this.#current === undefined) return [];
      const fault = tunFault(desired.link, observed);
      if (fault !== undefined) {
        this.#current = undefined;
        await this.#apply(desired);
        return [fault];
      }
      const found = readEntries(observed, desired.link.port);
      const faults = entryFaults(found, tunEntries(desired));
      if (faults.length > 0) await this.#route(found, desired);
      return this.options.ipv6 ? [...faults, ...(await repairFabricRule6(this.options.sandbox, observed))] : faults;
    });
  }

  release(): void {
    this.#tun?.close();
    this.#tun = undefined;
  }

  async #set(desired: Fabric | undefined): Promise<void> {
    if (desired) {
      if (this.#current === undefined || !isDeepStrictEqual(desired, this.#desired)) await this.#apply(desired);
    } else if (!this.#isBare) {
      await this.#remove();
      this.#isBare = true;
    }
    this.#desired = desired;
  }

  async #apply(desired: Fabric): Promise<void> {
    this.#isBare = false;
    const before = this.#desired?.link;
    if (this.#current === undefined || !this.#tun || !before || before.vni !== desired.link.vni || before.mtu !== desired.link.mtu) await this.#make(desired);
    const { link, peers } = desired;
    // Nothing is routed to it before it knows where to.
    this.#served = link.vni;
    await this.options.worker.setNetwork(this.#tun!.fd, {
      vni: link.vni,
      mtu: link.mtu,
      balancer: link.balancer,
      peers: peers.map(({ underlay, port, balancer, balancer6, reaches }) => ({ underlay, port, balancer, addresses: [balancer, ...(balancer6 === undefined ? [] : [balancer6]), ...reaches] })),
    });
    await this.#route(this.#current ?? NO_ENTRIES, desired);
  }

  async #route(from: FabricEntries, desired: Fabric): Promise<void> {
    const to = tunEntries(desired);
    const { first, last } = fabricLines(from, to);
    this.#current = undefined;
    await ipBatch(this.options.sandbox, [...first, ...last]);
    this.#current = to;
  }

  async #make({ link }: Fabric): Promise<void> {
    const { sandbox, ipv6 } = this.options;
    await this.#remove();
    [this.#tun] = openTun(sandbox, { name: FABRIC_LINK, mtu: link.mtu, queues: 1 });
    if (ipv6) await addFabricRule6(sandbox);
    await ipBatch(sandbox, [`link set ${FABRIC_LINK} txqueuelen ${TX_QUEUE}`]);
    this.#current = NO_ENTRIES;
  }

  /** Whosever the device was: a kernel's of an earlier agent, too. */
  async #remove(): Promise<void> {
    this.#current = undefined;
    // Before its descriptor is closed, and its number another file's.
    if (this.#served !== undefined) await this.options.worker.forget(this.#served);
    this.#served = undefined;
    this.release();
    await removeFabricLink(this.options.sandbox);
  }
}
