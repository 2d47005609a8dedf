/**
 * Kernel offload on this node: a SandboxOffload for each network sandbox, the same world for all of them, and what a user is
 * shown. That of the ingress network is about published ports, and has a part on the host. Which driver this host can have was found out before (kernel/offload/capability.ts); without one every service stays in
 * userspace, and says why.
 */
import type { Namespace } from '../../kernel/netns/netns.js';
import type { Lack } from '../../kernel/offload/capability.js';
import type { KernelCount, KernelFlow } from '../../kernel/offload/driver.js';
import type { HostLink } from '../../kernel/offload/host-link.js';
import { hostObstacle } from '../../kernel/offload/host-obstacle.js';
import { HostPorts } from '../../kernel/offload/host-ports.js';
import { HostProbe } from '../../kernel/offload/host-probe.js';
import { portText } from '../../kernel/offload/host-rules.js';
import { IngressDriver } from '../../kernel/offload/ingress-driver.js';
import { OFF, type OffloadMode, type OffloadState } from '../../kernel/offload/state.js';
import type { NetworkObject } from '../../overlay/model/object.js';
import type { MarkOwner } from '../../overlay/service/marks.js';
import type { ServiceConfig, Snapshot } from '../../proxy/config/snapshot.js';
import type { Dataplane, FlowState } from '../../proxy/dataplane/handle.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { Logger } from '../log.js';
import type { FlowSummary, OffloadCommands, OffloadRecord } from '../control.js';
import { portKey, projectPorts, type World } from '../reconcile/project.js';
import type { OffloadBackend } from './backend.js';
import { candidateOf, portCandidateOf, type Candidate } from './candidates.js';
import { condensed } from '../condensed.js';
import { tellEnded } from './ended.js';
import { PortSessions } from './port-sessions.js';
import { PUBLISHED } from './held-vips.js';
import { SandboxOffload, type Userspace } from './sandbox-offload.js';
import type { OffloadSettings } from './settings.js';
import { dataplaneUserspace, RelayUserspace, type RelayFacts } from './userspace.js';

const TICK_MS = 1000;
const GLANCES_PER_TICK = 4;

export interface OffloaderOptions {
  readonly settings: OffloadSettings;
  /** Asked once, when it is needed. Rejects never. */
  readonly backend: () => Promise<OffloadBackend>;
  readonly dataplane: Pick<Dataplane, 'opened' | 'silentFlows' | 'refuse'>;
  /** Absent: this agent does not see the host's own network, and published ports stay with the relay. */
  readonly published?: PublishedOptions;
  readonly markOf: (...owner: MarkOwner) => Promise<number>;
  /** What carries out a command in a sandbox, when it is put in front of it. */
  readonly enter: (sandbox: Namespace) => string;
  /** An earlier agent may have handed over some services. */
  readonly leftovers: boolean;
  /** These are all that there are: other marks are free. */
  readonly keepMarks: (wanted: readonly MarkOwner[]) => Promise<void>;
  /** `note` would say something else than before. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface PublishedOptions extends Omit<RelayFacts, 'hostObstacle'> {
  readonly host: Namespace;
  /** Between the host and the ingress sandbox. */
  readonly link: Pick<HostLink, 'name' | 'mtu'>;
}

/** A sandbox of the node, by what names it toward the data plane and where it is. */
export interface Placed {
  readonly index: number;
  readonly namespace: Namespace;
}

interface Network {
  readonly placed: Placed;
  readonly offload: SandboxOffload;
  readonly userspace: Userspace;
  /** Of the ingress network. */
  readonly ingress?: { readonly driver: IngressDriver; readonly userspace: RelayUserspace; readonly sessions: PortSessions; readonly close: () => void };
}

/** Of published ports in a user namespace. */
const NO_HOST = 'a rootless agent does not see the network of the host: the relay serves published ports';

export class Offloader {
  readonly #networks = new Map<string, Network>();
  #candidates: readonly Candidate[] = [];
  #names: ReadonlyMap<string, string> = new Map();
  #cancelTick: () => void = () => undefined;
  #backend: OffloadBackend | undefined;
  #started = false;
  #closed = false;
  /** What an earlier agent handed over is not known yet. */
  #leftovers: boolean;
  /** Resolves when what an earlier agent handed over is known. */
  #adopted: Promise<void> = Promise.resolve();
  #tellAdopted: () => void = () => undefined;
  /** Nothing is to be on the host any more. */
  #released = false;
  /** Services and networks at the last sync, as text. */
  #known = '';

  constructor(private readonly options: OffloaderOptions) {
    this.#leftovers = options.leftovers;
  }

  /**
   * From now on services are handed over. Before that, endpoints of an earlier agent may not all have been found again. A user who asks
   * what that one has handed over is answered when that is known. A pass of the node is to follow.
   */
  async start(): Promise<void> {
    if (this.#leftovers) {
      this.#adopted = new Promise((resolve) => (this.#tellAdopted = resolve));
      // Passes that come meanwhile do not wait for what this kernel can do: published ports are bound by them.
      await this.#choose();
    }
    if (this.#closed) return;
    this.#started = true;
    this.#tick();
  }

  async #choose(): Promise<OffloadBackend> {
    const backend = await this.options.backend();
    this.#backend = backend;
    return backend;
  }

  /** What is installed stays: whoever removes a sandbox removes it with that. */
  close(): void {
    this.#started = false;
    this.#closed = true;
    this.#cancelTick();
    for (const id of this.#networks.keys()) this.leave(id);
    this.#tellAdopted();
  }

  /** The sandbox of a network is about to be removed. */
  leave(networkId: string): void {
    const network = this.#networks.get(networkId);
    network?.offload.leave();
    network?.ingress?.close();
    this.#networks.delete(networkId);
  }

  /** The snapshot, which says of each service whether the kernel may have flows of it. As long as nobody knows, it may. */
  note(snapshot: Snapshot): Snapshot {
    const networks = snapshot.networks.map((network) => {
      const held = this.#networks.get(network.id)?.offload.held;
      const isHeld = ({ vip }: ServiceConfig): boolean => this.#leftovers || held?.has(vip) === true;
      if (held?.has(PUBLISHED) === true) return { ...network, offloaded: this.#publishedEndpoints(network.id) };
      return network.services.some(isHeld) ? { ...network, services: network.services.map((service) => (isHeld(service) ? { ...service, offloaded: true } : service)) } : network;
    });
    return { ...snapshot, networks };
  }

  /** As of the last sync. */
  #publishedEndpoints(networkId: string): number[] {
    const published = this.#candidates.filter((candidate) => candidate.published !== undefined && candidate.networkId === networkId);
    return [...new Set(published.flatMap(({ wanted }) => wanted.endpoints.map(({ address }) => parseIpv4(address))))];
  }

  /** Resolves when no new flow goes to an endpoint that is not in `snapshot`, or has weight 0 there, by way of the kernel. Never rejects. */
  async sync(world: World, snapshot: Snapshot, placed: ReadonlyMap<string, Placed>): Promise<void> {
    const { settings } = this.options;
    this.#names = new Map(world.networks.map((network) => [network.id, network.spec.name]));
    this.#candidates = candidatesOf(world, snapshot, settings.mode, this.options.published !== undefined);
    if (!this.#started || (this.#backend === undefined && this.#candidates.every(({ mode }) => mode === 'never'))) return;
    try {
      await this.#sync(world, placed);
    } finally {
      this.#tellAdopted();
    }
  }

  async #sync(world: World, placed: ReadonlyMap<string, Placed>): Promise<void> {
    const backend = this.#backend ?? (await this.#choose());
    if ('because' in backend) return this.#settleLeftovers();
    for (const [id, known] of this.#networks) if (placed.get(id)?.namespace !== known.placed.namespace) this.leave(id);
    for (const network of world.networks) {
      const place = placed.get(network.id);
      if (place === undefined || this.#networks.has(network.id) || (network.ingress && !this.options.published)) continue;
      this.#networks.set(network.id, await this.#begin(network, place, backend));
    }
    await Promise.all([...this.#networks].map(([id, { offload, ingress }]) => offload.apply(ingress && this.#released ? [] : this.#candidates.filter(({ networkId }) => networkId === id))));
    this.#settleLeftovers();
    await this.#releaseMarks();
  }

  /** A network that is made from now on has none, and userspace may refuse what is nobody's. */
  #settleLeftovers(): void {
    if (!this.#leftovers) return;
    this.#leftovers = false;
    this.options.onChange();
  }

  async #begin(network: NetworkObject, placed: Placed, { open, schedulers }: Extract<OffloadBackend, { open: unknown }>): Promise<Network> {
    const { settings, dataplane, markOf, onChange, clock, published } = this.options;
    const log = condensed(this.options.log, clock);
    const facts = { network: network.spec.name, subnet: network.subnet, balancer: network.balancer };
    const sandbox = open(placed.namespace, { markBase: settings.markBase });
    const deps = {
      markOf: (candidate: Candidate) => markOf(...markOwner(candidate)),
      leftovers: this.#leftovers,
      after: settings.after,
      markBase: settings.markBase,
      schedulers,
      clock,
      log,
      onHeld: onChange,
    };
    if (!network.ingress || !published) {
      const userspace = dataplaneUserspace(dataplane, placed.index);
      const onEnded = (flows: readonly KernelFlow[]): Promise<void> => tellEnded(flows, { ...placed, dataplane, log });
      return { placed, userspace, offload: new SandboxOffload(sandbox, facts, { ...deps, userspace, onEnded }) };
    }
    const { host } = published;
    const link = { ...published.link, address: network.balancer };
    const hostPorts = new HostPorts({ host, sandbox: placed.namespace, link, driver: sandbox.name, clock });
    const driver = new IngressDriver(sandbox, hostPorts);
    const probe = new HostProbe(host, link, clock);
    const obstacles = async () => {
      const facts = await probe.facts();
      return (agreed: boolean): string | undefined => lackText(hostObstacle(facts, sandbox.name, agreed));
    };
    const userspace = new RelayUserspace({ ...published, hostObstacle: obstacles });
    await userspace.refresh();
    const offload = new SandboxOffload(driver, facts, { ...deps, userspace, onEnded: (flows) => tellEnded(flows, { ...placed, dataplane, host, log }) });
    const sessions = new PortSessions({ offload, userspace, driver, clock, log });
    return { placed, userspace, ingress: { driver, userspace, sessions, close: () => [hostPorts, probe].forEach((one) => one.close()) }, offload };
  }

  /** Only now: nothing that had one of them is installed any more. */
  async #releaseMarks(): Promise<void> {
    const wanted = this.#candidates.map((candidate) => markOwner(candidate));
    const known = wanted.join('\n');
    if (known === this.#known) return;
    try {
      await this.options.keepMarks(wanted);
      this.#known = known;
    } catch (error) {
      this.options.log.warn('packet marks could not be given back, trying again', { err: error });
    }
  }

  #tick(glances = 0): void {
    void Promise.all([...this.#networks.values()].map((network) => (glances === 0 ? this.#tickOne(network) : network.offload.glance()))).finally(() => {
      if (this.#started) this.#cancelTick = this.options.clock.after(TICK_MS / GLANCES_PER_TICK, () => this.#tick((glances + 1) % GLANCES_PER_TICK));
    });
  }

  async #tickOne({ offload, ingress }: Network): Promise<void> {
    const ports = offload.services.length > 0;
    if (ingress && ports) await ingress.userspace.refresh();
    await offload.tick();
    if (ingress && ports) await ingress.sessions.tick();
  }

  /** Takes away what is on the host: before the ingress sandbox is, so that clients are refused, not left without an answer. Never rejects. */
  async releaseHost(): Promise<void> {
    this.#released = true;
    for (const { ingress, offload } of this.#networks.values()) if (ingress) await offload.apply([]);
  }

  /** Every service on every network, and every published port, by name. */
  async list(): Promise<OffloadRecord[]> {
    await this.#adopted;
    const { clock } = this.options;
    const backend = this.#backend;
    const counts = await this.#counts();
    const records = this.#candidates.map((candidate): OffloadRecord => {
      const network = this.#networks.get(candidate.networkId);
      const known = network?.offload.known(candidate.id);
      const memory = known?.memory;
      const state: OffloadState = memory?.state ?? 'userspace';
      const mark = known?.mark;
      const reason = memory === undefined ? whyNothing(candidate, backend) : memory.reason;
      return {
        service: candidate.service,
        serviceId: candidate.serviceId,
        network: this.#names.get(candidate.networkId) ?? '',
        ...(candidate.published && { port: candidate.published.text }),
        mode: candidate.mode,
        state,
        ...(mark !== undefined && state !== 'userspace' && { mark }),
        ...(network !== undefined && { driver: network.offload.driverName }),
        ...(memory !== undefined && { since: Math.round(clock.wall() - (clock.now() - memory.since)) }),
        opened: network?.userspace.opened(candidate) ?? 0,
        kernelFlows: counts.get(candidate.networkId)?.get(mark ?? -1) ?? 0,
        ...(reason !== undefined && { reason }),
      };
    });
    return records.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  }

  /** What is installed for a service, as commands, by network and place. */
  async show(serviceId: string): Promise<OffloadCommands[]> {
    await this.#adopted;
    return [...this.#networks].flatMap(([id, { offload, ingress, placed }]) => {
      const network = this.#names.get(id) ?? '';
      const onHost = [...new Set(offload.marksOf(serviceId).flatMap((mark) => ingress?.driver.showHost(mark) ?? []))];
      const shown: OffloadCommands[] = [
        { network, enter: this.options.enter(placed.namespace), commands: [...new Set(offload.show(serviceId))] },
        { network, place: 'host', commands: onHost },
      ];
      return shown.filter(({ commands }) => commands.length > 0);
    });
  }

  /** Flows that the kernel has. A network that cannot be asked shows none; `list` says what is wrong with it. */
  async flows(): Promise<FlowSummary[]> {
    await this.#adopted;
    const all = await Promise.all(
      [...this.#networks].map(async ([id, { offload }]) => {
        const flows = await offload.flows().catch((): KernelFlow[] => []);
        const services = new Map(offload.services.map(({ mark, candidate }) => [mark, candidate.service]));
        return flows.map((flow) => recordOf(flow, this.#names.get(id) ?? '', services.get(flow.mark) ?? ''));
      }),
    );
    return all.flat();
  }

  /** Flows in the kernel toward an endpoint. */
  async flowsTo(networkId: string, address: string): Promise<number> {
    const counts = (await this.#networks.get(networkId)?.offload.counts().catch((): KernelCount[] => [])) ?? [];
    return counts.reduce((sum, count) => sum + (count.address === address ? count.flows : 0), 0);
  }

  /** Flows in the kernel, by network and mark. */
  async #counts(): Promise<Map<string, Map<number, number>>> {
    const entries = await Promise.all([...this.#networks].map(async ([id, { offload }]) => [id, flowsByMark(await offload.counts().catch((): KernelCount[] => []))] as const));
    return new Map(entries);
  }
}

function flowsByMark(counts: readonly KernelCount[]): Map<number, number> {
  const sums = new Map<number, number>();
  for (const { mark, flows } of counts) sums.set(mark, (sums.get(mark) ?? 0) + flows);
  return sums;
}

/** What there is to hand over, in no order. */
function candidatesOf(world: World, snapshot: Snapshot, mode: OffloadMode, seesHost: boolean): Candidate[] {
  const ports = projectPorts(world);
  const all = [...ports.values()].map(({ port }) => port);
  return world.networks.flatMap((network) => {
    const configs = new Map(snapshot.networks.find(({ id }) => id === network.id)?.services.map((config) => [config.id, config]));
    return world.services.flatMap((service) => {
      if (network.ingress) {
        const own = service.ports.flatMap((port) => [...ports].filter(([key]) => key === portKey(port)));
        const candidates = own.map((port) => portCandidateOf(network, service, port, all, mode));
        return seesHost ? candidates : candidates.map((candidate) => ({ ...candidate, obstacle: NO_HOST }));
      }
      const config = configs.get(service.id);
      return config === undefined ? [] : [candidateOf(network, service, config, mode)];
    });
  });
}

function markOwner({ serviceId, networkId, wanted: { port } }: Candidate): MarkOwner {
  return port === undefined ? [serviceId, networkId] : [serviceId, networkId, portText(port)];
}

function sortKey({ service, network, port = '' }: OffloadRecord): string {
  return `${service} ${network} ${port}`;
}

function lackText(lack: Lack | undefined): string | undefined {
  return lack && (lack.remedy === undefined ? lack.reason : `${lack.reason}: ${lack.remedy}`);
}

/** Of a service that no sandbox has been told of. */
function whyNothing({ mode, obstacle }: Candidate, backend: OffloadBackend | undefined): string {
  if (mode === 'never') return OFF;
  if (obstacle === NO_HOST) return NO_HOST;
  return backend !== undefined && 'because' in backend ? backend.because : 'the agent is starting';
}

const CLOSED = new Set(['TIME_WAIT', 'CLOSE', 'LAST_ACK']);
const CLOSING = new Set(['FIN_WAIT', 'CLOSE_WAIT', 'CLOSING']);

function stateOf({ protocol, state }: KernelFlow): FlowState {
  if (protocol === 'udp') return 'udp';
  if (state.startsWith('SYN')) return 'opening';
  if (CLOSED.has(state)) return 'closed';
  return CLOSING.has(state) ? 'closing' : 'established';
}

function recordOf(flow: KernelFlow, network: string, service: string): FlowSummary {
  const { protocol, client, virtual, endpoint, bytes } = flow;
  return { network, service, protocol, client, vip: virtual, endpoint, state: stateOf(flow), path: 'kernel', ...(bytes > 0 && { bytes }) };
}
