/**
 * Kernel offload on this node: a SandboxOffload for each network sandbox, the same world for all of them, and what a user is
 * shown. Which driver this host can have was found out before (kernel/offload/capability.ts); without one every service stays in
 * userspace, and says why.
 */
import type { Namespace } from '../../kernel/netns/netns.js';
import type { KernelCount, KernelFlow } from '../../kernel/offload/driver.js';
import { OFF, type OffloadState } from '../../kernel/offload/state.js';
import type { Snapshot } from '../../proxy/config/snapshot.js';
import type { Dataplane, FlowState } from '../../proxy/dataplane/handle.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { Logger } from '../log.js';
import type { FlowSummary, OffloadCommands, OffloadRecord } from '../control.js';
import type { World } from '../reconcile/project.js';
import type { OffloadBackend } from './backend.js';
import { candidateOf, type Candidate } from './candidates.js';
import { SandboxOffload } from './sandbox-offload.js';
import type { OffloadSettings } from './settings.js';

const TICK_MS = 1000;

export interface OffloaderOptions {
  readonly settings: OffloadSettings;
  /** Asked once, when it is needed. Rejects never. */
  readonly backend: () => Promise<OffloadBackend>;
  readonly dataplane: Pick<Dataplane, 'opened' | 'silentFlows'>;
  /** A service's packet mark on a network. */
  readonly markOf: (serviceId: string, networkId: string) => Promise<number>;
  /** These services on these networks are all that there are: other marks are free. */
  readonly keepMarks: (wanted: readonly (readonly [serviceId: string, networkId: string])[]) => Promise<void>;
  /** `note` would say something else than before. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A sandbox of the node, by what names it toward the data plane and where it is. */
export interface Placed {
  readonly index: number;
  readonly namespace: Namespace;
}

export class Offloader {
  readonly #networks = new Map<string, { readonly placed: Placed; readonly offload: SandboxOffload }>();
  #candidates: readonly Candidate[] = [];
  #names: ReadonlyMap<string, string> = new Map();
  #cancelTick: () => void = () => undefined;
  #backend: OffloadBackend | undefined;
  #started = false;
  #leftovers = false;
  /** Services and networks at the last sync, as text. */
  #known = '';

  constructor(private readonly options: OffloaderOptions) {}

  /**
   * From now on services are handed over. Before that, endpoints of an earlier agent may not all have been found again. `leftovers`:
   * an earlier agent may have handed some over. A pass of the node is to follow.
   */
  async start(leftovers: boolean): Promise<void> {
    this.#started = true;
    this.#leftovers = leftovers;
    if (leftovers) await this.#choose();
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
    this.#cancelTick();
  }

  /** The snapshot, which says of each service whether the kernel may have flows of it. */
  note(snapshot: Snapshot): Snapshot {
    const networks = snapshot.networks.map((network) => {
      const held = this.#networks.get(network.id)?.offload.held;
      return held === undefined || held.size === 0 ? network : { ...network, services: network.services.map((service) => (held.has(service.vip) ? { ...service, offloaded: true } : service)) };
    });
    return { ...snapshot, networks };
  }

  /** Resolves when no new flow goes to an endpoint that is not in `snapshot`, or has weight 0 there, by way of the kernel. Never rejects. */
  async sync(world: World, snapshot: Snapshot, placed: ReadonlyMap<string, Placed>): Promise<void> {
    const { settings } = this.options;
    this.#names = new Map(world.networks.map((network) => [network.id, network.spec.name]));
    this.#candidates = world.networks.flatMap((network) => {
      const configs = new Map(snapshot.networks.find(({ id }) => id === network.id)?.services.map((config) => [config.id, config]));
      return world.services.flatMap((service) => {
        const config = configs.get(service.id);
        return config === undefined || network.ingress ? [] : [candidateOf(network, service, config, settings.mode)];
      });
    });
    if (!this.#started || (this.#backend === undefined && this.#candidates.every(({ mode }) => mode === 'never'))) return;
    const backend = this.#backend ?? (await this.#choose());
    if ('because' in backend) return;
    for (const [id, known] of this.#networks) if (placed.get(id)?.namespace !== known.placed.namespace) this.#networks.delete(id);
    for (const network of world.networks) {
      const place = placed.get(network.id);
      if (place === undefined || network.ingress || this.#networks.has(network.id)) continue;
      const { dataplane, markOf, clock, log, onChange } = this.options;
      const facts = { network: network.spec.name, subnet: network.subnet, balancer: network.balancer, index: place.index };
      const deps = { dataplane, markOf: (serviceId: string) => markOf(serviceId, network.id), leftovers: this.#leftovers, after: settings.after, markBase: settings.markBase, clock, log, onHeld: onChange };
      this.#networks.set(network.id, { placed: place, offload: new SandboxOffload(backend.open(place.namespace, { markBase: settings.markBase }), facts, { ...deps, schedulers: backend.schedulers }) });
    }
    // A network that is made from now on has none.
    this.#leftovers = false;
    await Promise.all([...this.#networks].map(([id, { offload }]) => offload.apply(this.#candidates.filter(({ networkId }) => networkId === id))));
    await this.#releaseMarks();
  }

  /** Only now: nothing that had one of them is installed any more. */
  async #releaseMarks(): Promise<void> {
    const wanted = this.#candidates.map(({ serviceId, networkId }) => [serviceId, networkId] as const);
    const known = wanted.join('\n');
    if (known === this.#known) return;
    try {
      await this.options.keepMarks(wanted);
      this.#known = known;
    } catch (error) {
      this.options.log.warn('packet marks could not be given back, trying again', { err: error });
    }
  }

  #tick(): void {
    void Promise.all([...this.#networks.values()].map(({ offload }) => offload.tick())).finally(() => {
      if (this.#started) this.#cancelTick = this.options.clock.after(TICK_MS, () => this.#tick());
    });
  }

  /** Every service on every network, by name. */
  async list(): Promise<OffloadRecord[]> {
    const { clock, dataplane } = this.options;
    const backend = this.#backend;
    const counts = await this.#counts();
    const records = this.#candidates.map((candidate): OffloadRecord => {
      const network = this.#networks.get(candidate.networkId);
      const known = network?.offload.services.find((service) => service.candidate.serviceId === candidate.serviceId);
      const memory = known?.memory;
      const state: OffloadState = memory?.state ?? 'userspace';
      const mark = known?.mark;
      const inKernel = counts.get(candidate.networkId)?.filter((count) => count.mark === mark) ?? [];
      const index = network?.placed.index;
      const reason = memory === undefined ? whyNothing(candidate, backend) : memory.reason;
      return {
        service: candidate.service,
        serviceId: candidate.serviceId,
        network: this.#names.get(candidate.networkId) ?? '',
        mode: candidate.mode,
        state,
        ...(mark !== undefined && state !== 'userspace' && { mark }),
        ...(network !== undefined && { driver: network.offload.driverName }),
        ...(memory !== undefined && { since: clock.wall() - (clock.now() - memory.since) }),
        opened: index === undefined ? 0 : candidate.taking.reduce((sum, id) => sum + dataplane.opened(index, id), 0),
        kernelFlows: inKernel.reduce((sum, { flows }) => sum + flows, 0),
        ...(reason !== undefined && { reason }),
      };
    });
    return records.sort((a, b) => (`${a.service} ${a.network}` < `${b.service} ${b.network}` ? -1 : 1));
  }

  /** What is installed for a service, as commands, by network. */
  show(serviceId: string): OffloadCommands[] {
    return [...this.#networks].flatMap(([id, { offload }]) => {
      const commands = offload.show(serviceId);
      return commands.length === 0 ? [] : [{ network: this.#names.get(id) ?? '', commands }];
    });
  }

  /** Flows that the kernel has. A network that cannot be asked shows none; `list` says what is wrong with it. */
  async flows(): Promise<FlowSummary[]> {
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

  async #counts(): Promise<Map<string, KernelCount[]>> {
    const entries = await Promise.all([...this.#networks].map(async ([id, { offload }]) => [id, await offload.counts().catch((): KernelCount[] => [])] as const));
    return new Map(entries);
  }
}

/** Of a service that no sandbox has been told of. */
function whyNothing({ mode }: Candidate, backend: OffloadBackend | undefined): string {
  if (mode === 'never') return OFF;
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
