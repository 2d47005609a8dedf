/**
 * One network sandbox: keeps the driver at what the states of its services say (kernel/offload/state.ts), looks whether it is
 * still there, and mends it. Everything goes through one queue, since a driver's calls must not overlap.
 *
 * With many services a change of one costs by that one: what is the same as before is left as it is until the next tick.
 */
import type { InstalledService, KernelCount, KernelFlow, OffloadDriver, OffloadScheduler, OffloadService, UserspaceFlow } from '../../kernel/offload/driver.js';
import { moduleLack } from '../../kernel/modules/modules.js';
import { problemOf } from '../../kernel/offload/error.js';
import type { Observation, OffloadMemory, OffloadState } from '../../kernel/offload/state.js';
import { PlanSeries, type PlanChanges } from '../../kernel/offload/plans.js';
import { ARMING_MS, firstMemory, phaseOf, step } from '../../kernel/offload/state.js';
import { DEFAULT_TIMEOUTS } from '../../proxy/config/snapshot.js';
import type { Clock } from '../../proxy/time/clock.js';
import { Turns } from '../../proxy/time/turns.js';
import type { Logger } from '../log.js';
import type { Candidate } from './candidates.js';
import { MOST as MOST_ENDED } from './ended.js';
import { HeldVips, PUBLISHED } from './held-vips.js';
import { endpointsGone, plannedOf } from './planned.js';
import { Recent } from './recent.js';
import { sameCandidate, sameWanted } from './same.js';

/** An offloaded service is looked after this often: what another tool removed is back within 3 s. */
const LOOK_MS = 2000;
/** After a long look, so many times as long: on a slow machine, or with very many services, looking is not all that is done. */
const LOOK_REST = 4;

/** Of so many services that go at once the connections are told: each is a process or two. */
const MOST_ASKED = 64;

export interface SandboxFacts {
  readonly network: string;
  readonly subnet: string;
  readonly balancer: string;
}

/** Who balances what the kernel does not. */
export interface Userspace {
  /** Flows that it ever opened for a candidate's present endpoints. */
  opened(candidate: Candidate): number;
  /** Flows of a candidate that go on, but had no packet for `silent` ms. Rejects when they cannot be had. */
  silentFlows(candidate: Candidate, silent: number): Promise<UserspaceFlow[]>;
  /** Why the kernel may not have a candidate now, beside what the candidate says itself. */
  obstacle(candidate: Candidate): string | undefined;
}

export interface SandboxDeps {
  readonly userspace: Userspace;
  readonly markOf: (candidate: Candidate) => Promise<number>;
  /** An earlier agent may have left something installed. */
  readonly leftovers: boolean;
  /** Milliseconds for which endpoints are to be unchanged. */
  readonly after: number;
  /** The first mark there is: what a service without one is judged by. */
  readonly markBase: number;
  /** That this kernel has. */
  readonly schedulers: readonly OffloadScheduler[];
  readonly clock: Clock;
  readonly log: Logger;
  /** `held` is another than before: the data plane is to be told. */
  readonly onHeld: () => void;
  /** These flows had an endpoint that is gone, or a service. Never rejects. */
  readonly onEnded: (flows: readonly KernelFlow[]) => Promise<void>;
}

/** A service here, as it is. */
export interface Offloaded {
  readonly candidate: Candidate;
  readonly memory: OffloadMemory;
  readonly mark: number | undefined;
}

type Look = Observation['installed'];

export class SandboxOffload {
  readonly #services = new Map<string, Offloaded>();
  readonly #held = new HeldVips();
  /** As given last. What `#merge` found to be as before is the same object as before. */
  #candidates: readonly Candidate[] = [];
  #merged: readonly Candidate[] | undefined;
  readonly #refusals = new WeakMap<Candidate['wanted'], { readonly mark: number; readonly refusal: string | undefined }>();
  readonly #plans: PlanSeries;
  /** The last `set` failed, or something else was found than what it had set, or nobody knows yet what is there. */
  #unsure: boolean;
  /** What was found since the last step, in order. */
  #looks: Look[] = [];
  #lookedAt = -Infinity;
  /** When the last plan was installed. */
  #setAt = -Infinity;
  /** Milliseconds that the last look took. */
  #lookTook = 0;
  #adopted: Promise<ReadonlyMap<number, InstalledService>> | undefined;
  readonly #changes = new Turns();
  #left = false;
  readonly #recent: Recent<KernelCount[]>;

  constructor(
    private readonly driver: OffloadDriver,
    private readonly facts: SandboxFacts,
    private readonly deps: SandboxDeps,
  ) {
    const { established, transitory, udp } = DEFAULT_TIMEOUTS;
    this.#plans = new PlanSeries({ subnet: facts.subnet, balancer: facts.balancer, timeouts: { established, closing: transitory, udp } });
    this.#unsure = deps.leftovers;
    this.#recent = new Recent(() => this.#changes.take(() => this.#counts()), deps.clock);
  }

  get services(): readonly Offloaded[] {
    return [...this.#services.values()];
  }

  /** Of a candidate, by its id. */
  known(id: string): Offloaded | undefined {
    return this.#services.get(id);
  }

  /** VIPs of which the kernel has flows, may get some soon, or had some of late. */
  get held(): ReadonlySet<number> {
    return this.#held.vips;
  }

  /** Resolves when what is installed fits the candidates, as far as it can be had. Never rejects. */
  apply(candidates: readonly Candidate[]): Promise<void> {
    this.#candidates = candidates;
    return this.#changes.take(() => this.#apply('changed'));
  }

  /** To be called every second or so: looks after what is installed, and lets time pass for the states. Never rejects. */
  tick(): Promise<void> {
    return this.#changes.take(async () => {
      if (this.#left) return;
      const rest = Math.max(this.#has('arming') ? 0 : LOOK_MS, LOOK_REST * this.#lookTook);
      if (!this.#empty && this.deps.clock.now() - this.#lookedAt >= rest) await this.#look();
      await this.#apply('all');
    });
  }

  /** To be called more often than `tick`: costs next to nothing as long as nobody else was at what is installed. Never rejects. */
  glance(): Promise<void> {
    return this.#changes.take(async () => {
      if (this.#left || this.#unsure || this.#empty || !this.driver.touched()) return;
      await this.#look();
      await this.#apply('all');
    });
  }

  /** The sandbox is about to be removed, or left to another agent: nothing is done in it any more, and what fails meanwhile is nobody's business. */
  leave(): void {
    this.#left = true;
  }

  /** Rejects with OffloadError. */
  flows(): Promise<KernelFlow[]> {
    return this.#changes.take(() => (this.#empty ? Promise.resolve([]) : this.driver.flows()));
  }

  /** Costs by the flow, and is asked for by everything that drains: it may be a little old. Rejects with OffloadError. */
  counts(): Promise<KernelCount[]> {
    return this.#recent.get();
  }

  /** Marks of what is installed for a service. */
  marksOf(serviceId: string): number[] {
    return this.services.flatMap(({ candidate, mark }) => (candidate.serviceId === serviceId && mark !== undefined && this.#plans.service(mark) ? [mark] : []));
  }

  show(serviceId: string): string[] {
    return this.marksOf(serviceId).flatMap((mark) => this.driver.show(mark));
  }

  get driverName(): OffloadDriver['name'] {
    return this.driver.name;
  }

  #counts(): Promise<KernelCount[]> {
    return this.#empty ? Promise.resolve([]) : this.driver.counts();
  }

  /** Nothing is installed, or is to be. */
  get #empty(): boolean {
    return this.#plans.last.services.length === 0;
  }

  #has(...states: readonly OffloadState[]): boolean {
    for (const { memory } of this.#services.values()) if (states.includes(memory.state)) return true;
    return false;
  }

  /** Takes a step with each service, or with those that changed only. */
  async #apply(which: 'all' | 'changed'): Promise<void> {
    const all = which === 'all' || this.#looks.length > 0;
    const looks = this.#looks.length > 0 ? this.#looks.splice(0) : (['none'] as const);
    const inKernel = await this.#inKernel();
    const { changed, gone } = this.#merge();
    const changes = new Map<number, OffloadService | undefined>(gone);
    const taken: Candidate[] = [];
    for (const candidate of all ? this.#candidates : changed) {
      const known = this.#services.get(candidate.id);
      const before = known ?? (await this.#first(candidate));
      let { memory, mark } = before;
      // Of what an earlier agent left nobody was asked yet: as if it had some.
      const flows = known === undefined ? 1 : (inKernel.get(mark ?? -1) ?? 0);
      for (const installed of looks) memory = step(memory, this.#observe(candidate, mark, candidate.held || installed !== 'good' ? installed : 'none', flows));
      if (memory.state !== 'userspace' && mark === undefined) {
        mark = await this.#mark(candidate);
        if (mark === undefined) memory = { ...before.memory, reason: 'it has no packet mark' };
      }
      if (before.memory.state === 'arming' && memory.state === 'offloaded') taken.push(candidate);
      if (memory.state !== 'userspace') this.#held.hold(candidate.vip ?? PUBLISHED, this.deps.clock.now());
      if (memory === before.memory && mark === before.mark && known?.candidate === candidate) continue;
      this.#services.set(candidate.id, { candidate, memory, mark });
      this.#tell(candidate, before.memory, memory);
      if (mark !== undefined && this.#differs(candidate, mark, memory)) changes.set(mark, plannedOf(candidate, mark, memory));
    }
    await this.#install(changes, taken);
    if (all) this.#held.expire(this.deps.clock.now());
    if (this.#held.takeChange()) this.deps.onHeld();
  }

  /** Takes in what was given: which candidates are new or otherwise than before, and the marks that the plan has of services that are gone. */
  #merge(): { readonly changed: readonly Candidate[]; readonly gone: readonly (readonly [number, undefined])[] } {
    if (this.#merged === this.#candidates) return { changed: [], gone: [] };
    const changed: Candidate[] = [];
    let kept = 0;
    const candidates = this.#candidates.map((candidate) => {
      const known = this.#services.get(candidate.id);
      if (known) kept++;
      if (known && sameCandidate(known.candidate, candidate)) return known.candidate;
      changed.push(candidate);
      return candidate;
    });
    this.#merged = this.#candidates = candidates;
    return { changed, gone: kept === this.#services.size ? [] : this.#dropGone() };
  }

  #dropGone(): [number, undefined][] {
    const wanted = new Set(this.#candidates.map(({ id }) => id));
    const gone = [...this.#services].filter(([id]) => !wanted.has(id));
    for (const [id] of gone) this.#services.delete(id);
    return gone.flatMap(([, { mark }]): [number, undefined][] => (mark !== undefined && this.#plans.service(mark) ? [[mark, undefined]] : []));
  }

  /** From what is planned for it. */
  #differs({ wanted }: Candidate, mark: number, { state }: OffloadMemory): boolean {
    const planned = this.#plans.service(mark);
    const phase = phaseOf(state);
    return planned?.phase !== phase || (planned !== undefined && !sameWanted(planned, wanted));
  }

  async #mark(candidate: Candidate): Promise<number | undefined> {
    try {
      return await this.deps.markOf(candidate);
    } catch (error) {
      this.deps.log.warn('offload: no packet mark for a service, trying again', { service: candidate.service, network: this.facts.network, problem: problemOf(error) });
      return undefined;
    }
  }

  /** An earlier agent may have handed it over already. */
  async #first(candidate: Candidate): Promise<Offloaded> {
    this.#adopted ??= this.deps.leftovers ? this.driver.installed().then((left) => new Map(left.map((one) => [one.mark, one])), () => new Map()) : Promise.resolve(new Map());
    const adopted = await this.#adopted;
    const mark = adopted.size > 0 ? await this.#mark(candidate) : undefined;
    return { candidate, mark, memory: firstMemory(this.#observe(candidate, mark, 'none', 0), adopted.get(mark ?? -1)) };
  }

  #observe(candidate: Candidate, mark: number | undefined, installed: Look, inKernel: number): Observation {
    const { clock, after, userspace, markBase } = this.deps;
    return {
      now: clock.now(),
      mode: candidate.mode,
      after,
      obstacle: candidate.obstacle ?? userspace.obstacle(candidate) ?? this.#refusal(candidate, mark ?? markBase) ?? this.#lacks(candidate),
      endpoints: candidate.taking.join(' '),
      opened: userspace.opened(candidate),
      inKernel,
      installed,
    };
  }

  #refusal({ wanted }: Candidate, mark: number): string | undefined {
    const known = this.#refusals.get(wanted);
    if (known?.mark === mark) return known.refusal;
    const refusal = this.driver.refuses({ ...wanted, mark, phase: 'take' });
    this.#refusals.set(wanted, { mark, refusal });
    return refusal;
  }

  #lacks({ wanted: { scheduler } }: Candidate): string | undefined {
    if (this.deps.schedulers.includes(scheduler)) return undefined;
    const what = `this kernel has no scheduler ${scheduler} for ${this.driver.name}`;
    if (this.driver.name !== 'ipvs') return what;
    const { reason, remedy } = moduleLack(what, [`ip_vs_${scheduler}`], { otherwise: 'choose another scheduler' });
    return `${reason}: ${remedy}; then restart the agent`;
  }

  /** Flows by mark, where a state depends on them. */
  async #inKernel(): Promise<ReadonlyMap<number, number>> {
    const sums = new Map<number, number>();
    if (!this.#has('arming', 'draining')) return sums;
    try {
      for (const { mark, flows } of await this.#counts()) sums.set(mark, (sums.get(mark) ?? 0) + flows);
    } catch (error) {
      this.#failed(error);
      // Not known: as if there were some.
      for (const { mark } of this.services) if (mark !== undefined) sums.set(mark, 1);
    }
    return sums;
  }

  async #install(changes: PlanChanges, taken: readonly Candidate[]): Promise<void> {
    if (!this.#unsure && changes.size === 0) return;
    const gone = endpointsGone(changes, (mark) => this.#plans.service(mark));
    const plan = changes.size === 0 ? this.#plans.last : this.#plans.next(changes);
    try {
      for (const candidate of taken) await this.#keep(candidate);
      // Their flows end now, not when they time out.
      for (const { mark, endpoint } of gone) await this.deps.onEnded(await this.driver.end(mark, endpoint));
      const ending = await this.#connections([...changes].flatMap(([mark, after]) => (after === undefined ? [mark] : [])));
      await this.driver.set(plan);
      this.#setAt = this.deps.clock.now();
      this.#recent.forget();
      if (plan.services.length === 0) await this.driver.remove();
      this.#unsure = false;
      if (ending.length > 0) await this.deps.onEnded(ending);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Of services that go, as long as it is known whose they are. */
  async #connections(marks: readonly number[]): Promise<readonly KernelFlow[]> {
    if (marks.length === 0) return [];
    try {
      return await this.driver.connections(marks.slice(0, MOST_ASKED), MOST_ENDED);
    } catch {
      // They end in any case, and notice with their next packet.
      return [];
    }
  }

  /** Flows of userspace that the kernel cannot have seen while it watched, which on a slow machine it has not done for as long as the service is armed. */
  async #keep(candidate: Candidate): Promise<void> {
    const flows = await this.deps.userspace.silentFlows(candidate, Math.min(ARMING_MS, this.deps.clock.now() - this.#setAt));
    if (flows.length > 0) await this.driver.keep(flows);
  }

  async #look(): Promise<void> {
    this.#lookedAt = this.deps.clock.now();
    const problems = await this.#problems();
    this.#lookTook = this.deps.clock.now() - this.#lookedAt;
    if (this.#left) return;
    if (problems.length === 0) return void this.#looks.push('good');
    const [problem = ''] = problems;
    this.deps.log.warn('offload: what is installed is not as it should be, mending it', { network: this.facts.network, problem, problems: problems.length });
    this.#looks.push({ failed: problem });
    try {
      await this.driver.set(this.#plans.last);
      const left = await this.#problems();
      this.#looks.push(left[0] === undefined ? 'good' : { failed: left[0] });
      this.#unsure = left.length > 0;
    } catch (error) {
      this.#failed(error);
    }
  }

  async #problems(): Promise<string[]> {
    try {
      return await this.driver.verify();
    } catch (error) {
      return [problemOf(error)];
    }
  }

  #failed(error: unknown): void {
    if (this.#left) return;
    this.#unsure = true;
    const failed = problemOf(error);
    this.#looks.push({ failed });
    this.deps.log.warn('offload: the kernel could not be told', { network: this.facts.network, problem: failed });
  }

  #tell({ service, published }: Candidate, before: OffloadMemory, after: OffloadMemory): void {
    if (before.state === after.state) return;
    this.deps.log.info('offload', { service, ...(published && { port: published.text }), network: this.facts.network, from: before.state, to: after.state, ...(after.reason !== undefined && { reason: after.reason }) });
  }
}
