/**
 * A task in a network namespace of its own: connected to the sandboxes of its networks, with a name server of its own. For the first
 * time, or again, after its agent was killed and it was not.
 */
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { ipBatch } from '../../kernel/netns/links.js';
import { createNamespace, openNamespace, removeNamespace, type Namespace } from '../../kernel/netns/netns.js';
import { bindUdp, listenTcp } from '../../kernel/netns/sockets.js';
import type { DnsServer } from '../../overlay/dns/server.js';
import type { DnsView } from '../../overlay/dns/view.js';
import type { TaskObject } from '../../overlay/model/object.js';
import { namespaceId } from '../lifecycle/processes.js';
import type { NetworkSandbox } from '../sandbox/network-sandbox.js';
import type { Survivor } from '../tasks/survivors.js';
import { taskRouteLines } from '../uplink/plan.js';
import { startTask, type TaskOutput, type TaskProcess } from '../tasks/task.js';
import type { TaskHome } from './premises.js';

const DNS_ADDRESS = '127.0.0.11';
const DNS_PORT = 53;

export interface SandboxHomeContext {
  /** Where namespaces are pinned, and the prefix of their names. */
  readonly namespaces: string;
  readonly prefix: string;
  /** Runtime files of tasks (resolv.conf, hosts), one directory each below this. */
  readonly runtime: string;
  readonly dns: DnsServer;
  sandbox(networkId: string): NetworkSandbox | undefined;
  /** What users are told when there is no such sandbox. */
  whyNot(networkId: string): string;
  /** By which network the task reaches the outside, and that network's gateway; undefined: it does not. */
  gatewayOf(): { readonly networkId: string; readonly gateway: string } | undefined;
  viewOf(task: TaskObject): DnsView;
}

export class SandboxHome implements TaskHome {
  #namespace: Namespace | undefined;
  #attached: string[] = [];

  constructor(
    private readonly task: TaskObject,
    private readonly context: SandboxHomeContext,
    private readonly survivor?: Survivor,
  ) {}

  async start({ output, outlives }: { readonly output: TaskOutput; readonly outlives: boolean }): Promise<TaskProcess> {
    const { task, context } = this;
    this.#attached = [];
    const outbound = context.gatewayOf();
    const namespace = (this.#namespace = createNamespace(context.namespaces, this.#name));
    for (const { networkId, interface: device, address, address6 } of task.addresses) {
      await this.#sandboxOf(networkId).attachTask(namespace, { id: task.id, interface: device, address, ...(address6 !== undefined && { address6 }) });
      this.#attached.push(networkId);
      if (networkId === outbound?.networkId) await ipBatch(namespace, taskRouteLines(outbound.gateway, device));
    }
    await this.#serveNames(namespace);
    return startTask({
      id: task.id,
      namespace,
      command: task.spec.command,
      env: task.spec.env,
      ...(task.spec.workdir !== undefined && { workdir: task.spec.workdir }),
      addresses: task.addresses.flatMap(({ address, address6 }) => (address6 === undefined ? [address] : [address, address6])),
      directory: join(context.runtime, task.id),
      output,
      ...(outlives && { outlives: { stopGracePeriod: task.spec.stopGracePeriod } }),
    });
  }

  async reopen(): Promise<void> {
    this.#attached = this.task.addresses.map(({ networkId }) => networkId);
    this.#namespace = openNamespace(this.context.namespaces, this.#name);
    if (this.survivor?.condition === 'running') await this.#reconnect(this.survivor, this.#namespace);
  }

  leave(): (() => unknown)[] {
    const { task, context } = this;
    return [
      () => context.dns.remove(task.id),
      ...this.#attached.map((networkId) => () => context.sandbox(networkId)?.detachTask(task.id)),
      () => this.#namespace?.remove(),
      // Of a task that an earlier agent started it may be no more than a file.
      () => this.survivor && removeNamespace(context.namespaces, this.#name),
    ];
  }

  get #name(): string {
    return `${this.context.prefix}${this.task.name}`;
  }

  #sandboxOf(networkId: string): NetworkSandbox {
    const sandbox = this.context.sandbox(networkId);
    if (!sandbox) throw new Error(this.context.whyNot(networkId));
    return sandbox;
  }

  /** Throws SystemError (EADDRINUSE: the task has taken the port itself while no agent had it). */
  async #serveNames(namespace: Namespace): Promise<void> {
    const { udp, tcp } = nameServerSockets(namespace);
    await this.context.dns.serve(this.task.id, udp, tcp, this.context.viewOf(this.task));
  }

  /** Throws when something of the task is not as it was. */
  async #reconnect({ record }: Survivor, namespace: Namespace): Promise<void> {
    const { task } = this;
    const [own, pinned] = [`/proc/${record.shell.pid}/ns/net`, namespace.path].map(namespaceId);
    // Without one it has just ended.
    if (own && own.inode !== pinned?.inode) throw new Error(`it does not run in ${namespace.path}`);
    for (const { networkId, interface: device, address, address6 } of task.addresses) {
      const fault = await this.#sandboxOf(networkId).adoptTask(namespace, { id: task.id, interface: device, address, ...(address6 !== undefined && { address6 }) });
      if (fault !== undefined) throw new Error(fault);
    }
    await this.#serveNames(namespace);
  }
}

/** Both or none. */
function nameServerSockets(namespace: Namespace): { udp: number; tcp: number } {
  const udp = bindUdp(namespace, DNS_ADDRESS, DNS_PORT);
  try {
    return { udp, tcp: listenTcp(namespace, DNS_ADDRESS, DNS_PORT) };
  } catch (error) {
    closeSync(udp);
    throw error;
  }
}
