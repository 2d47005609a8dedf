/**
 * The premises of a node with sandboxes: a network sandbox for each network, whose TUN the data plane balances and the kernel may take
 * flows from, and a network namespace for each task.
 */
import type { DnsServer } from '../../overlay/dns/server.js';
import type { DnsView } from '../../overlay/dns/view.js';
import type { NetworkObject, NodeAddresses, ServiceObject, TaskAddress, TaskObject } from '../../overlay/model/object.js';
import type { FlowRecord } from '../../proxy/dataplane/handle.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import { parseIpv6 } from '../../proxy/net/addr6.js';
import type { Relay } from '../../proxy/relay/relay.js';
import type { Logger } from '../log.js';
import type { Offloader } from '../offload/offloader.js';
import { takeCare } from '../sandbox/caretaker.js';
import type { NetworkSandbox } from '../sandbox/network-sandbox.js';
import { connectionsFrom } from '../tasks/remote-connections.js';
import type { Survivor } from '../tasks/survivors.js';
import type { Uplink } from '../uplink/uplink.js';
import { outboundOf } from '../uplink/plan.js';
import { type DepartedVip, departedVips, type Vip, vipsOf, withDeparted } from './departed.js';
import type { Mirror } from './mirror.js';
import type { Premises } from './premises.js';
import type { DesiredPort, World } from './project.js';
import { projectDns, projectPorts, projectSnapshot, viewOf } from './project.js';
import { SandboxHome } from './sandbox-home.js';
import { Sandboxes, type SandboxesOptions } from './sandboxes.js';
import type { Weaving } from './weaving.js';

export interface SandboxPremisesOptions extends Omit<SandboxesOptions, 'onLeave' | 'attached'> {
  readonly mirror: Mirror;
  readonly relay: Relay;
  readonly dns: DnsServer;
  readonly offloader: Offloader;
  readonly log: Logger;
  /** Runtime files of tasks. */
  readonly runtime: string;
  /** Absent: no other node can be reached. */
  readonly weaver?: Weaving;
  /** Tasks reach the outside by it. */
  readonly uplink: Uplink;
  /** Something is over by now: the node is to look again. */
  onChange(): void;
}

export class SandboxPremises implements Premises {
  readonly #sandboxes: Sandboxes;
  #epoch = 0;
  #lastSnapshot = '';
  /** At the last pass. */
  #vips: readonly Vip[] = [];
  #departed: readonly DepartedVip[] = [];
  #cancelFarewell: () => void = () => undefined;
  #endCare: () => Promise<void> = () => Promise.resolve();

  constructor(private readonly options: SandboxPremisesOptions) {
    this.#sandboxes = new Sandboxes({ ...options, attached: options.mirror.attached, onLeave: (networkId) => options.offloader.leave(networkId) });
  }

  get appliedKeys(): number {
    return this.options.weaver?.appliedKeys ?? 0;
  }

  start(): void {
    const { clock, log, mirror, weaver } = this.options;
    const nameOf = (id: string): string => mirror.networks.get(id)?.spec.name ?? id;
    this.#endCare = takeCare({ clock, log, things: () => [...this.#sandboxes.things(nameOf), ...(weaver?.things ?? [])] });
  }

  /** Takes over a sandbox that was made before the node was (ingress, which the relay lives in). */
  adopt(networkId: string, sandbox: NetworkSandbox, own: NodeAddresses): Promise<void> {
    return this.#sandboxes.adopt(networkId, sandbox, own);
  }

  /** The data plane says that a network's TUN failed: the next pass makes it anew. */
  deviceLost(index: number): void {
    this.#sandboxes.lost(index);
    this.options.onChange();
  }

  localized(network: NetworkObject): NetworkObject {
    return this.#sandboxes.localized(network);
  }

  async prepare(needed: readonly NetworkObject[]): Promise<unknown[]> {
    const failures = await this.#sandboxes.ensure(needed);
    // Before a task begins: its address may be one that has just been a VIP.
    this.#seeOff();
    failures.push(...(await this.#sandboxes.routeVips([...this.#vips, ...this.#departed])));
    failures.push(...((await this.options.weaver?.weave(this.#sandboxes)) ?? []));
    failures.push(...(await this.options.uplink.connect(needed, (id) => this.#sandboxes.get(id)?.sandbox.namespace)));
    return failures;
  }

  home(task: TaskObject, world: () => World, survivor: Survivor | undefined): SandboxHome {
    const { namespaces, prefix, runtime, dns } = this.options;
    const sandbox = (networkId: string): NetworkSandbox | undefined => this.#sandboxes.get(networkId)?.sandbox;
    const whyNot = (networkId: string): string => `network '${this.options.mirror.networks.get(networkId)?.spec.name ?? networkId}' cannot be had on this node: ${this.#sandboxes.whyNot(networkId) ?? "it is not made yet, or was removed ('vipmesh network ls')"}`;
    return new SandboxHome(task, { namespaces, prefix, runtime, dns, sandbox, whyNot, gatewayOf: () => this.#gatewayOf(task), viewOf: (wanted) => this.#viewsIn(world())(wanted) }, survivor);
  }

  /** By which network, and by which address of it, a task reaches the outside; undefined: it does not. */
  #gatewayOf({ addresses }: TaskObject): { readonly networkId: string; readonly gateway: string } | undefined {
    const { uplink, mirror } = this.options;
    const outbound = uplink.status.state === 'none' ? undefined : outboundOf(addresses, (id) => mirror.networks.get(id));
    const placed = outbound && this.#sandboxes.get(outbound.networkId);
    return outbound && placed && { networkId: outbound.networkId, gateway: placed.own.gateway };
  }

  async apply(world: World, running: readonly TaskObject[]): Promise<void> {
    const { dataplane, dns, offloader } = this.options;
    const noted = offloader.note(projectSnapshot(world, this.#epoch + 1, (id) => this.#sandboxes.indexOf(id), this.options.mtu));
    // Of those that departed nobody has flows any more, neither the kernel.
    const snapshot = { ...noted, networks: noted.networks.map((network) => withDeparted(network, this.#departed)) };
    const content = JSON.stringify(snapshot.networks);
    if (content !== this.#lastSnapshot) {
      this.#epoch++;
      await dataplane.apply(snapshot);
      this.#lastSnapshot = content;
    }
    await offloader.sync(world, snapshot, new Map([...this.#sandboxes.entries()].map(([id, { index, sandbox }]) => [id, { index, namespace: sandbox.namespace }])));
    const view = this.#viewsIn(world);
    for (const task of running) dns.update(task.id, view(task));
  }

  ports(world: World): Map<string, DesiredPort> {
    return projectPorts(world);
  }

  async flows(): Promise<FlowRecord[]> {
    return [...this.options.dataplane.flows(), ...(await this.options.relay.flows())];
  }

  async flowsTo({ addresses }: TaskObject, pid: number | undefined): Promise<number> {
    const { offloader, dataplane, mirror, relay } = this.options;
    let count = pid === undefined ? 0 : connectionsFrom(this.#othersOn(addresses), pid);
    for (const { networkId, address, address6 } of addresses) {
      const index = this.#sandboxes.indexOf(networkId);
      count += await offloader.flowsTo(networkId, address);
      if (index !== undefined) count += dataplane.flowsTo(index, { address: parseIpv4(address), ...(address6 !== undefined && { address6: parseIpv6(address6) }) });
      if (mirror.networks.get(networkId)?.ingress) count += await relay.flowsTo(parseIpv4(address));
    }
    return count;
  }

  async ejectedFor(task: TaskObject, service: ServiceObject): Promise<number> {
    const indexes = task.addresses.flatMap(({ networkId }) => this.#sandboxes.indexOf(networkId) ?? []);
    const onPorts = service.ports.length > 0 ? await this.options.relay.ejectedFor(task.id) : 0;
    return Math.max(onPorts, ...indexes.map((index) => this.options.dataplane.ejectedFor(index, task.id)));
  }

  removeUnneeded(busy: (networkId: string) => boolean): Promise<number | undefined> {
    const { mirror } = this.options;
    return this.#sandboxes.removeUnneeded(mirror.networks, busy);
  }

  async close(): Promise<void> {
    this.#cancelFarewell();
    this.options.offloader.close();
    await this.#endCare();
    await this.#sandboxes.close();
    await this.options.weaver?.close();
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
    this.#cancelFarewell = clock.after(next - clock.now(), () => this.options.onChange());
  }

  /** What each task may ask the name server for. Names are for tasks here: networks that are not have none to answer. */
  #viewsIn(world: World): (task: TaskObject) => DnsView {
    const names = projectDns({ ...world, networks: world.networks.filter(({ id }) => this.#sandboxes.indexOf(id) !== undefined) });
    const ingressId = world.networks.find((network) => network.ingress)?.id;
    return (task) => viewOf(task, names, ingressId);
  }

  /** From where other nodes' balancers and relays connect to a task with these addresses. */
  #othersOn(addresses: readonly TaskAddress[]): string[] {
    const { mirror, nodeId } = this.options;
    const others = addresses.flatMap(({ networkId }) => Object.entries(mirror.attached.get(networkId) ?? {}).filter(([id]) => id !== nodeId));
    return others.flatMap(([, { gateway, balancer, gateway6, balancer6 }]) => [gateway, balancer, gateway6, balancer6]).filter((address) => address !== undefined);
  }
}
