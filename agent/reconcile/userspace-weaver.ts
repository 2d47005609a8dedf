/**
 * Makes the networks of this node one with those of other nodes by VXLAN in userspace: who may speak to it first, then each sandbox's TUN and
 * routes, then the socket. Nothing of it is the host's, so there is nothing on the host to look after.
 */
import type { Fabric } from '../../overlay/vxlan/fabric.js';
import type { FabricWorker } from '../fabric-worker/start.js';
import type { HostGateway } from '../host-gateway.js';
import { fabrics } from './fabrics.js';
import type { Mirror } from './mirror.js';
import type { Sandboxes } from './sandboxes.js';
import type { Weaving } from './weaving.js';

export interface UserspaceWeaverOptions {
  readonly nodeId: string;
  readonly mirror: Pick<Mirror, 'nodes' | 'networks' | 'attached' | 'tasks'>;
  readonly worker: Pick<FabricWorker, 'open' | 'setNodes'>;
  readonly gateway: Pick<HostGateway, 'bindUdp' | 'release'>;
}

export class UserspaceWeaver implements Weaving {
  readonly things = [];
  /** Nothing here is encrypted. */
  readonly appliedKeys = 0;
  #isOpen = false;
  #nodes = '';

  constructor(private readonly options: UserspaceWeaverOptions) {}

  async weave(sandboxes: Pick<Sandboxes, 'entries' | 'weave'>): Promise<unknown[]> {
    const { nodeId, mirror, worker } = this.options;
    const self = mirror.nodes.get(nodeId);
    if (self?.vxlanPort === undefined) return [];
    const others = [...mirror.nodes.values()].filter(({ id }) => id !== nodeId).map(({ address }) => address).sort();
    if (others.join() !== this.#nodes) await worker.setNodes(others);
    this.#nodes = others.join();
    const fabricOf = fabrics(mirror, nodeId);
    // IPsec is the kernel's.
    const woven = (id: string): Fabric | undefined => (mirror.networks.get(id)?.spec.encrypted === true ? undefined : fabricOf(id));
    const failures = await sandboxes.weave(woven);
    // Not before: a kernel's device that an earlier agent left in a sandbox has the port.
    if (!this.#isOpen) {
      try {
        await this.#open(self.address, self.vxlanPort);
      } catch (error) {
        failures.push(error);
      }
    }
    return failures;
  }

  async #open(address: string, port: number): Promise<void> {
    const { worker, gateway } = this.options;
    const socket = await gateway.bindUdp(address, port);
    await worker.open(socket).catch(async (error: unknown) => {
      // Else the next try finds the port taken, by ourselves.
      await gateway.release('udp', address, port).catch(() => undefined);
      throw error;
    });
    this.#isOpen = true;
  }

  /** The socket is the worker's. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
