/**
 * Control over the running agent: what the API asks, done on the store and on this node. A change is written to the store
 * and, before the answer goes out, seen by the mirror: whoever asks next sees it.
 */
import type { Context } from '../../overlay/model/context.js';
import type { NetworkObject, NodeObject, NodeRecord, ServiceObject, TaskObject } from '../../overlay/model/object.js';
import type { NetworkSpec, ServiceSpec } from '../../overlay/model/spec.js';
import { STACK_LABEL } from '../../overlay/model/spec.js';
import { isEnded } from '../../overlay/model/task-state.js';
import { createNetwork, removeNetwork } from '../../overlay/network/networks.js';
import { findNode, removeNode, updateNode } from '../../overlay/peer/nodes.js';
import { findNetwork, findService, findTask, listObjects } from '../../overlay/service/lookup.js';
import { NODE_GRACE } from '../../overlay/service/placement.js';
import { removeService, scaleService } from '../../overlay/service/services.js';
import { Fleet, wantedTasks } from '../../overlay/service/slots.js';
import { removeTask, stopTask } from '../../overlay/service/tasks.js';
import { NETWORKS, NODES, SERVICES, TASKS } from '../../overlay/store/keys.js';
import type { Store } from '../../overlay/store/store.js';
import type {
  AgentInfo,
  Control,
  DoctorCheck,
  ExecRequest,
  ExecSession,
  FlowSummary,
  LogLine,
  LogQuery,
  NodeUpdate,
  OffloadCommands,
  OffloadRecord,
  RunRequest,
  ServiceSummary,
  StackInfo,
  StackRequest,
  StackResult,
  StoreInfo,
  TaskSummary,
} from '../control.js';
import type { Members } from '../cluster/members.js';
import { ControlError } from '../control.js';
import { doctor } from '../doctor/doctor.js';
import type { Offloader } from '../offload/offloader.js';
import type { Mirror } from '../reconcile/mirror.js';
import type { NodeProblems } from '../reconcile/node-problems.js';
import type { Node } from '../reconcile/node.js';
import type { UplinkStatus } from '../uplink/uplink.js';
import type { Limits, Refusal } from './limits.js';
import type { TaskLogs } from './logs.js';
import type { ServiceChanges } from './service-changes.js';
import { assertHere } from './elsewhere.js';
import { execInTask, runTask } from './sessions.js';
import { planStack, type StackStep } from './stack-plan.js';
import { readsOf, storeInfo } from './store-reads.js';
import { portProblemsOf, withChanges } from './told.js';

/** How long tasks have to end: those of a removed stack before its networks are left standing, one elsewhere before it is left to itself. */
const STOPPING_MS = 60_000;
const POLL_MS = 50;

export type StaticInfo = Omit<AgentInfo, 'store' | 'networks' | 'services' | 'tasksRunning' | 'tasksDesired' | 'flows' | 'problems' | 'uplink' | 'counters'> & { readonly store: Pick<StoreInfo, 'kind' | 'cluster' | 'members'> };

export interface DaemonParts {
  readonly store: Store;
  readonly mirror: Mirror;
  readonly members: Pick<Members, 'isUp' | 'placementNodes'>;
  readonly node: Node;
  readonly problems: Pick<NodeProblems, 'all'>;
  readonly offloader: Pick<Offloader, 'flows' | 'list' | 'show'>;
  readonly changes: ServiceChanges;
  readonly logs: TaskLogs;
  readonly context: Context;
  readonly info: StaticInfo;
  readonly limits: Limits;
  /** Absent: tasks are among the host's processes. */
  uplink?(): UplinkStatus;
  counters(): Promise<Record<string, number>>;
  shutdown(): Promise<void>;
}

export class DaemonControl implements Control {
  readonly #store: Store;
  /** What is only looked at. */
  readonly #reads: Pick<Store, 'list'>;

  constructor(private readonly parts: DaemonParts) {
    this.#store = parts.store;
    this.#reads = readsOf(parts.store, parts.mirror);
  }

  async info(): Promise<AgentInfo> {
    const { mirror, info } = this.parts;
    const tasks = [...mirror.tasks.values()];
    return {
      ...info,
      store: storeInfo(info.store, this.#store.contact, this.parts.context.clock),
      networks: mirror.networks.size,
      services: mirror.services.size,
      tasksRunning: tasks.filter((task) => task.status.state === 'running').length,
      tasksDesired: [...mirror.services.values()].reduce((sum, service) => sum + this.#wanted(service, tasks), 0),
      flows: (await this.parts.node.flows()).length,
      problems: this.parts.problems.all,
      ...(this.parts.uplink && { uplink: this.parts.uplink() }),
      counters: await this.parts.counters(),
    };
  }

  shutdown(): Promise<void> {
    return this.parts.shutdown();
  }

  networks(): Promise<NetworkObject[]> {
    return listObjects(this.#reads, NETWORKS);
  }

  network(ref: string): Promise<NetworkObject> {
    return findNetwork(this.#reads, ref);
  }

  async createNetwork(spec: NetworkSpec): Promise<NetworkObject> {
    const { limits, context } = this.parts;
    refuse(await limits.network(spec));
    const network = await createNetwork(this.#store, spec, context, await limits.routes(), limits.pool);
    await this.#seen();
    return network;
  }

  async removeNetwork(ref: string): Promise<void> {
    await removeNetwork(this.#store, (await this.network(ref)).id);
    await this.#seen();
  }

  async services(): Promise<ServiceSummary[]> {
    return Promise.all((await listObjects<ServiceObject>(this.#reads, SERVICES)).map((service) => this.#summary(service)));
  }

  async service(ref: string): Promise<ServiceSummary> {
    return this.#summary(await findService(this.#reads, ref));
  }

  async #summary(service: ServiceObject): Promise<ServiceSummary> {
    const tasks = [...this.parts.mirror.tasks.values()].filter((task) => task.serviceId === service.id);
    const running = tasks.filter((task) => task.desired === 'running' && task.status.state === 'running').length;
    const problem = this.parts.mirror.problems[service.id];
    const left = (await Promise.all(tasks.map((task) => this.parts.node.drainingFlows(task.id)))).filter((flows) => flows !== undefined);
    const draining = { tasks: left.length, flows: left.reduce((sum, flows) => sum + flows, 0) };
    const ports = portProblemsOf(service.spec.name, [...this.parts.mirror.nodes.values()].map((node) => this.#shown(node)));
    return { ...service, running, wanted: this.#wanted(service, tasks), draining, ...(problem !== undefined && { problem }), ...(ports.length > 0 && { portProblems: ports }) };
  }

  #wanted(service: ServiceObject, tasks: readonly TaskObject[]): number {
    const { members, context } = this.parts;
    return wantedTasks(service, tasks, new Fleet(members.placementNodes(), context.clock.wall(), NODE_GRACE));
  }

  async createService(spec: ServiceSpec): Promise<ServiceObject> {
    refuse(this.parts.limits.service(spec));
    const service = await this.parts.changes.create(spec);
    await this.#seen();
    return service;
  }

  async updateService(ref: string, spec: ServiceSpec): Promise<ServiceObject> {
    refuse(this.parts.limits.service(spec));
    const service = await this.parts.changes.update(await findService(this.#reads, ref), spec);
    await this.#seen();
    return service;
  }

  async scaleService(ref: string, replicas: number): Promise<ServiceObject> {
    const { id } = await findService(this.#reads, ref);
    const service = await scaleService(this.#store, id, replicas, this.parts.context);
    await this.#seen();
    return service;
  }

  async rollBackService(ref: string): Promise<ServiceObject> {
    const service = await this.parts.changes.rollBack(await findService(this.#store, ref));
    await this.#seen();
    return service;
  }

  async removeService(ref: string): Promise<void> {
    await removeService(this.#store, (await findService(this.#reads, ref)).id);
    await this.#seen();
  }

  async serviceTasks(ref: string): Promise<TaskSummary[]> {
    const { id } = await findService(this.#reads, ref);
    const tasks = (await listObjects<TaskObject>(this.#reads, TASKS)).filter((task) => task.serviceId === id);
    return this.#withTraffic(tasks.sort((a, b) => a.slot - b.slot || (a.slot === 0 ? a.node.localeCompare(b.node) : 0) || (a.createdAt > b.createdAt ? -1 : 1)));
  }

  async *serviceLogs(ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    const { id } = await findService(this.#reads, ref);
    const tasks = (): TaskObject[] =>
      [...this.parts.mirror.tasks.values()].filter((task) => task.serviceId === id).sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
    yield* this.parts.logs.merged(tasks, query, signal);
  }

  async tasks(): Promise<TaskSummary[]> {
    return this.#withTraffic(await listObjects(this.#reads, TASKS));
  }

  async task(ref: string): Promise<TaskSummary> {
    const found = await findTask(this.#reads, ref);
    const [task = found] = await this.#withTraffic([found]);
    return task;
  }

  #withTraffic(tasks: readonly TaskObject[]): Promise<TaskSummary[]> {
    return Promise.all(
      tasks.map(async (task) => {
        const flows = await this.parts.node.drainingFlows(task.id);
        const ejectedFor = await this.parts.node.ejectedFor(task);
        return { ...task, ...(flows !== undefined && { flows }), ...(ejectedFor > 0 && { ejectedFor }) };
      }),
    );
  }

  /** An ended task is forgotten; a running one-off task is stopped first; a service's task is replaced by its service. */
  async removeTask(ref: string): Promise<void> {
    const task = await findTask(this.#reads, ref);
    if (!isEnded(task)) {
      await stopTask(this.#store, task.id);
      await this.#seen();
      // On its own node it is known to the moment; of another's the store is told.
      await this.parts.node.runner(task.id)?.ended;
      if (task.node !== this.parts.context.node) await this.#untilEnded((other) => other.id === task.id);
      if (task.serviceId !== undefined) return;
    }
    await removeTask(this.#store, task.id);
    await this.#seen();
  }

  async *taskLogs(ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    const task = await findTask(this.#reads, ref);
    assertHere(task, this.parts.context.node, 'what it has written is kept');
    yield* this.parts.logs.lines(task, query, signal);
  }

  async exec(ref: string, request: ExecRequest): Promise<ExecSession> {
    const task = await findTask(this.#reads, ref);
    assertHere(task, this.parts.context.node, 'a command can be run in it');
    return execInTask(this.parts.node, task, request);
  }

  async run(request: RunRequest): Promise<ExecSession> {
    // Created elsewhere, where it can be encrypted: here it would be cut off.
    for (const { network } of request.networks) {
      const { spec } = await this.network(network);
      if (spec.encrypted === true) refuse(await this.parts.limits.network(spec));
    }
    return runTask(this.#store, this.parts.node, this.parts.context, request, () => this.#seen());
  }

  async deployStack(name: string, request: StackRequest): Promise<StackResult> {
    const steps = planStack(name, request, {
      networks: await this.networks(),
      services: await listObjects<ServiceObject>(this.#reads, SERVICES),
    });
    // Before anything of it is there.
    for (const step of steps) {
      if (step.kind === 'create-network') refuse(await this.parts.limits.network(step.spec));
      else if (step.kind !== 'unchanged') refuse(this.parts.limits.service(step.spec));
    }
    const changes: string[] = [];
    try {
      for (const step of steps) changes.push(await this.#deploy(step));
    } catch (error) {
      throw withChanges(error, name, changes);
    }
    return { changes };
  }

  /** Answers what it came to. */
  async #deploy(step: StackStep): Promise<string> {
    switch (step.kind) {
      case 'create-network':
        await this.createNetwork(step.spec);
        return `network ${step.spec.name} created`;
      case 'create-service':
        await this.createService(step.spec);
        return `service ${step.spec.name} created`;
      case 'update-service':
        await this.updateService(step.id, step.spec);
        return `service ${step.spec.name} updated`;
      default:
        return `${step.what} unchanged`;
    }
  }

  async stacks(): Promise<StackInfo[]> {
    const counts = new Map<string, { services: number; networks: number }>();
    const count = (labels: Readonly<Record<string, string>>, kind: 'services' | 'networks'): void => {
      const name = labels[STACK_LABEL];
      if (name === undefined) return;
      const entry = counts.get(name) ?? { services: 0, networks: 0 };
      entry[kind]++;
      counts.set(name, entry);
    };
    for (const service of await listObjects<ServiceObject>(this.#reads, SERVICES)) count(service.spec.labels, 'services');
    for (const network of await this.networks()) count(network.spec.labels, 'networks');
    return [...counts].map(([name, entry]) => ({ name, ...entry })).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async removeStack(name: string): Promise<StackResult> {
    const ofStack = ({ spec }: { readonly spec: { readonly labels: Readonly<Record<string, string>> } }): boolean => spec.labels[STACK_LABEL] === name;
    const services = (await listObjects<ServiceObject>(this.#reads, SERVICES)).filter(ofStack);
    const networks = (await this.networks()).filter(ofStack);
    if (services.length + networks.length === 0) throw new ControlError('not-found', `no stack '${name}'`, `see 'vipmesh stack ls'`);
    const changes: string[] = [];
    for (const service of services) {
      await this.removeService(service.id);
      changes.push(`service ${service.spec.name} removed`);
    }
    await this.#untilGone(new Set(services.map((service) => service.id)));
    for (const network of networks) {
      await this.removeNetwork(network.id);
      changes.push(`network ${network.spec.name} removed`);
    }
    return { changes };
  }

  /** Waits until no task of these services is left: a network cannot go before them. */
  #untilGone(services: ReadonlySet<string>): Promise<void> {
    return this.#untilEnded((task) => task.serviceId !== undefined && services.has(task.serviceId));
  }

  async #untilEnded(meant: (task: TaskObject) => boolean): Promise<void> {
    const deadline = this.parts.context.clock.now() + STOPPING_MS;
    const left = (): TaskObject[] => [...this.parts.mirror.tasks.values()].filter((task) => !isEnded(task) && meant(task));
    while (left().length > 0) {
      if (this.parts.context.clock.now() > deadline) {
        const names = left().map((task) => task.name);
        throw new ControlError('unavailable', `tasks are still stopping: ${names.join(', ')}`, 'repeat the command when they have ended');
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async nodes(): Promise<NodeObject[]> {
    return (await listObjects<NodeRecord>(this.#reads, NODES)).map((node) => this.#shown(node));
  }

  async node(ref: string): Promise<NodeObject> {
    return this.#shown(await findNode(this.#reads, ref));
  }

  #shown(node: NodeRecord): NodeObject {
    const { members, mirror, info } = this.parts;
    const isUp = members.isUp(node.id);
    // Of itself a node knows before the store does.
    const problems = node.id === info.nodeId ? this.parts.problems.all : isUp ? (mirror.troubles.get(node.id) ?? []) : [];
    return { ...node, status: isUp ? 'ready' : 'down', leader: mirror.leader?.value.node === node.id, ...(problems.length > 0 && { problems }) };
  }

  async updateNode(ref: string, update: NodeUpdate): Promise<NodeObject> {
    const node = await updateNode(this.#store, (await findNode(this.#reads, ref)).id, update);
    await this.#seen();
    return this.#shown(node);
  }

  async removeNode(ref: string, force: boolean): Promise<void> {
    const { id } = await findNode(this.#reads, ref);
    if (id === this.parts.info.nodeId) throw new ControlError('conflict', `node '${ref}' is this one`, `run it on another node when this one is down`);
    await removeNode(this.#store, id, force, this.parts.context);
    await this.#seen();
  }

  async flows(): Promise<FlowSummary[]> {
    const { node, offloader } = this.parts;
    return [...(await node.flows()), ...(await offloader.flows())];
  }

  offloads(): Promise<OffloadRecord[]> {
    return this.parts.offloader.list();
  }

  async offloadCommands(ref: string): Promise<OffloadCommands[]> {
    return this.parts.offloader.show((await findService(this.#reads, ref)).id);
  }

  doctor(): Promise<DoctorCheck[]> {
    return doctor();
  }

  /** Resolves when the mirror, and with it this node, knows of everything that was written here. */
  async #seen(): Promise<void> {
    await this.parts.mirror.caughtUp(this.#store.committed);
  }
}

function refuse(refusal: Refusal | undefined): void {
  if (refusal) throw new ControlError('unavailable', refusal.message, refusal.remedy);
}
