/**
 * A network sandbox: the namespace that routes one overlay network on this node. It makes, changes and removes what
 * network-plan.ts describes; which tasks and VIPs there are, and who serves the TUN, is decided elsewhere.
 */
import fs from 'node:fs';
import { IpBatchError, ipBatch, setSysctl } from '../../kernel/netns/links.js';
import { createNamespace, type Namespace } from '../../kernel/netns/netns.js';
import { run } from '../../kernel/run/runner.js';
import { openTun, type TunDevice } from '../../kernel/tun/tun.js';
import {
  attachLines,
  balancerLines,
  attachSysctls,
  checkAddresses,
  routedVips,
  SANDBOX_SYSCTLS,
  SANDBOX_SYSCTLS_IPV6,
  sandboxLines,
  taskLines,
  vethName,
  VIP_LINK,
  vipLines,
  type TaskLink,
} from './network-plan.js';

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
  /** Of every link, in bytes. */
  mtu: number;
  /** Of vip0: one for each worker of the data plane. */
  queues: number;
}

const HAS_IPV6 = fs.existsSync('/proc/sys/net/ipv6');

export class NetworkSandbox {
  readonly namespace: Namespace;
  readonly #options: NetworkSandboxOptions;
  #queues: readonly TunDevice[];
  readonly #tasks = new Set<string>();
  /** What is routed; undefined when a batch failed half-way, and the kernel has to be asked. */
  #vips: ReadonlySet<string> | undefined = new Set();
  /** Changes of the VIPs, one after another. */
  #vipsTurn: Promise<unknown> = Promise.resolve();

  /**
   * Makes the namespace, its sysctls, vip0 and the routes that never change. Leaves nothing behind when it fails.
   * Throws NamespaceExistsError, TunUnavailableError, AddressError, IpBatchError.
   */
  static async create(options: NetworkSandboxOptions): Promise<NetworkSandbox> {
    checkAddresses(options.subnet, options.gateway, options.balancer);
    const namespace = createNamespace(options.directory, options.name);
    let queues: TunDevice[] = [];
    try {
      for (const { key, value } of [...SANDBOX_SYSCTLS, ...(HAS_IPV6 ? SANDBOX_SYSCTLS_IPV6 : [])]) setSysctl(namespace, key, value);
      queues = openTun(namespace, { name: VIP_LINK, mtu: options.mtu, queues: options.queues });
      await ipBatch(namespace, sandboxLines(options));
      return new NetworkSandbox(options, namespace, queues);
    } catch (error) {
      for (const queue of queues) queue.close();
      namespace.remove();
      throw error;
    }
  }

  private constructor(options: NetworkSandboxOptions, namespace: Namespace, queues: readonly TunDevice[]) {
    this.#options = options;
    this.namespace = namespace;
    this.#queues = queues;
  }

  /** Descriptors of vip0's queues, for Dataplane.attach; detach before destroy. */
  get tunFds(): number[] {
    return this.#queues.map((queue) => queue.fd);
  }

  /**
   * Makes vip0 anew after somebody removed it, with nothing but the balancer's route: tunFds are others, and setVips is to be
   * called. The tasks' links are not touched. Throws TunUnavailableError, IpBatchError.
   */
  async renewTun(): Promise<void> {
    this.#closeTun();
    this.#queues = openTun(this.namespace, { name: VIP_LINK, mtu: this.#options.mtu, queues: this.#options.queues });
    await ipBatch(this.namespace, balancerLines(this.#options.balancer));
    this.#vips = new Set();
  }

  /** Makes `addresses`, and no others, the VIPs that vip0 captures. */
  setVips(addresses: readonly string[]): Promise<void> {
    const turn = this.#vipsTurn.then(() => this.#setVips(addresses));
    this.#vipsTurn = turn.catch(() => undefined);
    return turn;
  }

  async #setVips(addresses: readonly string[]): Promise<void> {
    checkAddresses(this.#options.subnet, ...addresses);
    const desired = new Set(addresses);
    const current = this.#vips ?? (await this.#routedVips());
    this.#vips = undefined;
    await ipBatch(this.namespace, vipLines(current, desired));
    this.#vips = desired;
  }

  async #routedVips(): Promise<Set<string>> {
    const json = await run('ip', ['-json', '-4', 'route', 'show', 'dev', VIP_LINK], { netns: this.namespace });
    return routedVips(json, this.#options.balancer);
  }

  /**
   * Gives the task a link to this network, up, with its address. No default route: that is not this network's to give.
   * Leaves nothing behind when it fails. Throws AddressError, IpBatchError.
   */
  async attachTask(task: Namespace, options: { id: string; interface: string; address: string }): Promise<void> {
    checkAddresses(this.#options.subnet, options.address);
    const link: TaskLink = { ...options, subnet: this.#options.subnet, mtu: this.#options.mtu, path: task.path };
    await this.#makeVeth(link);
    try {
      for (const { key, value } of attachSysctls(link)) setSysctl(this.namespace, key, value);
      if (HAS_IPV6) setSysctl(task, `net/ipv6/conf/${link.interface}/disable_ipv6`, '1');
      await ipBatch(task, taskLines(link));
    } catch (error) {
      await this.detachTask(options.id);
      throw error;
    }
  }

  /** Every line but the first needs the link that the first made: when one of them fails, the link goes again. */
  async #makeVeth(link: TaskLink): Promise<void> {
    const lines = attachLines(link);
    try {
      await ipBatch(this.namespace, lines);
      this.#tasks.add(link.id);
    } catch (error) {
      if (error instanceof IpBatchError && error.line !== lines[0]) await this.detachTask(link.id);
      throw error;
    }
  }

  /** Removes a task's link, if it is there. */
  async detachTask(id: string): Promise<void> {
    await this.#deleteLink(vethName(id));
    this.#tasks.delete(id);
  }

  async #deleteLink(name: string): Promise<void> {
    try {
      await ipBatch(this.namespace, [`link del ${name}`]);
    } catch (error) {
      if (!(error instanceof IpBatchError) || !/Cannot find device/.test(error.reason)) throw error;
    }
  }

  /** Removes everything that this sandbox made, links in tasks included. Idempotent. */
  async destroy(): Promise<void> {
    if (this.namespace.fd < 0) return;
    await this.#vipsTurn;
    // The namespace takes its links with it, but later, in a kernel worker: whoever looks into a task now should see none.
    for (const id of [...this.#tasks]) await this.detachTask(id);
    this.#closeTun();
    this.namespace.remove();
  }

  #closeTun(): void {
    for (const queue of this.#queues) queue.close();
  }
}
