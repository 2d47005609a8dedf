/**
 * One service's choice of endpoints, in one worker: its scheduler and its policy put together.
 *
 * For a new flow: the endpoint that the client went to before, if there is affinity and that one still takes flows; else
 * the scheduler's choice among those that the gate admits. Where the gate leaves none, rules are dropped in this order:
 * local ones only; slow start; ejection. So an endpoint that is on another node, still warming or ejected is better than
 * none, and only weight 0 and `maxConnections` refuse a flow.
 *
 * What an endpoint went through is kept by its id from one snapshot to the next: in its shared row, or in a private one.
 */
import { DEFAULT_POLICY, type BalancingPolicy, type EndpointConfig, type ServiceConfig } from '../config/snapshot.js';
import { nameOf, type AffinityTable } from './affinity.js';
import { EndpointGate, Rule } from './gate.js';
import { answeredSince, countFailure, countSuccess, ejectionLeft, isEjected, type EjectionRule } from './outlier.js';
import { weightsOf } from './overhead.js';
import { OPEN_GATE, type Scheduler } from './scheduler.js';
import { makeScheduler } from './schedulers.js';
import { JOINED_AT, LONG_AGO, type EndpointStats } from './stats.js';

export interface Shared {
  readonly stats: EndpointStats;
  readonly affinity: AffinityTable;
}

/** What is balanced: of a ServiceConfig, what matters here. */
export type Balanced = Pick<ServiceConfig, 'id' | 'scheduler' | 'policy' | 'endpoints'>;

/** What is in force in one attempt after the other, while none finds an endpoint. */
const ATTEMPTS = [Rule.ejection | Rule.local | Rule.slowStart, Rule.ejection | Rule.slowStart, Rule.ejection | Rule.local, Rule.ejection, 0] as const;
const ALL = ATTEMPTS[0];
/** Turns of `wrr` that are given at once: more would hold up a flow, and after so many nobody sees whose turn it was. */
const MOST_SKIPPED = 1024;

export class Balancer {
  readonly #stats: EndpointStats;
  readonly #affinity: AffinityTable;
  readonly #gate: EndpointGate;
  #scheduler: Scheduler | undefined;
  #policy: BalancingPolicy = DEFAULT_POLICY;
  #ejection: EjectionRule = { after: 0, length: 1 };
  /** Rules that the policy and the scheduler know at all. */
  #rules = 0;
  #affinityTimeout = 0;
  /** A client has its endpoint: by affinity, or by what the scheduler hashes. */
  #sticky = false;
  #serviceName = 0;
  #ids: readonly string[] = [];
  #rows: Int32Array = new Int32Array(0);
  #weights: Int32Array = new Int32Array(0);
  #names: Int32Array = new Int32Array(0);
  #byName: ReadonlyMap<number, number> = new Map();
  /** Private rows by endpoint id. */
  readonly #private = new Map<string, number>();

  constructor(shared: Shared) {
    this.#stats = shared.stats;
    this.#affinity = shared.affinity;
    this.#gate = new EndpointGate(shared.stats);
  }

  /**
   * Takes over the service's endpoints and policy. Endpoints of the first call have been there before, later ones join now.
   * @param now deciseconds, as everywhere here
   */
  configure(service: Balanced, now: number): void {
    const known = this.#scheduler !== undefined;
    const endpoints = this.#withRows(service.endpoints, known ? now || 1 : LONG_AGO);
    const policy = service.policy ?? DEFAULT_POLICY;
    const ids = endpoints.map(({ id }) => id);
    const moved = ids.length !== this.#ids.length || ids.some((id, i) => id !== this.#ids[i]);
    if (this.#scheduler?.name !== service.scheduler) this.#scheduler = makeScheduler(service.scheduler, this.#stats);
    this.#scheduler.update(endpoints);
    this.#policy = policy;
    this.#ejection = { after: policy.ejectAfter, length: Math.max(1, Math.round(policy.ejectFor / 100)) };
    this.#affinityTimeout = policy.affinity * 10;
    this.#sticky = policy.affinity > 0 || hashesClients(service.scheduler);
    this.#serviceName = nameOf(service.id);
    this.#ids = ids;
    this.#rows = Int32Array.from(endpoints, ({ row }) => row!);
    this.#weights = weightsOf(endpoints);
    this.#names = Int32Array.from(ids, nameOf);
    this.#byName = new Map(Array.from(this.#names, (name, i) => [name, i]));
    this.#rules = rulesOf(service.scheduler, policy);
    this.#gate.configure(this.#rows, Uint8Array.from(endpoints, ({ remote }) => (remote ? 1 : 0)), policy.maxConnections, policy.slowStart / 100, moved);
  }

  /**
   * The endpoint of a new flow, as an index into the service's endpoints; -1 when none takes it. Allocates nothing.
   * @param client IPv4 address as int32, or the exclusive or of the four words of an IPv6 address
   * @param clientKey a keyed hash of the whole address, int32
   * @param clientPort 0 to 65535
   * @param v6 whether it is a flow of IPv6
   */
  choose(client: number, clientKey: number, clientPort: number, now: number, v6 = false): number {
    const gate = this.#gate;
    gate.begin(now);
    if (this.#affinityTimeout === 0) return this.#schedule(client, clientPort, v6);

    const before = this.#byName.get(this.#affinity.find(this.#serviceName, clientKey, now, this.#affinityTimeout));
    gate.rules = this.#rules & Rule.ejection;
    const stays = before !== undefined && this.#weights[before]! > 0 && gate.admits(before);
    const chosen = stays ? before : this.#schedule(client, clientPort, v6);
    if (chosen >= 0) this.#affinity.remember(this.#serviceName, clientKey, this.#names[chosen]!, now);
    return chosen;
  }

  /**
   * Gives `turns` turns to nobody: others, who balance the same endpoints by the same scheduler, have had them. So `rr` and `wrr` of several
   * workers go on where the last of them was; the other schedulers have no turn to remember.
   */
  skip(turns: number): void {
    const scheduler = this.#scheduler!;
    if (scheduler.name !== 'rr' && scheduler.name !== 'wrr') return;
    const most = scheduler.name === 'rr' ? this.#ids.length : MOST_SKIPPED;
    for (let turn = turns > most ? turns % Math.max(1, most) : turns; turn > 0; turn--) scheduler.pick(0, 0, OPEN_GATE);
  }

  /** The endpoint's row in EndpointStats: where its flows are to be counted. */
  row(index: number): number {
    return this.#rows[index]!;
  }

  /** The endpoint took a connection: it answered a SYN. */
  succeeded(index: number, now: number): void {
    countSuccess(this.#stats, this.#rows[index]!, now);
  }

  /**
   * Whether the endpoint took a connection after a SYN that was sent at `time` and has no answer. If so, one of the two packets was
   * lost, and that is no failure of the endpoint: whole queues of SYNs are lost at a time, and all come again in the same moment.
   */
  answeredSince(index: number, time: number): boolean {
    return answeredSince(this.#stats, this.#rows[index]!, time);
  }

  /** The endpoint did not take a connection: RST to a SYN, or no answer. True when that ejected it. */
  failed(index: number, now: number): boolean {
    return this.#policy.ejectAfter > 0 && countFailure(this.#stats, index, this.#rows, this.#weights, this.#ejection, now);
  }

  isEjected(index: number, now: number): boolean {
    return this.#policy.ejectAfter > 0 && isEjected(this.#stats, this.#rows[index]!, now);
  }

  /** Deciseconds for which the endpoint is still ejected; 0: it is not. */
  ejectionLeft(index: number, now: number): number {
    return this.#policy.ejectAfter > 0 ? ejectionLeft(this.#stats, this.#rows[index]!, now) : 0;
  }

  /**
   * Whether the endpoint may take a flow now, without anybody's turn being changed: not draining, below `maxConnections` and,
   * if `strict`, not ejected. For a second try, when the endpoint that was chosen did not answer.
   */
  admits(index: number, now: number, strict: boolean): boolean {
    this.#gate.begin(now);
    this.#gate.rules = strict ? this.#rules & Rule.ejection : 0;
    return this.#weights[index]! > 0 && this.#gate.admits(index);
  }

  /**
   * Where a connection may begin anew whose SYN of `sentAt` (deciseconds) the endpoint `index` has left without an answer: the next in the list that takes
   * flows and has taken a connection since, when `index` has not. -1: nowhere, since no endpoint is known to be better, or this one is the client's.
   */
  instead(index: number, sentAt: number, now: number): number {
    const count = this.#rows.length;
    if (this.#sticky || this.answeredSince(index, sentAt)) return -1;
    for (let step = 1; step < count; step++) {
      const other = (index + step) % count;
      if (this.answeredSince(other, sentAt) && this.admits(other, now, true)) return other;
    }
    return -1;
  }

  #schedule(client: number, clientPort: number, v6: boolean): number {
    const gate = this.#gate;
    const rules = this.#rules;
    for (let attempt = 0; attempt < ATTEMPTS.length; attempt++) {
      // Only rules that refused someone are worth dropping.
      if (attempt > 0 && (gate.refused & ALL & ~ATTEMPTS[attempt]!) === 0) continue;
      gate.rules = rules & ATTEMPTS[attempt]!;
      const chosen = this.#scheduler!.pick(client, clientPort, gate, v6);
      if (chosen >= 0) return chosen;
    }
    return -1;
  }

  /** The endpoints, each with a row and a time at which it joined. Private rows of those that have gone are given back. */
  #withRows(endpoints: readonly EndpointConfig[], joined: number): EndpointConfig[] {
    const stats = this.#stats;
    const gone = new Set(this.#private.keys());
    const complete = endpoints.map((endpoint) => {
      let row = endpoint.row;
      if (row === undefined) {
        row = this.#private.get(endpoint.id) ?? stats.take();
        this.#private.set(endpoint.id, row);
        gone.delete(endpoint.id);
      }
      // A task that is not ready yet has weight 0. It joins when it takes part: its time to warm up begins then.
      if (endpoint.weight > 0) stats.initialize(row, JOINED_AT, joined);
      return { ...endpoint, row };
    });
    for (const id of gone) {
      stats.release(this.#private.get(id)!);
      this.#private.delete(id);
    }
    return complete;
  }
}

function hashesClients(scheduler: string): boolean {
  return scheduler === 'sh' || scheduler === 'mh';
}

function rulesOf(scheduler: string, policy: BalancingPolicy): number {
  return (
    (policy.ejectAfter > 0 ? Rule.ejection : 0) | (policy.preferLocal ? Rule.local : 0) | (policy.slowStart > 0 && !hashesClients(scheduler) ? Rule.slowStart : 0)
  );
}
