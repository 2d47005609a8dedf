/**
 * This node: makes what runs here match what the mirror says should.
 *
 * One pass, in this order: what the networks need here, runners for the tasks, then the three projections (balancer, name
 * server, published ports), then what nothing needs any more. A pass never waits for a task to start or to
 * stop; both tell it to run again.
 */
import type { NetworkObject, TaskObject } from '../../overlay/model/object.js';
import { isEnded } from '../../overlay/model/task-state.js';
import type { Applied } from '../../overlay/store/keys.js';
import type { FlowRecord } from '../../proxy/dataplane/handle.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { Logger } from '../log.js';
import type { Survivor } from '../tasks/survivors.js';
import type { TaskOutput } from '../tasks/task.js';
import { Acknowledgements, nextNote, revisionToNote } from './acknowledgement.js';
import { amends } from './amends.js';
import { portProblems, problemOf } from './failure.js';
import { Loop } from './loop.js';
import type { Mirror } from './mirror.js';
import type { NodeProblems } from './node-problems.js';
import type { Premises } from './premises.js';
import type { World } from './project.js';
import type { Publisher } from './publisher.js';
import { remoteTasks } from './remote.js';
import type { ObservedStatus } from './task-runner.js';
import { TaskRunner } from './task-runner.js';

/** A port that could not be bound is tried again this often. */
const PORT_RETRY_MS = 5000;
/** When it cannot be said yet whether the store is wrong about a task, it is looked at again so soon. */
const AMEND_RETRY_MS = 1000;

export interface NodeOptions {
  /** Host name: tasks name their node by it. */
  readonly name: string;
  readonly nodeId: string;
  /** There may be other nodes. Then a network has a sandbox here only as long as a task needs it. */
  readonly clustered: boolean;
  readonly mirror: Mirror;
  readonly premises: Premises;
  readonly publisher: Publisher;
  /** Is told what does not work. */
  readonly problems: Pick<NodeProblems, 'set'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Tasks of services go on when the agent is killed. */
  readonly outlives: boolean;
  /** Tasks of an earlier agent that are to be taken over, by id. */
  readonly survivors: ReadonlyMap<string, Survivor>;
  /** Host names of the nodes that are there. */
  upNodes(): ReadonlySet<string>;
  /** How far this node has come: other nodes wait to hear that. */
  noteApplied(applied: Applied): void;
  outputOf(task: TaskObject): TaskOutput;
  onStatus(task: TaskObject, observed: ObservedStatus): void;
  /** The mirror shows all that `onStatus` was given of a task. */
  isShown(taskId: string): boolean;
}

export class Node {
  readonly #acknowledgements: Acknowledgements;
  readonly #runners = new Map<string, TaskRunner>();
  /** Tasks that had a runner. The mirror may still show one as pending when it has ended already: a task starts once. */
  readonly #begun = new Set<string>();
  readonly #loop: Loop;
  #cancelRemoval: () => void = () => undefined;
  #cancelAmend: () => void = () => undefined;
  /** What others were told that is applied here. */
  #noted: Applied = { revision: 0, keys: 0 };
  #closing = false;

  constructor(private readonly options: NodeOptions) {
    this.#acknowledgements = new Acknowledgements(options.mirror, options.nodeId, options.clock);
    this.#loop = new Loop(
      () => this.#tellingPass(),
      options.clock,
      (error) => options.log.debug('reconciling this node failed, trying again', { err: error }),
    );
  }

  /** What is made is looked after from now on, until `close`. */
  start(): void {
    this.options.premises.start();
  }

  /** Something changed: look again soon. */
  request(): void {
    this.#acknowledgements.look();
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
    return this.options.premises.ejectedFor(task, service);
  }

  /** Starts a task that no service asked for, with its output where the caller wants it. */
  async runOnce(task: TaskObject, output: TaskOutput): Promise<TaskRunner> {
    await this.#loop.settled();
    return this.#run(task, output);
  }

  flows(): Promise<FlowRecord[]> {
    return this.options.premises.flows();
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
    this.#cancelRemoval();
    this.#cancelAmend();
    await this.options.premises.close();
  }

  #world(): World {
    const { mirror, name, premises } = this.options;
    const own = [...this.#runners.values()].flatMap((runner) => runner.live ?? []);
    const live = [...own, ...remoteTasks(mirror.tasks.values(), name, this.options.upNodes())];
    return { networks: [...mirror.networks.values()].map((network) => premises.localized(network)), services: [...mirror.services.values()], live };
  }

  /** Throws when something failed: then there is another soon. */
  async #tellingPass(): Promise<void> {
    const { mirror, problems } = this.options;
    const failures: unknown[] = [];
    await this.#pass(failures).catch((error: unknown) => failures.push(error));
    problems.set('reconcile', failures.map((failure) => problemOf(failure, (id) => mirror.networks.get(id)?.spec.name ?? id)));
    if (failures.length > 0) throw failures[0];
  }

  /** @param failures is given what failed and kept nothing else from being done */
  async #pass(failures: unknown[]): Promise<void> {
    const { mirror, name, premises } = this.options;
    const seen = mirror.revision;
    // One that comes while the sandboxes are made has its own in the next pass.
    const tasks = [...mirror.tasks.values()];
    const needed = this.#neededNetworks(tasks);
    if (!this.#closing) {
      failures.push(...(await premises.prepare(needed)));
      const begun = this.#startTasks(tasks);
      this.#stopTasks();
      this.#amend();
      // What is there already must not be missing from what is projected, not even once.
      await Promise.all(begun.map((runner) => runner.takenOver));
    }
    const leaving = revisionToNote(mirror, name);
    await this.#project();
    const note = nextNote(this.#noted, { leaving, seen, keys: premises.appliedKeys });
    if (note) this.options.noteApplied((this.#noted = note));
    if (!this.#closing) await this.#removeUnneeded(needed);
  }

  /** On a node that is alone every network has a sandbox, ready for the first task. */
  #neededNetworks(tasks: readonly TaskObject[]): NetworkObject[] {
    const { mirror, name, clustered } = this.options;
    const networks = [...mirror.networks.values()];
    if (!clustered) return networks;
    const joined = new Set<string>();
    for (const task of tasks) if (task.node === name && !isEnded(task)) for (const { networkId } of task.addresses) joined.add(networkId);
    return networks.filter(({ id, ingress }) => ingress || joined.has(id));
  }

  /** Answers those that were begun now. */
  #startTasks(tasks: readonly TaskObject[]): TaskRunner[] {
    const { mirror, name } = this.options;
    const begun: TaskRunner[] = [];
    for (const task of tasks) {
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
    const expectListener = service !== undefined && (service.ports.length > 0 || this.#listens(service.id));
    const runner = new TaskRunner(
      task,
      {
        clock: options.clock,
        log: options.log,
        home: options.premises.home(task, () => this.#world(), survivor),
        flowsTo: (wanted) => this.#flowsTo(wanted),
        drainTimeout: (wanted) => this.#drainTimeout(wanted),
        applied: () => this.settled(),
        acknowledged: (wanted, signal) => this.#acknowledgements.waitFor(wanted, signal),
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

  /** Some task of the service was seen to listen, here or elsewhere. */
  #listens(serviceId: string): boolean {
    if ([...this.#runners.values()].some((runner) => runner.task.serviceId === serviceId && runner.listens)) return true;
    return [...this.options.mirror.tasks.values()].some((task) => task.serviceId === serviceId && task.node !== this.options.name && task.status.listens === true);
  }

  #neverBegin(task: TaskObject): void {
    this.#begun.add(task.id);
    this.options.onStatus(task, { state: 'shutdown' });
  }

  #stopTasks(): void {
    const { mirror } = this.options;
    for (const runner of this.#runners.values()) {
      const task = mirror.tasks.get(runner.task.id);
      if (task && isEnded(task)) {
        // Others have said so while this node was cut off: its addresses are free for others, it must not have them a moment longer.
        void runner.stop({ drain: false, graceMs: 0 });
        continue;
      }
      if (task?.desired === 'running') continue;
      // When the service itself is gone its address is too: nothing can drain.
      const drain = runner.task.serviceId !== undefined && mirror.services.has(runner.task.serviceId);
      void runner.stop({ drain });
    }
  }

  /** Tells the store again where it is wrong about tasks of this node. */
  #amend(): void {
    const { mirror, name, clock, log } = this.options;
    this.#cancelAmend();
    let isOpen = false;
    const known = {
      told: (id: string) => {
        const runner = this.#runners.get(id);
        return runner && (runner.told ?? 'nothing yet');
      },
      begun: (id: string) => this.#begun.has(id),
    } as const;
    for (const { task, observed } of amends(mirror.tasks.values(), name, known)) {
      if (!this.options.isShown(task.id)) {
        isOpen = true;
        continue;
      }
      log.warn(`the store had task ${task.name} as ${task.status.state}, and is told that it is ${observed.state}`);
      this.options.onStatus(task, observed);
    }
    this.#cancelAmend = isOpen ? clock.after(AMEND_RETRY_MS, () => this.request()) : () => undefined;
  }

  async #project(): Promise<void> {
    const { premises, publisher, problems, clock } = this.options;
    const world = this.#world();
    await premises.apply(world, [...this.#runners.values()].filter(({ process }) => process).map(({ task }) => task));
    const ports = premises.ports(world);
    const isServed = await publisher.sync(ports);
    problems.set('ports', portProblems(ports, publisher.failures));
    if (!isServed) clock.after(PORT_RETRY_MS, () => this.request());
  }

  #flowsTo(task: TaskObject): Promise<number> {
    return this.options.premises.flowsTo(task, this.#runners.get(task.id)?.process?.pid);
  }

  /** As its service says now, which may have changed since the task was made. */
  #drainTimeout(task: TaskObject): number {
    const service = this.options.mirror.services.get(task.serviceId ?? '');
    return service?.spec.balancing.drainTimeout ?? task.spec.stopGracePeriod;
  }

  async #removeUnneeded(needed: readonly NetworkObject[]): Promise<void> {
    const { premises, clock } = this.options;
    const busy = new Set(needed.map(({ id }) => id));
    for (const { task } of this.#runners.values()) for (const { networkId } of task.addresses) busy.add(networkId);
    const next = await premises.removeUnneeded((networkId) => busy.has(networkId));
    this.#cancelRemoval();
    this.#cancelRemoval = next === undefined ? () => undefined : clock.after(next - clock.now(), () => this.request());
  }
}
