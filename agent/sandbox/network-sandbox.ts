/**
 * A network sandbox: the namespace that routes one overlay network on this node. It makes, changes and removes what
 * network-plan.ts describes, or takes over what an earlier agent made of it; which tasks and VIPs there are, and who serves
 * the TUN, is decided elsewhere.
 */
import { IpBatchError, ipBatch, setSysctl } from '../../kernel/netns/links.js';
import { createNamespace, listNamespaces, openNamespace, removeNamespace, type Namespace } from '../../kernel/netns/netns.js';
import { RouteChanges } from '../../kernel/netns/route-changes.js';
import { run } from '../../kernel/run/runner.js';
import { openTun, type TunDevice } from '../../kernel/tun/tun.js';
import type { Fabric } from '../../overlay/vxlan/fabric.js';
import { KernelFabric } from './fabric.js';
import { FABRIC_LINK } from './fabric-plan.js';
import { HAS_IPV6 } from './ipv6.js';
import { observe } from './observe.js';
import { sandboxFaults } from './repair-plan.js';
import type { MakeFabric, SandboxFabric } from './sandbox-fabric.js';
import { isLaidOut, layoutLines, linkFault, parseLinks, parseRoutes, strayVeths, type FoundLink, type TaskEnd } from './layout.js';
import {
  attachLines,
  attachSysctls,
  checkAddresses,
  routedVips,
  SANDBOX_SYSCTLS,
  SANDBOX_SYSCTLS_NO_IPV6,
  taskLines,
  vethName,
  VIP_LINK,
  VIP_SYSCTLS,
  vipLines,
  vipLinkLines,
  type Sysctl,
  type TaskLink,
} from './network-plan.js';
import {
  attachLines6,
  balancerLines6,
  checkAddresses6,
  detachLines6,
  SANDBOX_SYSCTLS_6,
  sandboxLines6,
  taskLines6,
  taskSysctls6,
  type Ipv6Side,
  type TaskLink6,
} from './network-plan6.js';

export interface NetworkSandboxOptions {
  /** Where namespaces are pinned, such as /run/netns. */
  directory: string;
  /** Of the namespace. */
  name: string;
  /** 10.0.1.0/24 */
  subnet: string;
  /** Answers pings and is the source of ICMP errors. */
  gateway: string;
  /** This node's source address toward endpoints. */
  balancer: string;
  /** Absent: the network has no IPv6. */
  ipv6?: Ipv6Side;
  /** Of every link, in bytes; 1280 or more with IPv6. */
  mtu: number;
  /** Of vip0: one for each worker of the data plane. */
  queues: number;
  /** Where the packets of the kernel's VXLAN go out; absent: the agent's own namespace. */
  host?: Namespace;
  /** Of its way to other nodes; absent: the kernel's VXLAN. */
  makeFabric?: MakeFabric;
}

/** What an earlier agent left in a sandbox, as it was when it was taken over. */
interface Found {
  readonly links: readonly FoundLink[];
  readonly routes: ReadonlyMap<string, string>;
}

export class NetworkSandbox {
  readonly namespace: Namespace;
  readonly #options: NetworkSandboxOptions;
  #queues: readonly TunDevice[];
  /** Tasks that have a link, and its addresses: IPv6 where both have it. */
  readonly #tasks = new Map<string, { readonly address: string; readonly address6?: string }>();
  /** What is routed; undefined when a batch failed half-way, and the kernel has to be asked. */
  #vips: ReadonlySet<string> | undefined = new Set();
  /** Changes of the VIPs, one after another. */
  #vipsTurn: Promise<unknown> = Promise.resolve();
  #found: Found = { links: [], routes: new Map() };
  readonly #fabric: SandboxFabric;
  readonly #changes: RouteChanges;
  /** How many changes of our own are under way. */
  #changing = 0;
  /** What was looked at may not have been as it was to stay. */
  #look = true;
  #repairing: Promise<unknown> = Promise.resolve();

  /**
   * Makes the namespace, its sysctls, vip0 and the routes that never change. Leaves nothing behind when it fails.
   * Throws NamespaceExistsError, TunUnavailableError, AddressError, IpBatchError.
   */
  static async create(options: NetworkSandboxOptions): Promise<NetworkSandbox> {
    const { ipv6 } = options;
    checkAddresses(options.subnet, options.gateway, options.balancer);
    if (ipv6) checkAddresses6(ipv6.subnet, ipv6.gateway, ipv6.balancer);
    const namespace = createNamespace(options.directory, options.name);
    let queues: TunDevice[] = [];
    try {
      setSysctls(namespace, [...SANDBOX_SYSCTLS, ...(ipv6 ? SANDBOX_SYSCTLS_6 : HAS_IPV6 ? SANDBOX_SYSCTLS_NO_IPV6 : [])]);
      queues = openTun(namespace, { name: VIP_LINK, mtu: options.mtu, queues: options.queues });
      setSysctls(namespace, VIP_SYSCTLS);
      await ipBatch(namespace, vipLinkLines(options));
      if (ipv6) await ipBatch(namespace, sandboxLines6(ipv6), 6);
      await ipBatch(namespace, layoutLines(options));
      return new NetworkSandbox(options, namespace, queues);
    } catch (error) {
      for (const queue of queues) queue.close();
      namespace.remove();
      throw error;
    }
  }

  /**
   * Takes over the sandbox that an earlier agent has left, with the links of `tasks` (ids) and no others, and a new vip0; or
   * makes one, when there is none or it is not just what is wanted. Throws as create does.
   */
  static async open(options: NetworkSandboxOptions, tasks: Iterable<string>): Promise<NetworkSandbox> {
    const { directory, name } = options;
    if (!listNamespaces(directory, name).includes(name)) return NetworkSandbox.create(options);
    const namespace = openIfWhole(directory, name);
    const links = namespace ? await linksIn(namespace, 'link') : [];
    if (namespace && isLaidOut(links, options)) return NetworkSandbox.#adopt(options, namespace, links, strayVeths(links, tasks));
    // At once, not when the kernel gets round to it: what takes its place makes links of the same names.
    const others = [...strayVeths(links, []), ...links.map(({ name: link }) => link).filter((link) => link === FABRIC_LINK)];
    if (namespace) for (const link of others) await unless(/Cannot find device/, ipBatch(namespace, [`link del ${link}`]));
    namespace?.close();
    removeNamespace(directory, name);
    return NetworkSandbox.create(options);
  }

  static async #adopt(options: NetworkSandboxOptions, namespace: Namespace, links: readonly FoundLink[], stray: readonly string[]): Promise<NetworkSandbox> {
    const sandbox = new NetworkSandbox(options, namespace, []);
    try {
      for (const veth of stray) await sandbox.#removeVeth(veth, options.ipv6 !== undefined);
      // Usually gone with the agent; the kernel may still be closing its descriptors.
      if (links.some(({ name }) => name === VIP_LINK)) await unless(/Cannot find device/, ipBatch(namespace, [`link del ${VIP_LINK}`]));
      const show = (family: string): Promise<string> => run('ip', ['-json', family, 'route', 'show'], { netns: namespace });
      sandbox.#found = { links, routes: new Map([...parseRoutes(await show('-4')), ...(options.ipv6 ? parseRoutes(await show('-6')) : [])]) };
      await sandbox.#renewTun();
      return sandbox;
    } catch (error) {
      sandbox.release();
      throw error;
    }
  }

  private constructor(options: NetworkSandboxOptions, namespace: Namespace, queues: readonly TunDevice[]) {
    this.#options = options;
    this.namespace = namespace;
    this.#queues = queues;
    const ipv6 = options.ipv6 !== undefined;
    this.#fabric = options.makeFabric?.(namespace, ipv6) ?? new KernelFabric({ sandbox: namespace, ...(options.host && { host: options.host }), ipv6 });
    this.#changes = new RouteChanges(namespace, true);
  }

  /** Descriptors of vip0's queues, for Dataplane.attach; detach before destroy. */
  get tunFds(): number[] {
    return this.#queues.map((queue) => queue.fd);
  }

  /**
   * Makes vip0 anew after somebody removed it, with nothing but the balancer's routes: tunFds are others, and setVips is to be
   * called. The tasks' links are not touched. Throws TunUnavailableError, IpBatchError.
   */
  renewTun(): Promise<void> {
    return this.#change(() => this.#renewTun());
  }

  async #renewTun(): Promise<void> {
    this.#closeTun();
    const { mtu, queues, ipv6 } = this.#options;
    this.#queues = openTun(this.namespace, { name: VIP_LINK, mtu, queues });
    setSysctls(this.namespace, VIP_SYSCTLS);
    await ipBatch(this.namespace, [...vipLinkLines(this.#options), ...(ipv6 ? balancerLines6(ipv6.balancer) : [])]);
    this.#vips = new Set();
  }

  /** Makes `addresses`, of either family, and no others, the VIPs that vip0 captures. */
  setVips(addresses: readonly string[]): Promise<void> {
    const turn = this.#vipsTurn.then(() => this.#change(() => this.#setVips(addresses)));
    this.#vipsTurn = turn.catch(() => undefined);
    return turn;
  }

  async #setVips(addresses: readonly string[]): Promise<void> {
    checkAddresses(this.#options.subnet, ...addresses.filter((address) => !isIpv6Text(address)));
    if (this.#options.ipv6) checkAddresses6(this.#options.ipv6.subnet, ...addresses.filter(isIpv6Text));
    const desired = new Set(addresses);
    const current = this.#vips ?? (await this.#routedVips());
    this.#vips = undefined;
    await ipBatch(this.namespace, vipLines(current, desired));
    this.#vips = desired;
  }

  async #routedVips(): Promise<Set<string>> {
    const { balancer, ipv6 } = this.#options;
    const show = (family: string): Promise<string> => run('ip', ['-json', family, 'route', 'show', 'dev', VIP_LINK], { netns: this.namespace });
    const vips = routedVips(await show('-4'), balancer);
    return ipv6 ? new Set([...vips, ...routedVips(await show('-6'), ipv6.balancer)]) : vips;
  }

  /** Makes the way to other nodes what it should be; undefined: there is none. Idempotent. Throws IpBatchError, TunUnavailableError. */
  setFabric(fabric: Fabric | undefined): Promise<void> {
    return this.#change(() => this.#fabric.set(fabric));
  }

  /**
   * Puts back what somebody has taken from it (links that are down, addresses, routes, neighbours, the VXLAN), and answers what that was, as
   * sentences; what cannot be put back is told, too. As long as the kernel tells of no change, it costs a system call. Throws IpBatchError, CommandError.
   */
  repair(): Promise<string[]> {
    this.#look = this.#changes.changed() || this.#look;
    if (!this.#look || this.#changing > 0 || this.namespace.fd < 0) return Promise.resolve([]);
    this.#look = false;
    const repaired = this.#repair().catch((error: unknown) => {
      this.#look = true;
      throw error;
    });
    this.#repairing = repaired.catch(() => undefined);
    return repaired;
  }

  async #repair(): Promise<string[]> {
    const { gateway, balancer, ipv6, mtu } = this.#options;
    const observed = await observe(this.namespace, ipv6 !== undefined);
    const faults = sandboxFaults({ gateway, balancer, ...(ipv6 && { ipv6 }), mtu, vips: this.#vips ?? [], tasks: this.#tasks }, observed);
    await ipBatch(this.namespace, faults.flatMap(({ lines }) => lines));
    await ipBatch(this.namespace, faults.flatMap(({ lines6 }) => lines6 ?? []), 6);
    return [...faults.map(({ text }) => text), ...(await this.#fabric.repair(observed))];
  }

  /** A change of our own, which a repair must not take for damage. */
  async #change<T>(work: () => Promise<T>): Promise<T> {
    this.#changing++;
    try {
      await this.#repairing;
      return await work();
    } finally {
      this.#changing--;
    }
  }

  /**
   * Gives the task a link to this network, up, with its addresses; IPv6 where both the network and the task have it. No
   * default route: that is not this network's to give. Leaves nothing behind when it fails. Throws AddressError, IpBatchError.
   */
  attachTask(task: Namespace, options: { id: string; interface: string; address: string; address6?: string }): Promise<void> {
    return this.#change(() => this.#attachTask(task, options));
  }

  async #attachTask(task: Namespace, options: { id: string; interface: string; address: string; address6?: string }): Promise<void> {
    const { id, interface: device, address, address6 } = options;
    const { subnet, mtu, ipv6 } = this.#options;
    checkAddresses(subnet, address);
    const link: TaskLink = { id, interface: device, address, subnet, mtu, path: task.path };
    const link6: TaskLink6 | undefined = ipv6 && address6 !== undefined ? { id, interface: device, address, address6, subnet6: ipv6.subnet } : undefined;
    if (link6) checkAddresses6(link6.subnet6, link6.address6);
    await this.#makeVeth(link, link6);
    try {
      setSysctls(this.namespace, attachSysctls(link));
      if (link6) setSysctls(task, taskSysctls6(device));
      else if (HAS_IPV6) setSysctl(task, `net/ipv6/conf/${device}/disable_ipv6`, '1');
      await ipBatch(task, taskLines(link));
      if (link6) await ipBatch(task, taskLines6(link6));
    } catch (error) {
      await this.#detachTask(options.id);
      throw error;
    }
  }

  /**
   * Takes over a task's link that an earlier agent made with attachTask, if it is whole. Answers what it lacks otherwise; then
   * it is to be detached. Nothing is changed in either case.
   */
  async adoptTask(namespace: Namespace, task: TaskEnd): Promise<string | undefined> {
    const { mtu, ipv6 } = this.#options;
    const { address6, ...four } = task;
    const six = ipv6 !== undefined && address6 !== undefined;
    const fault = linkFault(six ? task : four, mtu, this.#found, await linksIn(namespace, 'address'));
    if (fault === undefined) this.#tasks.set(task.id, { address: task.address, ...(six && { address6 }) });
    return fault;
  }

  /** Every line but the first needs the link that the first made: when one of them fails, the link goes again. */
  async #makeVeth(link: TaskLink, link6: TaskLink6 | undefined): Promise<void> {
    const lines = attachLines(link);
    try {
      await ipBatch(this.namespace, lines);
      this.#tasks.set(link.id, { address: link.address, ...(link6 && { address6: link6.address6 }) });
      if (link6) await ipBatch(this.namespace, attachLines6(link6), 6);
    } catch (error) {
      if (error instanceof IpBatchError && error.line !== lines[0]) await this.#detachTask(link.id);
      throw error;
    }
  }

  /** Removes a task's link, if it is there. */
  detachTask(id: string): Promise<void> {
    return this.#change(() => this.#detachTask(id));
  }

  async #detachTask(id: string): Promise<void> {
    const task = this.#tasks.get(id);
    await this.#removeVeth(vethName(id), task ? task.address6 !== undefined : this.#options.ipv6 !== undefined);
    this.#tasks.delete(id);
  }

  async #removeVeth(veth: string, ipv6: boolean): Promise<void> {
    await unless(/Cannot find device/, ipBatch(this.namespace, [`link del ${veth}`]));
    if (ipv6) await unless(/No such file/, ipBatch(this.namespace, detachLines6(veth), 6));
  }

  /** Removes everything that this sandbox made, links in tasks included. Idempotent. */
  async destroy(): Promise<void> {
    if (this.namespace.fd < 0) return;
    await this.#vipsTurn;
    // The namespace takes its links with it, but later, in a kernel worker: whoever looks into a task now should see none.
    for (const id of [...this.#tasks.keys()]) await this.detachTask(id);
    await this.setFabric(undefined);
    this.#changes.close();
    this.#closeTun();
    this.namespace.remove();
  }

  /** Lets go of everything and leaves it where it is, but for vip0, which goes with its descriptors. */
  release(): void {
    this.#changes.close();
    this.#fabric.release();
    this.#closeTun();
    this.namespace.close();
  }

  #closeTun(): void {
    for (const queue of this.#queues) queue.close();
  }
}

/** Undefined for what is only a file, left over from one. */
function openIfWhole(directory: string, name: string): Namespace | undefined {
  try {
    return openNamespace(directory, name);
  } catch {
    return undefined;
  }
}

/** `link` shows aliases, `address` shows addresses. */
async function linksIn(namespace: Namespace, object: 'link' | 'address'): Promise<FoundLink[]> {
  return parseLinks(await run('ip', ['-json', object, 'show'], { netns: namespace }));
}

/** What is not there need not be removed. */
async function unless(absent: RegExp, removal: Promise<void>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!(error instanceof IpBatchError) || !absent.test(error.reason)) throw error;
  }
}

function setSysctls(namespace: Namespace, sysctls: readonly Sysctl[]): void {
  for (const { key, value } of sysctls) setSysctl(namespace, key, value);
}

function isIpv6Text(address: string): boolean {
  return address.includes(':');
}
