/**
 * The network sandboxes of this node, and what each is to the data plane: made where they are needed, made anew where somebody has
 * removed their TUN, removed when nothing needs them. With its sandbox a node gets, and gives back, its own addresses on the network; those
 * that the store has forgotten (the node was removed from the cluster while it was cut off, the store is older than it was) it takes again.
 */
import { AddressesTakenError } from '../../overlay/model/errors.js';
import type { Attached } from '../../overlay/store/keys.js';
import type { NetworkObject, NodeAddresses } from '../../overlay/model/object.js';
import { networkOnNode, sameAddresses } from '../../overlay/network/attached.js';
import { networkMtu, type Fabric } from '../../overlay/vxlan/fabric.js';
import type { Dataplane } from '../../proxy/dataplane/handle.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { Repairable } from '../sandbox/caretaker.js';
import type { MakeFabric } from '../sandbox/sandbox-fabric.js';
import { NetworkSandbox } from '../sandbox/network-sandbox.js';
import type { Survivor } from '../tasks/survivors.js';
import type { Vip } from './departed.js';
import { ReconcileFailure } from './failure.js';

/** Milliseconds that a sandbox stays after nothing needs it: tasks that are replaced come back. */
const IDLE_MS = 30_000;

export interface SandboxesOptions {
  readonly nodeId: string;
  readonly dataplane: Dataplane;
  readonly clock: Clock;
  readonly namespaces: string;
  readonly prefix: string;
  readonly mtu: number;
  /** Of the way to other nodes; absent: the kernel's VXLAN. */
  readonly makeFabric?: MakeFabric;
  /** Tasks of an earlier agent that are to be taken over, by id. */
  readonly survivors: ReadonlyMap<string, Survivor>;
  /** What the store shows of nodes' own addresses, by network id. */
  readonly attached: ReadonlyMap<string, Attached>;
  /** This node's addresses on a network, kept in the store. @param had as attachNode has it */
  attach(networkId: string, had?: NodeAddresses): Promise<NodeAddresses>;
  detach(networkId: string): Promise<void>;
  /** Whoever knows something of the sandbox is to forget it: it goes. */
  onLeave(networkId: string): void;
}

export interface PlacedSandbox {
  /** Toward the data plane. */
  readonly index: number;
  readonly sandbox: NetworkSandbox;
  /** The network as this node has it. */
  readonly own: NodeAddresses;
}

/** The sandbox of a network on this node, under the name that the node gives it; the one that an earlier agent left, if it fits. */
export function createSandbox(network: NetworkObject, node: Pick<SandboxesOptions, 'namespaces' | 'prefix' | 'mtu' | 'makeFabric' | 'dataplane' | 'survivors'>): Promise<NetworkSandbox> {
  const { subnet, gateway, balancer, subnet6, gateway6, balancer6, spec } = network;
  const ipv6 = subnet6 === undefined || gateway6 === undefined || balancer6 === undefined ? {} : { ipv6: { subnet: subnet6, gateway: gateway6, balancer: balancer6 } };
  const options = { directory: node.namespaces, name: `${node.prefix}${spec.name}`, subnet, gateway, balancer, ...ipv6, mtu: networkMtu(node.mtu, spec.encrypted === true), queues: node.dataplane.workers, ...(node.makeFabric && { makeFabric: node.makeFabric }) };
  return NetworkSandbox.open(options, node.survivors.keys());
}

export class Sandboxes {
  readonly #placed = new Map<string, PlacedSandbox>();
  /** By index: somebody has removed their vip0. */
  readonly #lost = new Set<number>();
  /** When they were seen to be needed last, on the clock. */
  readonly #neededAt = new Map<string, number>();
  /** Why a network cannot be had here, as of the last try, by its id. */
  readonly #missing = new Map<string, string>();
  #nextIndex = 0;

  constructor(private readonly options: SandboxesOptions) {}

  get(networkId: string): PlacedSandbox | undefined {
    return this.#placed.get(networkId);
  }

  /** Why there is none, as far as is known: one sentence without its full stop. */
  whyNot(networkId: string): string | undefined {
    return this.#missing.get(networkId);
  }

  indexOf(networkId: string): number | undefined {
    return this.#placed.get(networkId)?.index;
  }

  /** By network id. */
  entries(): IterableIterator<[string, PlacedSandbox]> {
    return this.#placed.entries();
  }

  /** What others may take something from, by its name in the log. @param nameOf of a network */
  things(nameOf: (networkId: string) => string): (readonly [name: string, thing: Repairable])[] {
    return [...this.#placed].map(([id, { sandbox }]) => [`the sandbox of network ${nameOf(id)}`, sandbox] as const);
  }

  /** The network as this node has it, or as it is in itself where the node is not on it. */
  localized(network: NetworkObject): NetworkObject {
    const placed = this.#placed.get(network.id);
    return placed ? networkOnNode(network, placed.own) : network;
  }

  /** Takes over a sandbox that was made before (ingress, which the relay lives in). */
  async adopt(networkId: string, sandbox: NetworkSandbox, own: NodeAddresses): Promise<void> {
    const index = this.#nextIndex++;
    await this.options.dataplane.attach(index, sandbox.tunFds);
    this.#placed.set(networkId, { index, sandbox, own });
  }

  /** The data plane says that a network's TUN failed: `ensure` makes it anew. */
  lost(index: number): void {
    this.#lost.add(index);
  }

  /** Makes what is missing of `needed`. Answers what failed: a network that cannot be had here (IPv6 was turned off since) must not keep the others from being made. */
  async ensure(needed: Iterable<NetworkObject>): Promise<unknown[]> {
    const failures: unknown[] = [];
    this.#missing.clear();
    for (const network of needed) {
      this.#neededAt.set(network.id, this.options.clock.now());
      let placed = this.#placed.get(network.id);
      try {
        if (placed && !(await this.#isOurs(network, placed.own))) {
          await this.#remove(network.id);
          placed = undefined;
        }
        if (placed && this.#lost.has(placed.index)) await this.#renew(placed);
        if (!placed) {
          const own = await this.options.attach(network.id);
          await this.adopt(network.id, await createSandbox(networkOnNode(network, own), this.options), own);
        }
      } catch (error) {
        const failure = new ReconcileFailure({ networkId: network.id }, error);
        failures.push(failure);
        this.#missing.set(network.id, failure.message);
      }
    }
    return failures;
  }

  /** False: the sandbox has addresses that are another's. It goes, with what tasks have of it: they were given up with the addresses. */
  async #isOurs({ id, ingress, spec }: NetworkObject, own: NodeAddresses): Promise<boolean> {
    const { attached, nodeId } = this.options;
    try {
      if (sameAddresses(attached.get(id)?.[nodeId] ?? (await this.options.attach(id, own)), own)) return true;
    } catch (error) {
      if (!(error instanceof AddressesTakenError)) throw error;
    }
    // The relay lives in it.
    if (ingress) throw new Error(`${new AddressesTakenError(spec.name).message}, and its published ports are not other nodes': start this node's agent again (vipmesh down, then vipmesh up)`);
    return false;
  }

  async #renew({ index, sandbox }: PlacedSandbox): Promise<void> {
    await this.options.dataplane.detach(index);
    await sandbox.renewTun();
    await this.options.dataplane.attach(index, sandbox.tunFds);
    this.#lost.delete(index);
  }

  /** Answers what failed: a network that somebody damaged must not keep changes from the others. */
  async routeVips(vips: readonly Vip[]): Promise<unknown[]> {
    const failures: unknown[] = [];
    for (const [id, { sandbox }] of this.#placed) {
      const own = vips.filter(({ networkId }) => networkId === id);
      try {
        await sandbox.setVips(own.flatMap(({ address, address6 }) => (address6 === undefined ? [address] : [address, address6])));
      } catch (error) {
        failures.push(new ReconcileFailure({ networkId: id }, error));
      }
    }
    return failures;
  }

  /** Connects them to the same networks on other nodes. Answers what failed. @param fabricOf undefined: there is no other node */
  async weave(fabricOf: (networkId: string) => Fabric | undefined): Promise<unknown[]> {
    const failures: unknown[] = [];
    for (const [id, { sandbox }] of this.#placed) await sandbox.setFabric(fabricOf(id)).catch((error: unknown) => failures.push(new ReconcileFailure({ networkId: id }, error)));
    return failures;
  }

  /**
   * Removes those of networks that are gone at once, and those that nothing has needed for a while; `busy`: a task has a link there still.
   * What an earlier agent of this node had is given back, too. Answers when to look again, on the clock.
   */
  async removeUnneeded(networks: ReadonlyMap<string, NetworkObject>, busy: (networkId: string) => boolean): Promise<number | undefined> {
    const { clock, nodeId, attached } = this.options;
    let next: number | undefined;
    for (const id of new Set([...this.#placed.keys(), ...attached.keys()])) {
      if (busy(id) || (!this.#placed.has(id) && attached.get(id)?.[nodeId] === undefined)) continue;
      const until = (this.#neededAt.get(id) ?? -Infinity) + IDLE_MS;
      if (networks.has(id) && clock.now() < until) {
        next = Math.min(next ?? Infinity, until);
        continue;
      }
      await this.#remove(id);
      if (networks.has(id)) await this.options.detach(id);
    }
    return next;
  }

  async #remove(id: string): Promise<void> {
    const placed = this.#placed.get(id);
    this.#placed.delete(id);
    this.#neededAt.delete(id);
    if (!placed) return;
    this.options.onLeave(id);
    await this.options.dataplane.detach(placed.index);
    await placed.sandbox.destroy();
  }

  /** All of them. */
  async close(): Promise<void> {
    for (const id of [...this.#placed.keys()]) await this.#remove(id);
  }
}
