/**
 * One network sandbox: keeps the driver at what the states of its services say (kernel/offload/state.ts), looks whether it is
 * still there, and mends it. Everything goes through one queue, since a driver's calls must not overlap.
 */
import type { KernelCount, KernelFlow, OffloadDriver, OffloadPlan, OffloadScheduler, OffloadService } from '../../kernel/offload/driver.js';
import { OffloadError } from '../../kernel/offload/driver.js';
import type { Observation, OffloadMemory } from '../../kernel/offload/state.js';
import { ARMING_MS, firstMemory, phaseOf, step } from '../../kernel/offload/state.js';
import { DEFAULT_TIMEOUTS } from '../../proxy/config/snapshot.js';
import type { Dataplane } from '../../proxy/dataplane/handle.js';
import { formatIpv4 } from '../../proxy/net/addr.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { Logger } from '../log.js';
import type { Candidate } from './candidates.js';

/** An offloaded service is looked after this often: what another tool removed is back within 3 s. */
const LOOK_MS = 2000;
/** For so long after the kernel had a service, a segment of a flow that userspace does not know may still be one of the kernel's. */
const HELD_MS = 5000;

export interface SandboxFacts {
  readonly network: string;
  readonly subnet: string;
  readonly balancer: string;
  /** Of the data plane. */
  readonly index: number;
}

export interface SandboxDeps {
  readonly dataplane: Pick<Dataplane, 'opened' | 'silentFlows'>;
  /** The packet mark of a service here. */
  readonly markOf: (serviceId: string) => Promise<number>;
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
  /** Until when each VIP is held. */
  readonly #heldUntil = new Map<number, number>();
  #candidates: readonly Candidate[] = [];
  #plan: OffloadPlan;
  /** The last `set` failed, or something else was found than what it had set, or nobody knows yet what is there. */
  #unsure: boolean;
  /** What was found since the last step, in order. */
  #looks: Look[] = [];
  #lookedAt = -Infinity;
  #adopted: Promise<ReadonlySet<number>> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly driver: OffloadDriver,
    private readonly facts: SandboxFacts,
    private readonly deps: SandboxDeps,
  ) {
    this.#plan = this.#planOf([]);
    this.#unsure = deps.leftovers;
  }

  get services(): readonly Offloaded[] {
    return [...this.#services.values()];
  }

  /** VIPs of which the kernel has flows, may get some soon, or had some of late. */
  get held(): ReadonlySet<number> {
    return new Set(this.#heldUntil.keys());
  }

  /** Resolves when what is installed fits the candidates, as far as it can be had. Never rejects. */
  apply(candidates: readonly Candidate[]): Promise<void> {
    this.#candidates = candidates;
    return this.#after(() => this.#apply());
  }

  /** To be called every second or so: looks after what is installed, and lets time pass for the states. Never rejects. */
  tick(): Promise<void> {
    return this.#after(async () => {
      const { clock } = this.deps;
      const eager = this.services.some(({ memory }) => memory.state === 'arming');
      if (this.#plan.services.length > 0 && (eager || clock.now() - this.#lookedAt >= LOOK_MS)) await this.#look();
      await this.#apply();
    });
  }

  /** Rejects with OffloadError. */
  flows(): Promise<KernelFlow[]> {
    return this.#after(() => (this.#plan.services.length === 0 ? Promise.resolve([]) : this.driver.flows()));
  }

  /** Rejects with OffloadError. */
  counts(): Promise<KernelCount[]> {
    return this.#after(() => this.#counts());
  }

  show(serviceId: string): string[] {
    const mark = this.#services.get(serviceId)?.mark;
    return mark === undefined || !this.#plan.services.some((service) => service.mark === mark) ? [] : this.driver.show(mark);
  }

  get driverName(): OffloadDriver['name'] {
    return this.driver.name;
  }

  #after<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #counts(): Promise<KernelCount[]> {
    return this.#plan.services.length === 0 ? Promise.resolve([]) : this.driver.counts();
  }

  async #apply(): Promise<void> {
    const looks = this.#looks.length > 0 ? this.#looks.splice(0) : (['none'] as const);
    const inKernel = await this.#inKernel();
    const wanted = new Set(this.#candidates.map(({ serviceId }) => serviceId));
    for (const serviceId of this.#services.keys()) if (!wanted.has(serviceId)) this.#services.delete(serviceId);
    const taken: Candidate[] = [];
    for (const candidate of this.#candidates) {
      const before = this.#services.get(candidate.serviceId) ?? (await this.#first(candidate));
      let { memory, mark } = before;
      for (const installed of looks) memory = step(memory, this.#observe(candidate, mark, candidate.held || installed !== 'good' ? installed : 'none', inKernel.get(mark ?? -1) ?? 0));
      if (memory.state !== 'userspace' && mark === undefined) {
        mark = await this.#mark(candidate);
        if (mark === undefined) memory = { ...before.memory, reason: 'it has no packet mark' };
      }
      if (before.memory.state === 'arming' && memory.state === 'offloaded') taken.push(candidate);
      this.#services.set(candidate.serviceId, { candidate, memory, mark });
      this.#tell(candidate, before.memory, memory);
    }
    await this.#install(taken);
    this.#hold();
  }

  #hold(): void {
    const now = this.deps.clock.now();
    const before = [...this.#heldUntil.keys()].join();
    for (const [vip, until] of this.#heldUntil) if (until <= now) this.#heldUntil.delete(vip);
    for (const { candidate, memory } of this.services) if (memory.state !== 'userspace') this.#heldUntil.set(candidate.vip, now + HELD_MS);
    if ([...this.#heldUntil.keys()].join() !== before) this.deps.onHeld();
  }

  async #mark(candidate: Candidate): Promise<number | undefined> {
    try {
      return await this.deps.markOf(candidate.serviceId);
    } catch (error) {
      this.deps.log.warn('offload: no packet mark for a service, trying again', { service: candidate.service, network: this.facts.network, problem: messageOf(error) });
      return undefined;
    }
  }

  /** An earlier agent may have handed it over already. */
  async #first(candidate: Candidate): Promise<Offloaded> {
    this.#adopted ??= this.deps.leftovers ? this.driver.installed().then((marks) => new Set(marks), () => new Set()) : Promise.resolve(new Set());
    const adopted = await this.#adopted;
    const mark = adopted.size > 0 ? await this.#mark(candidate) : undefined;
    return { candidate, mark, memory: firstMemory(this.#observe(candidate, mark, 'none', 0), mark !== undefined && adopted.has(mark)) };
  }

  #observe(candidate: Candidate, mark: number | undefined, installed: Look, inKernel: number): Observation {
    const { clock, after, dataplane, markBase } = this.deps;
    return {
      now: clock.now(),
      mode: candidate.mode,
      after,
      obstacle: candidate.obstacle ?? this.#lacks(candidate) ?? this.driver.refuses({ ...candidate.wanted, mark: mark ?? markBase, phase: 'take' }),
      endpoints: candidate.taking.join(' '),
      opened: candidate.taking.reduce((sum, id) => sum + dataplane.opened(this.facts.index, id), 0),
      inKernel,
      installed,
    };
  }

  #lacks({ wanted: { scheduler } }: Candidate): string | undefined {
    return this.deps.schedulers.includes(scheduler) ? undefined : `this kernel has no scheduler ${scheduler} for ${this.driver.name}`;
  }

  /** Flows by mark, where a state depends on them. */
  async #inKernel(): Promise<ReadonlyMap<number, number>> {
    const sums = new Map<number, number>();
    if (!this.services.some(({ memory }) => memory.state === 'arming' || memory.state === 'draining')) return sums;
    try {
      for (const { mark, flows } of await this.#counts()) sums.set(mark, (sums.get(mark) ?? 0) + flows);
    } catch (error) {
      this.#failed(error);
      // Not known: as if there were some.
      for (const { mark } of this.services) if (mark !== undefined) sums.set(mark, 1);
    }
    return sums;
  }

  #planOf(services: readonly OffloadService[]): OffloadPlan {
    const { subnet, balancer } = this.facts;
    const { established, transitory, udp } = DEFAULT_TIMEOUTS;
    return { subnet, balancer, timeouts: { established, closing: transitory, udp }, services };
  }

  async #install(taken: readonly Candidate[]): Promise<void> {
    const services = this.services.flatMap(({ candidate, memory, mark }): OffloadService[] => {
      const phase = phaseOf(memory.state);
      return phase === undefined || mark === undefined ? [] : [{ ...candidate.wanted, mark, phase }];
    });
    const plan = this.#planOf(services);
    if (!this.#unsure && JSON.stringify(plan) === JSON.stringify(this.#plan)) return;
    const before = this.#plan;
    this.#plan = plan;
    try {
      for (const candidate of taken) await this.#keep(candidate);
      await this.#endGone(before, plan);
      await this.driver.set(plan);
      if (services.length === 0) await this.driver.remove();
      this.#unsure = false;
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Flows of userspace that the kernel cannot have seen while it watched. */
  async #keep({ vip, wanted }: Candidate): Promise<void> {
    const flows = this.deps.dataplane.silentFlows(this.facts.index, vip, ARMING_MS);
    if (flows.length === 0) return;
    await this.driver.keep(flows.map((flow) => ({ ...flow, client: formatIpv4(flow.client), virtual: wanted.address, virtualPort: flow.vipPort, endpoint: formatIpv4(flow.endpoint) })));
  }

  /** Endpoints that are there no more: their flows end now, not when they time out. */
  async #endGone(before: OffloadPlan, after: OffloadPlan): Promise<void> {
    const now = new Map(after.services.map((service) => [service.mark, new Set(service.endpoints.map(({ address }) => address))]));
    for (const { mark, endpoints } of before.services) {
      const left = now.get(mark);
      if (left === undefined) continue;
      for (const endpoint of endpoints) if (!left.has(endpoint.address)) await this.driver.end(mark, endpoint);
    }
  }

  async #look(): Promise<void> {
    this.#lookedAt = this.deps.clock.now();
    const problems = await this.#problems();
    if (problems.length === 0) {
      this.#looks.push('good');
      return;
    }
    const [problem = ''] = problems;
    this.deps.log.warn('offload: what was installed is not there any more, putting it back', { network: this.facts.network, problem, problems: problems.length });
    this.#looks.push({ failed: problem });
    try {
      await this.driver.set(this.#plan);
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
      return [messageOf(error)];
    }
  }

  #failed(error: unknown): void {
    this.#unsure = true;
    const failed = messageOf(error);
    this.#looks.push({ failed });
    this.deps.log.warn('offload: the kernel could not be told', { network: this.facts.network, problem: failed });
  }

  #tell({ service }: Candidate, before: OffloadMemory, after: OffloadMemory): void {
    if (before.state === after.state) return;
    this.deps.log.info('offload', { service, network: this.facts.network, from: before.state, to: after.state, ...(after.reason !== undefined && { reason: after.reason }) });
  }
}

function messageOf(error: unknown): string {
  if (error instanceof OffloadError && error.remedy !== undefined) return `${error.message}: ${error.remedy}`;
  return error instanceof Error ? error.message : String(error);
}

