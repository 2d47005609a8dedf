/**
 * This node: makes what runs here match what the mirror says should.
 *
 * One pass, in this order: sandboxes for the networks, runners for the tasks, then the three projections (balancer, name
 * server, published ports), then the sandboxes that nothing needs any more. A pass never waits for a task to start or to
 * stop; both tell it to run again.
 */
import type { DnsServer } from '../../overlay/dns/server.js';
import type { NetworkObject, TaskObject } from '../../overlay/model/object.js';
import type { Dataplane, FlowRecord } from '../../proxy/dataplane/handle.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import { parseIpv6 } from '../../proxy/net/addr6.js';
import type { Relay } from '../../proxy/relay/relay.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { Logger } from '../log.js';
import { NetworkSandbox } from '../sandbox/network-sandbox.js';
import type { Survivor } from '../tasks/survivors.js';
import type { Offloader } from '../offload/offloader.js';
import type { TaskOutput } from '../tasks/task.js';
import { type DepartedVip, departedVips, type Vip, vipsOf, withDeparted } from './departed.js';
import { Loop } from './loop.js';
import type { Mirror } from './mirror.js';
import type { World } from './project.js';
import { projectDns, projectPorts, projectSnapshot, viewOf } from './project.js';
import type { Publisher } from './publisher.js';
import type { ObservedStatus } from './task-runner.js';
import { TaskRunner } from './task-runner.js';

/** A port that could not be bound is tried again this often. */
const PORT_RETRY_MS = 5000;

export interface NodeOptions {
  readonly name: string;
  readonly mirror: Mirror;
  readonly dataplane: Dataplane;
  readonly relay: Relay;
  readonly publisher: Publisher;
  readonly dns: DnsServer;
  readonly offloader: Offloader;
  readonly clock: Clock;
  readonly log: Logger;
  readonly namespaces: string;
  readonly prefix: string;
  readonly runtime: string;
  readonly mtu: number;
  /** Tasks of services go on when the agent is killed. */
  readonly outlives: boolean;
  /** Tasks of an earlier agent that are to be taken over, by id. */
  readonly survivors: ReadonlyMap<string, Survivor>;
  outputOf(task: TaskObject): TaskOutput;
  onStatus(task: TaskObject, observed: ObservedStatus): void;
}

interface PlacedSandbox {
  readonly index: number;
  readonly sandbox: NetworkSandbox;
  /** Its vip0 is gone: somebody removed it. */
  lost: boolean;
}

/** The sandbox of a network on this node, under the name that the node gives it; the one that an earlier agent left, if it fits. */
export function createSandbox(network: NetworkObject, node: Pick<NodeOptions, 'namespaces' | 'prefix' | 'mtu' | 'dataplane' | 'survivors'>): Promise<NetworkSandbox> {
  const { subnet, gateway, balancer, subnet6, gateway6, balancer6, spec } = network;
  const ipv6 = subnet6 === undefined || gateway6 === undefined || balancer6 === undefined ? {} : { ipv6: { subnet: subnet6, gateway: gateway6, balancer: balancer6 } };
  const options = { directory: node.namespaces, name: `${node.prefix}${spec.name}`, subnet, gateway, balancer, ...ipv6, mtu: node.mtu, queues: node.dataplane.workers };
  return NetworkSandbox.open(options, node.survivors.keys());
}

export class Node {
  readonly #sandboxes = new Map<string, PlacedSandbox>();
  readonly #runners = new Map<string, TaskRunner>();
  /** Tasks that had a runner. The mirror may still show one as pending when it has ended already: a task starts once. */
  readonly #begun = new Set<string>();
  readonly #loop: Loop;
  #nextIndex = 0;
  #epoch = 0;
  #lastSnapshot = '';
  /** At the last pass. */
  #vips: readonly Vip[] = [];
  #departed: readonly DepartedVip[] = [];
  #cancelFarewell: () => void = () => undefined;
  #closing = false;

  constructor(private readonly options: NodeOptions) {
    this.#loop = new Loop(
      () => this.#pass(),
      options.clock,
      (error) => options.log.error(`reconciling this node failed, trying again: ${error instanceof Error ? error.message : String(error)}`),
    );
  }

  /** Something changed: look again soon. */
  request(): void {
    this.#loop.request();
  }

  /** Resolves when everything known now has been applied. */
  settled(): Promise<void> {
    return this.#loop.settled();
  }

  runner(taskId: string): TaskRunner | undefined {
    return this.#runners.get(taskId);
  }

  /** Flows that a task which is to stop still has; undefined when it does not drain. */
  async drainingFlows(taskId: string): Promise<number | undefined> {
    const runner = this.#runners.get(taskId);
    return runner?.draining === true ? this.#flowsTo(runner.task) : undefined;
  }

  /** Milliseconds for which a task gets no new flow on some virtual address or published port because connects to it failed; 0: it is not ejected. */
  async ejectedFor(task: TaskObject): Promise<number> {
    const service = this.options.mirror.services.get(task.serviceId ?? '');
    if (service === undefined || service.spec.balancing.ejectAfter === 0) return 0;
    const indexes = task.addresses.flatMap(({ networkId }) => this.#sandboxes.get(networkId)?.index ?? []);
    const onPorts = service.ports.length > 0 ? await this.options.relay.ejectedFor(task.id) : 0;
    return Math.max(onPorts, ...indexes.map((index) => this.options.dataplane.ejectedFor(index, task.id)));
  }

  /** Takes over a sandbox that was made before the node was (ingress, which the relay lives in). */
  async adopt(networkId: string, sandbox: NetworkSandbox): Promise<void> {
    const index = this.#nextIndex++;
    await this.options.dataplane.attach(index, sandbox.tunFds);
    this.#sandboxes.set(networkId, { index, sandbox, lost: false });
  }

  /** The data plane says that a network's TUN failed: the next pass makes it anew. */
  deviceLost(index: number): void {
    for (const placed of this.#sandboxes.values()) if (placed.index === index) placed.lost = true;
    this.request();
  }

  /** Starts a task that no service asked for, with its output where the caller wants it. */
  async runOnce(task: TaskObject, output: TaskOutput): Promise<TaskRunner> {
    await this.#loop.settled();
    return this.#run(task, output);
  }

  async flows(): Promise<FlowRecord[]> {
    return [...this.options.dataplane.flows(), ...(await this.options.relay.flows())];
  }

  /** Stops every task and removes every sandbox. `graceMs` bounds each task's own grace. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    const runners = [...this.#runners.values()];
    await Promise.all(
      runners.map((runner) =>
        runner.stop({ drain: false, graceMs: Math.min(graceMs, runner.task.spec.stopGracePeriod), message: 'the agent was stopped' }),
      ),
    );
    await this.#loop.close();
    this.#cancelFarewell();
    this.options.offloader.close();
    for (const [id, placed] of this.#sandboxes) {
      await this.options.dataplane.detach(placed.index);
      await placed.sandbox.destroy();
      this.#sandboxes.delete(id);
    }
  }

  #world(): World {
    const { mirror } = this.options;
    const live = [...this.#runners.values()].flatMap((runner) => runner.live ?? []);
    return { networks: [...mirror.networks.values()], services: [...mirror.services.values()], live };
  }

  async #pass(): Promise<void> {
    const failures: unknown[] = [];
    if (!this.#closing) {
      failures.push(...(await this.#ensureSandboxes()));
      // Before a task begins: its address may be one that has just been a VIP.
      this.#seeOff();
      failures.push(...(await this.#routeVips()));
      const begun = this.#startTasks();
      this.#stopTasks();
      // What is there already must not be missing from what is projected, not even once.
      await Promise.all(begun.map((runner) => runner.takenOver));
    }
    await this.#project();
    if (!this.#closing) await this.#removeSandboxes();
    if (failures.length > 0) throw failures[0];
  }

  /** Answers what failed: a network that cannot be had here (IPv6 was turned off since) must not keep the others from being made. */
  async #ensureSandboxes(): Promise<unknown[]> {
    const failures: unknown[] = [];
    for (const network of this.options.mirror.networks.values()) {
      const placed = this.#sandboxes.get(network.id);
      try {
        if (placed?.lost) await this.#renew(placed);
        if (!placed) await this.adopt(network.id, await createSandbox(network, this.options));
      } catch (error) {
        failures.push(error);
      }
    }
    return failures;
  }

  async #renew(placed: PlacedSandbox): Promise<void> {
    await this.options.dataplane.detach(placed.index);
    await placed.sandbox.renewTun();
    await this.options.dataplane.attach(placed.index, placed.sandbox.tunFds);
    placed.lost = false;
  }

  /** Answers those that were begun now. */
  #startTasks(): TaskRunner[] {
    const { mirror, name } = this.options;
    const begun: TaskRunner[] = [];
    for (const task of mirror.tasks.values()) {
      const survivor = this.options.survivors.get(task.id);
      if (survivor && !this.#begun.has(task.id)) begun.push(this.#run(task, this.options.outputOf(task), survivor));
      if (task.node !== name || task.serviceId === undefined || task.status.state !== 'pending' || this.#begun.has(task.id)) continue;
      if (task.desired === 'running') begun.push(this.#run(task, this.options.outputOf(task)));
      // Told to stop before it was begun: there is nothing to take down.
      else this.#neverBegin(task);
    }
    for (const id of this.#begun) if (!mirror.tasks.has(id) && !this.#runners.has(id)) this.#begun.delete(id);
    return begun;
  }

  #run(task: TaskObject, output: TaskOutput, survivor?: Survivor): TaskRunner {
    const { options } = this;
    // Published, or a sibling listens: so will this one. A rolling update then waits until it does.
    const service = options.mirror.services.get(task.serviceId ?? '');
    const siblings = [...this.#runners.values()].filter((other) => service !== undefined && other.task.serviceId === service.id);
    const expectListener = (service?.ports.length ?? 0) > 0 || siblings.some((sibling) => sibling.listens);
    const runner = new TaskRunner(
      task,
      {
        clock: options.clock,
        log: options.log,
        namespaces: options.namespaces,
        prefix: options.prefix,
        runtime: options.runtime,
        dns: options.dns,
        sandbox: (networkId) => this.#sandboxes.get(networkId)?.sandbox,
        viewOf: (wanted) => this.#viewOf(wanted),
        flowsTo: (wanted) => this.#flowsTo(wanted),
        drainTimeout: (wanted) => this.#drainTimeout(wanted),
        applied: () => this.settled(),
        onChange: () => this.request(),
        onStatus: (changed, observed) => options.onStatus(changed, observed),
      },
      { output, expectListener, outlives: options.outlives && task.serviceId !== undefined, survivor },
    );
    this.#runners.set(task.id, runner);
    this.#begun.add(task.id);
    void runner.ended.then(() => {
      this.#runners.delete(task.id);
      this.request();
    });
    return runner;
  }

  #neverBegin(task: TaskObject): void {
    this.#begun.add(task.id);
    this.options.onStatus(task, { state: 'shutdown' });
  }

  #stopTasks(): void {
    const { mirror } = this.options;
    for (const runner of this.#runners.values()) {
      const task = mirror.tasks.get(runner.task.id);
      if (task?.desired === 'running') continue;
      // When the service itself is gone its address is too: nothing can drain.
      const drain = runner.task.serviceId !== undefined && mirror.services.has(runner.task.serviceId);
      void runner.stop({ drain });
    }
  }

  async #project(): Promise<void> {
    const { dataplane, publisher, dns, mirror, clock, offloader } = this.options;
    const world = this.#world();
    const noted = offloader.note(projectSnapshot(world, this.#epoch + 1, (id) => this.#sandboxes.get(id)?.index, this.options.mtu));
    // Of those that departed nobody has flows any more, neither the kernel.
    const snapshot = { ...noted, networks: noted.networks.map((network) => withDeparted(network, this.#departed)) };
    const content = JSON.stringify(snapshot.networks);
    if (content !== this.#lastSnapshot) {
      this.#epoch++;
      await dataplane.apply(snapshot);
      this.#lastSnapshot = content;
    }
    await offloader.sync(world, snapshot, new Map([...this.#sandboxes].map(([id, { index, sandbox }]) => [id, { index, namespace: sandbox.namespace }])));
    const names = projectDns(world);
    const ingressId = [...mirror.networks.values()].find((network) => network.ingress)?.id;
    for (const runner of this.#runners.values()) {
      if (runner.process) dns.update(runner.task.id, viewOf(runner.task, names, ingressId));
    }
    if (!(await publisher.sync(projectPorts(world)))) clock.after(PORT_RETRY_MS, () => this.request());
  }

  /** Which VIPs are gone of late; the next pass after their time comes by itself. */
  #seeOff(): void {
    const { mirror, clock } = this.options;
    const present = { networks: mirror.networks.values(), services: mirror.services.values(), tasks: mirror.tasks.values() };
    this.#departed = departedVips(this.#vips, this.#departed, present, clock.now());
    this.#vips = vipsOf({ services: mirror.services.values() });
    this.#cancelFarewell();
    if (this.#departed.length === 0) return;
    const next = Math.min(...this.#departed.map(({ until }) => until));
    this.#cancelFarewell = clock.after(next - clock.now(), () => this.request());
  }

  /** Answers what failed: a network that somebody damaged must not keep changes from the others. */
  async #routeVips(): Promise<unknown[]> {
    const failures: unknown[] = [];
    for (const { id } of this.options.mirror.networks.values()) {
      const vips = [...this.#vips, ...this.#departed].filter(({ networkId }) => networkId === id);
      try {
        await this.#sandboxes.get(id)?.sandbox.setVips(vips.flatMap(({ address, address6 }) => (address6 === undefined ? [address] : [address, address6])));
      } catch (error) {
        failures.push(error);
      }
    }
    return failures;
  }

  #viewOf(task: TaskObject): ReturnType<typeof viewOf> {
    const world = this.#world();
    return viewOf(task, projectDns(world), world.networks.find((network) => network.ingress)?.id);
  }

  async #flowsTo(task: TaskObject): Promise<number> {
    let count = 0;
    for (const { networkId, address, address6 } of task.addresses) {
      const index = this.#sandboxes.get(networkId)?.index;
      count += await this.options.offloader.flowsTo(networkId, address);
      if (index !== undefined) count += this.options.dataplane.flowsTo(index, { address: parseIpv4(address), ...(address6 !== undefined && { address6: parseIpv6(address6) }) });
      if (this.options.mirror.networks.get(networkId)?.ingress) count += await this.options.relay.flowsTo(parseIpv4(address));
    }
    return count;
  }

  /** As its service says now, which may have changed since the task was made. */
  #drainTimeout(task: TaskObject): number {
    const service = this.options.mirror.services.get(task.serviceId ?? '');
    return service?.spec.balancing.drainTimeout ?? task.spec.stopGracePeriod;
  }

  async #removeSandboxes(): Promise<void> {
    for (const [id, placed] of this.#sandboxes) {
      if (this.options.mirror.networks.has(id)) continue;
      if ([...this.#runners.values()].some((runner) => runner.task.addresses.some((address) => address.networkId === id))) continue;
      this.#sandboxes.delete(id);
      this.options.offloader.leave(id);
      await this.options.dataplane.detach(placed.index);
      await placed.sandbox.destroy();
    }
  }
}
