/**
 * Offload by nftables, for kernels without IPVS and for rootless nodes: DNAT of new flows to the endpoints in turn, and the
 * balancer address as their source. What is installed is laid out in nft-layout.ts.
 *
 * A flow belongs to the kernel or to userspace by its conntrack entry: the kernel decides on NAT once, before the entry is
 * confirmed. So flows known before `take` stay with userspace, and those of the kernel go on after `finish`, without any rule.
 */
import type { NewEntry, TrackedFlow } from '../conntrack/flow.js';
import { addEntries, countedFlows, deleteEntries, trackedFlows, type TrackedMatch } from '../conntrack/tool.js';
import { applyCommands, NftError, readTable } from '../nftables/apply.js';
import { describeDifferences, diffTables } from '../nftables/diff.js';
import { NftOutputError } from '../nftables/read.js';
import { commandText, type Command } from '../nftables/render.js';
import type { Chain, Table } from '../nftables/table.js';
import { generationOf, transact } from '../nftables/transaction.js';
import type { Namespace } from '../netns/netns.js';
import {
  DEFAULT_MARK_BASE,
  MARK_SPAN,
  OffloadError,
  type DriverOptions,
  type InstalledService,
  type KernelCount,
  type KernelFlow,
  type OffloadDriver,
  type OffloadEndpoint,
  type OffloadPlan,
  type OffloadService,
  type UserspaceFlow,
} from './driver.js';
import { connectionsOf, isTranslated, kernelFlow } from './kernel-flow.js';
import { baseChains, conntrackMarks, marksOf, refusal, servicePart, serviceMark, TABLE, tableOf, takenMarks, type ServicePart } from './nft-layout.js';
import { applySettings, describeSettings, fullness, settingsOf } from './nft-settings.js';
import { changesSince, planWith } from './plans.js';

/** Services whose flows are forgotten without asking first whether there are any. */
const FEW = 8;

interface Installed {
  readonly service: OffloadService;
  readonly part: ServicePart;
}

type Base = readonly (readonly [string, Chain])[];

/** One service: as it was, and as it is to be. */
interface Change {
  readonly before?: Installed | undefined;
  readonly after?: Installed;
}

export class NftDriver implements OffloadDriver {
  readonly name = 'nft';
  readonly #namespace: Namespace;
  readonly #markBase: number;
  /** What was set last, by mark: whatever does not change stays the same object, so that a set costs by the change. */
  readonly #services = new Map<number, Installed>();
  #plan: OffloadPlan | undefined;
  #base: Base = [];
  /** Whether what is installed is what was set, as far as we know. */
  #known = false;
  /** Of the ruleset, when what is installed was read, or has come about by us alone since: nobody has changed anything as long as it is that. */
  #generation: number | undefined;

  constructor(namespace: Namespace, { markBase = DEFAULT_MARK_BASE }: DriverOptions = {}) {
    this.#namespace = namespace;
    this.#markBase = markBase;
  }

  refuses(service: OffloadService): string | undefined {
    return refusal(service);
  }

  set(plan: OffloadPlan): Promise<void> {
    return explained(async () => {
      const [known, base, last] = [this.#known, this.#base, this.#plan];
      const empty = this.#services.size === 0;
      const changes = this.#changesTo(plan);
      // Until all is done, nobody knows.
      this.#known = false;
      this.#plan = plan;
      if (last?.subnet !== plan.subnet || last.balancer !== plan.balancer) this.#base = baseChains(plan, this.#markBase);
      for (const { before, after } of changes) {
        if (after) this.#services.set(after.service.mark, after);
        else if (before) this.#services.delete(before.service.mark);
      }
      if (known) await this.#change(changes, empty ? undefined : base);
      else await this.#adopt();
      if (plan.services.length > 0) {
        if (!known || !sameTimeouts(last, plan)) applySettings(this.#namespace, settingsOf(plan.timeouts));
        const full = fullness(this.#namespace);
        if (full) throw full;
      }
      this.#known = true;
    });
  }

  /** Throws OffloadError for a service that is refused; then nothing was changed. */
  #changesTo(plan: OffloadPlan): Change[] {
    const noted = this.#known ? changesSince(this.#plan, plan) : undefined;
    if (noted) return [...noted].flatMap(([mark, service]) => this.#changeTo(mark, service) ?? []);
    const { services } = plan;
    const changes: Change[] = [];
    let added = 0;
    for (const service of services) {
      const change = this.#changeTo(service.mark, service);
      if (!change) continue;
      if (!change.before) added++;
      changes.push(change);
    }
    if (this.#services.size + added > services.length) {
      const wanted = new Set(services.map(({ mark }) => mark));
      for (const [mark, before] of this.#services) if (!wanted.has(mark)) changes.push({ before });
    }
    return changes;
  }

  /** undefined: none. Throws OffloadError for a service that is refused. */
  #changeTo(mark: number, service: OffloadService | undefined): Change | undefined {
    const before = this.#services.get(mark);
    if (!service) return before && { before };
    if (before && sameService(before.service, service)) return undefined;
    const reason = service.phase === 'finish' ? undefined : refusal(service);
    if (reason !== undefined) throw new OffloadError(reason);
    return { before, after: { service, part: servicePart(service) } };
  }

  /** From what we know to be there: `base`, or nothing at all. */
  async #change(changes: readonly Change[], base: Base | undefined): Promise<void> {
    const parts = (which: 'before' | 'after'): ServicePart[] => changes.flatMap((change) => change[which]?.part ?? []);
    await this.#install(base && tableOf(base, parts('before')), parts('after'));
    await this.#forget(changes.flatMap(({ before, after }) => (before && !after ? [before.service.mark] : [])));
  }

  /** From what is there, whoever put it there. */
  async #adopt(): Promise<void> {
    const there = await readTable(this.#namespace, TABLE);
    await this.#install(there, this.#parts());
    if (there) await this.#forget(marksOf(there).filter((mark) => !this.#services.has(mark)));
  }

  #parts(): ServicePart[] {
    return [...this.#services.values()].map(({ part }) => part);
  }

  async #install(from: Table | undefined, parts: readonly ServicePart[]): Promise<void> {
    // Without a service no packet is to be tracked.
    const without: Command[] = from ? [{ do: 'delete-table' }] : [];
    const to = tableOf(this.#base, parts);
    const commands = this.#services.size === 0 ? without : diffTables(from, to);
    if (commands.length === 0) return;
    const [verified, generation] = [this.#generation, this.#generation ?? generationOf(this.#namespace)];
    this.#generation = undefined;
    if (generation === undefined || !(await this.#transact(commands, to, generation))) {
      await applyCommands(this.#namespace, TABLE, commands);
    } else if (verified !== undefined && generationOf(this.#namespace) === following(verified)) {
      this.#generation = following(verified);
    }
  }

  async #transact(commands: readonly Command[], { maps }: Table, generation: number): Promise<boolean> {
    try {
      return await transact(this.#namespace, TABLE, commands, maps, generation);
    } catch {
      // nft says in words what is wrong.
      return false;
    }
  }

  touched(): boolean {
    return this.#generation !== undefined && generationOf(this.#namespace) !== this.#generation;
  }

  verify(): Promise<string[]> {
    return explained(async () => {
      const plan = this.#plan;
      if (!plan) return [];
      const serves = this.#services.size > 0;
      const found = [...(await this.#differences()), ...(serves ? describeSettings(this.#namespace, settingsOf(plan.timeouts)) : [])];
      const full = serves ? fullness(this.#namespace) : undefined;
      // The next set starts from what is there.
      this.#known = found.length === 0;
      return [...found, ...(full ? [full.message] : [])];
    });
  }

  /** Reads the table only when somebody may have changed it: it may be large. */
  async #differences(): Promise<string[]> {
    const generation = generationOf(this.#namespace);
    if (this.#known && generation !== undefined && generation === this.#generation) return [];
    this.#generation = undefined;
    const there = await readTable(this.#namespace, TABLE);
    if (this.#services.size === 0) return there ? [`there is a table ip ${TABLE}, though nothing is offloaded`] : [];
    const found = describeDifferences(tableOf(this.#base, this.#parts()), there, this.#namespace.name);
    if (found.length === 0 && generationOf(this.#namespace) === generation) this.#generation = generation;
    return found;
  }

  installed(): Promise<readonly InstalledService[]> {
    return explained(async () => {
      const there = await this.#read();
      if (there) {
        const taken = new Set(takenMarks(there));
        return marksOf(there).map((mark) => ({ mark, takes: taken.has(mark) }));
      }
      // Whoever takes the table away himself forgets its flows: it was flushed, as long as there are some.
      const tracked = await this.#tracked({});
      return [...new Set(tracked.map(({ mark }) => serviceMark(mark)))].map((mark) => ({ mark, takes: true }));
    });
  }

  keep(flows: readonly UserspaceFlow[]): Promise<void> {
    return explained(async () => {
      const plan = this.#plan;
      if (!plan) throw new OffloadError('nothing is installed yet');
      await addEntries(this.#namespace, flows.flatMap((flow) => keptEntries(flow, plan)));
    });
  }

  flows(): Promise<KernelFlow[]> {
    return explained(async () => (await this.#tracked({})).map((flow) => kernelFlow(flow, serviceMark(flow.mark))));
  }

  connections(marks: readonly number[], most: number): Promise<KernelFlow[]> {
    return explained(() => connectionsOf(this.#namespace, marks.map((mark) => [mark, conntrackMarks(mark)] as const), most));
  }

  async #tracked(match: TrackedMatch): Promise<TrackedFlow[]> {
    return (await trackedFlows(this.#namespace, match)).filter((flow) => isTranslated(flow) && this.#isOurs(serviceMark(flow.mark)));
  }

  #isOurs(mark: number): boolean {
    return (mark >= this.#markBase && mark < this.#markBase + MARK_SPAN) || this.#services.has(mark);
  }

  /** Costs by the flow: conntrack does not keep a count. Of those that have ended it knows nothing. */
  async counts(): Promise<KernelCount[]> {
    const counts = new Map<string, KernelCount>();
    const key = (mark: number, address: string, port: number): string => `${mark} ${address} ${port}`;
    for (const [mark, { service }] of this.#services) {
      for (const { address, port } of service.endpoints) counts.set(key(mark, address, port), { mark, address, port, flows: 0, connections: 0, bytes: 0 });
    }
    for (const { mark, address, port, flows, bytes } of await explained(() => countedFlows(this.#namespace))) {
      const of = [port, 0].map((known) => key(serviceMark(mark), address, known)).find((name) => counts.has(name));
      const count = of === undefined ? undefined : counts.get(of);
      if (count) counts.set(of!, { ...count, flows: count.flows + flows, bytes: count.bytes + bytes });
    }
    return [...counts.values()];
  }

  end(mark: number, endpoint: Pick<OffloadEndpoint, 'address' | 'port'>): Promise<KernelFlow[]> {
    return explained(async () => {
      const plan = this.#plan;
      const service = this.#services.get(mark)?.service;
      const is = ({ address, port }: OffloadEndpoint): boolean => address === endpoint.address && port === endpoint.port;
      if (plan && service?.endpoints.some(is)) {
        const without = { ...service, endpoints: service.endpoints.filter((one) => !is(one)) };
        await this.set(planWith(plan, without));
      }
      const marks = conntrackMarks(mark);
      const { address, port } = endpoint;
      const theirs = (await this.#tracked({ mark: marks, replySource: address, which: 'open' })).filter(({ reply }) => (port === 0 || reply.sourcePort === port));
      const match = { mark: marks, replySource: address };
      if (port === 0) await deleteEntries(this.#namespace, match);
      else for (const protocol of ['tcp', 'udp'] as const) await deleteEntries(this.#namespace, { ...match, replyPort: { protocol, number: port } });
      return theirs.map((flow) => kernelFlow(flow, mark));
    });
  }

  show(mark: number): string[] {
    const installed = this.#services.get(mark);
    if (!installed) return [];
    // The table as if this service were the only one.
    return diffTables(undefined, tableOf(this.#base, [installed.part])).map((command) => `nft '${commandText(TABLE, command)}'`);
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
      this.#plan = undefined;
      this.#services.clear();
      this.#known = false;
      this.#generation = undefined;
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
    let those = new Set(marks);
    // Deleting is a process for each service: of many, only those that have flows.
    if (those.size > FEW) {
      const having = new Set((await trackedFlows(this.#namespace)).map(({ mark }) => serviceMark(mark)));
      those = new Set([...those].filter((mark) => having.has(mark)));
    }
    for (const mark of those) await deleteEntries(this.#namespace, { mark: conntrackMarks(mark) });
  }
}

/** The kernel counts past 0. */
function following(generation: number): number {
  return generation === 0xffffffff ? 1 : generation + 1;
}

function sameTimeouts(a: OffloadPlan | undefined, b: OffloadPlan): boolean {
  return a?.timeouts.established === b.timeouts.established && a.timeouts.closing === b.timeouts.closing && a.timeouts.udp === b.timeouts.udp;
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
