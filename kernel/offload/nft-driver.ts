/**
 * Offload by nftables, for kernels without IPVS and for rootless nodes: DNAT of new flows to the endpoints in turn, and the
 * balancer address as their source. What is installed is laid out in nft-layout.ts.
 *
 * A flow belongs to the kernel or to userspace by its conntrack entry: the kernel decides on NAT once, before the entry is
 * confirmed. So flows known before `take` stay with userspace, and those of the kernel go on after `finish`, without any rule.
 */
import type { NewEntry, TrackedFlow } from '../conntrack/flow.js';
import { addEntries, deleteEntries, trackedFlows, type MarkMatch } from '../conntrack/tool.js';
import { applyCommands, NftError, readTable } from '../nftables/apply.js';
import { describeDifferences, diffTables } from '../nftables/diff.js';
import { NftOutputError } from '../nftables/read.js';
import { commandText, type Command } from '../nftables/render.js';
import type { Chain, Table } from '../nftables/table.js';
import type { Namespace } from '../netns/netns.js';
import {
  DEFAULT_MARK_BASE,
  MARK_SPAN,
  OffloadError,
  type DriverOptions,
  type KernelCount,
  type KernelFlow,
  type OffloadDriver,
  type OffloadEndpoint,
  type OffloadPlan,
  type OffloadService,
  type UserspaceFlow,
} from './driver.js';
import { baseChains, conntrackMarks, marksOf, refusal, servicePart, serviceMark, TABLE, tableOf, takenMarks, type ServicePart } from './nft-layout.js';
import { applySettings, describeSettings, fullness, settingsOf } from './nft-settings.js';

interface Installed {
  readonly service: OffloadService;
  readonly part: ServicePart;
}

/** What was set last. */
interface State {
  readonly plan: OffloadPlan;
  readonly base: readonly (readonly [string, Chain])[];
  readonly services: ReadonlyMap<number, Installed>;
}

export class NftDriver implements OffloadDriver {
  readonly name = 'nft';
  readonly #namespace: Namespace;
  readonly #markBase: number;
  #state: State | undefined;
  /** Whether what is installed is what #state says, as far as we know. */
  #known = false;

  constructor(namespace: Namespace, { markBase = DEFAULT_MARK_BASE }: DriverOptions = {}) {
    this.#namespace = namespace;
    this.#markBase = markBase;
  }

  refuses(service: OffloadService): string | undefined {
    return refusal(service);
  }

  set(plan: OffloadPlan): Promise<void> {
    return explained(async () => {
      for (const service of plan.services) {
        const reason = refusal(service);
        if (reason !== undefined) throw new OffloadError(reason);
      }
      const before = this.#known ? this.#state : undefined;
      const state = this.#next(plan);
      this.#state = state;
      // Until all is done, nobody knows.
      this.#known = false;
      const gone = before ? await this.#change(before, state) : await this.#adopt(state);
      await this.#forget(gone);
      if (plan.services.length > 0) {
        applySettings(this.#namespace, settingsOf(plan.timeouts));
        const full = fullness(this.#namespace);
        if (full) throw full;
      }
      this.#known = true;
    });
  }

  /** What did not change is the same object as before: the rest costs by the change. */
  #next(plan: OffloadPlan): State {
    const before = this.#state;
    const same = before?.plan.subnet === plan.subnet && before.plan.balancer === plan.balancer;
    const services = plan.services.map((service): [number, Installed] => {
      const there = before?.services.get(service.mark);
      return [service.mark, there && sameService(there.service, service) ? there : { service, part: servicePart(service) }];
    });
    return { plan, base: same ? before.base : baseChains(plan, this.#markBase), services: new Map(services) };
  }

  /** From what we know to be there. Answers the marks that are gone. */
  async #change(before: State, after: State): Promise<number[]> {
    const changed = (from: State, to: State): ServicePart[] => [...from.services].flatMap(([mark, installed]) => (to.services.get(mark) === installed ? [] : [installed.part]));
    const from = before.services.size === 0 ? undefined : tableOf(before.base, changed(before, after));
    await this.#install(from, after, changed(after, before));
    return [...before.services.keys()].filter((mark) => !after.services.has(mark));
  }

  /** From what is there, whoever put it there. */
  async #adopt(after: State): Promise<number[]> {
    const there = await readTable(this.#namespace, TABLE);
    await this.#install(there, after, partsOf(after));
    return there ? marksOf(there).filter((mark) => !after.services.has(mark)) : [];
  }

  async #install(from: Table | undefined, after: State, parts: readonly ServicePart[]): Promise<void> {
    // Without a service no packet is to be tracked.
    const without: Command[] = from ? [{ do: 'delete-table' }] : [];
    await applyCommands(this.#namespace, TABLE, after.services.size === 0 ? without : diffTables(from, tableOf(after.base, parts)));
  }

  verify(): Promise<string[]> {
    return explained(async () => {
      const state = this.#state;
      if (!state) return [];
      const there = await readTable(this.#namespace, TABLE);
      const found =
        state.services.size === 0
          ? there
            ? [`there is a table ip ${TABLE}, though nothing is offloaded`]
            : []
          : [...describeDifferences(tableOf(state.base, partsOf(state)), there), ...describeSettings(this.#namespace, settingsOf(state.plan.timeouts))];
      const full = state.services.size > 0 ? fullness(this.#namespace) : undefined;
      // The next set starts from what is there.
      this.#known = found.length === 0;
      return [...found, ...(full ? [full.message] : [])];
    });
  }

  installed(): Promise<readonly number[]> {
    return explained(async () => {
      const there = await this.#read();
      return there ? takenMarks(there) : [];
    });
  }

  keep(flows: readonly UserspaceFlow[]): Promise<void> {
    return explained(async () => {
      const plan = this.#state?.plan;
      if (!plan) throw new OffloadError('nothing is installed yet');
      await addEntries(this.#namespace, flows.flatMap((flow) => keptEntries(flow, plan)));
    });
  }

  flows(): Promise<KernelFlow[]> {
    return explained(async () => (await this.#tracked()).map(kernelFlow));
  }

  async #tracked(mark?: MarkMatch): Promise<TrackedFlow[]> {
    return (await trackedFlows(this.#namespace, mark)).filter((flow) => isTranslated(flow) && this.#isOurs(serviceMark(flow.mark)));
  }

  #isOurs(mark: number): boolean {
    return (mark >= this.#markBase && mark < this.#markBase + MARK_SPAN) || (this.#state?.services.has(mark) ?? false);
  }

  /** Costs by the flow: conntrack does not keep a count. Of those that have ended it knows nothing. */
  async counts(): Promise<KernelCount[]> {
    const counts = new Map<string, KernelCount>();
    const key = (mark: number, address: string, port: number): string => `${mark} ${address} ${port}`;
    const services = this.#state?.services ?? new Map<number, Installed>();
    for (const [mark, { service }] of services) {
      for (const { address, port } of service.endpoints) counts.set(key(mark, address, port), { mark, address, port, flows: 0, connections: 0, bytes: 0 });
    }
    for (const { mark, reply, bytes } of await explained(() => this.#tracked())) {
      const of = [reply.sourcePort, 0].map((port) => key(serviceMark(mark), reply.source, port)).find((name) => counts.has(name));
      const count = of === undefined ? undefined : counts.get(of);
      if (count) counts.set(of!, { ...count, flows: count.flows + 1, bytes: count.bytes + bytes });
    }
    return [...counts.values()];
  }

  end(mark: number, endpoint: Pick<OffloadEndpoint, 'address' | 'port'>): Promise<KernelFlow[]> {
    return explained(async () => {
      const state = this.#state;
      const service = state?.services.get(mark)?.service;
      const is = ({ address, port }: OffloadEndpoint): boolean => address === endpoint.address && port === endpoint.port;
      if (state && service?.endpoints.some(is)) {
        const without = { ...service, endpoints: service.endpoints.filter((one) => !is(one)) };
        await this.set({ ...state.plan, services: state.plan.services.map((one) => (one.mark === mark ? without : one)) });
      }
      const marks = conntrackMarks(mark);
      const { address, port } = endpoint;
      const theirs = (await this.#tracked(marks)).filter(({ reply }) => reply.source === address && (port === 0 || reply.sourcePort === port));
      const match = { mark: marks, replySource: address };
      if (port === 0) await deleteEntries(this.#namespace, match);
      else for (const protocol of ['tcp', 'udp'] as const) await deleteEntries(this.#namespace, { ...match, replyPort: { protocol, number: port } });
      return theirs.map(kernelFlow);
    });
  }

  show(mark: number): string[] {
    const state = this.#state;
    const installed = state?.services.get(mark);
    if (!state || !installed) return [];
    // The table as if this service were the only one.
    return diffTables(undefined, tableOf(state.base, [installed.part])).map((command) => `nft '${commandText(TABLE, command)}'`);
  }

  /** What is there; where there is no nftables, nothing is. */
  async #read(): Promise<Table | undefined> {
    try {
      return await readTable(this.#namespace, TABLE);
    } catch (error) {
      if (error instanceof NftError && error.unavailable) return undefined;
      throw error;
    }
  }

  remove(): Promise<void> {
    return explained(async () => {
      this.#state = undefined;
      this.#known = false;
      const there = await this.#read();
      if (there) await applyCommands(this.#namespace, TABLE, [{ do: 'delete-table' }]);
      const marks = new Set(there ? marksOf(there) : []);
      // Also of a table that somebody else has deleted; a host without conntrack(8) never had one.
      const tracked = await trackedFlows(this.#namespace).catch((error: unknown) => {
        if (there) throw error;
        return [];
      });
      const left = tracked.filter(isTranslated).map(({ mark }) => serviceMark(mark));
      await this.#forget(new Set(left.filter((mark) => marks.has(mark) || this.#isOurs(mark))));
    });
  }

  /** The flows of services that are gone. */
  async #forget(marks: Iterable<number>): Promise<void> {
    for (const mark of marks) await deleteEntries(this.#namespace, { mark: conntrackMarks(mark) });
  }
}

function partsOf(state: State): ServicePart[] {
  return [...state.services.values()].map(({ part }) => part);
}

function sameService(a: OffloadService, b: OffloadService): boolean {
  return (
    a === b ||
    (a.address === b.address &&
      a.port?.protocol === b.port?.protocol &&
      a.port?.number === b.port?.number &&
      a.scheduler === b.scheduler &&
      a.phase === b.phase &&
      (a.endpoints === b.endpoints || (a.endpoints.length === b.endpoints.length && a.endpoints.every((endpoint, index) => sameEndpoint(endpoint, b.endpoints[index]!)))))
  );
}

function sameEndpoint(a: OffloadEndpoint, b: OffloadEndpoint): boolean {
  return a.address === b.address && a.port === b.port && a.weight === b.weight;
}

/** TCP from the client needs none: its later packets begin nothing. */
function keptEntries(flow: UserspaceFlow, { balancer, timeouts }: OffloadPlan): NewEntry[] {
  const { protocol, client, clientPort, virtual, virtualPort, endpoint, endpointPort, balancerPort } = flow;
  const timeout = protocol === 'tcp' ? timeouts.established : timeouts.udp;
  const toEndpoint = { protocol, timeout, source: balancer, sourcePort: balancerPort, destination: endpoint, destinationPort: endpointPort };
  return protocol === 'tcp' ? [toEndpoint] : [{ protocol, timeout, source: client, sourcePort: clientPort, destination: virtual, destinationPort: virtualPort }, toEndpoint];
}

function isTranslated({ original, reply }: TrackedFlow): boolean {
  return original.destination !== reply.source || original.destinationPort !== reply.sourcePort;
}

function kernelFlow({ mark, protocol, original, reply, state, expires, bytes }: TrackedFlow): KernelFlow {
  return {
    mark: serviceMark(mark),
    protocol,
    client: `${original.source}:${original.sourcePort}`,
    virtual: `${original.destination}:${original.destinationPort}`,
    endpoint: `${reply.source}:${reply.sourcePort}`,
    state,
    expires,
    bytes,
  };
}

/** Whatever failed below is an OffloadError. */
async function explained<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NftError) throw new OffloadError(error.message, error.remedy);
    if (error instanceof NftOutputError) throw new OffloadError(error.message, 'use nft 1.0 or newer, built with JSON');
    throw error;
  }
}
