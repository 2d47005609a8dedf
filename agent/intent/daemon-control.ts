/**
 * Control over the running agent: what the API asks, done on the store and on this node. A change is written to the store
 * and, before the answer goes out, seen by the mirror: whoever asks next sees it.
 */
import type { Context } from '../../overlay/model/context.js';
import type { NetworkObject, NodeObject, ServiceObject, TaskObject } from '../../overlay/model/object.js';
import type { NetworkSpec, ServiceSpec } from '../../overlay/model/spec.js';
import { STACK_LABEL } from '../../overlay/model/spec.js';
import { isEnded } from '../../overlay/model/task-state.js';
import { createNetwork, removeNetwork } from '../../overlay/network/networks.js';
import { findNetwork, findService, findTask, listObjects } from '../../overlay/service/lookup.js';
import { removeService, scaleService } from '../../overlay/service/services.js';
import { removeTask, stopTask } from '../../overlay/service/tasks.js';
import { NETWORKS, SERVICES, TASKS } from '../../overlay/store/keys.js';
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
  OffloadCommands,
  OffloadRecord,
  RunRequest,
  ServiceSummary,
  StackInfo,
  StackRequest,
  StackResult,
  TaskSummary,
} from '../control.js';
import { ControlError } from '../control.js';
import { doctor } from '../doctor/doctor.js';
import { hostRoutes } from '../host-routes.js';
import type { Offloader } from '../offload/offloader.js';
import type { Mirror } from '../reconcile/mirror.js';
import type { Node } from '../reconcile/node.js';
import type { Orchestrator } from '../reconcile/orchestrator.js';
import { ipv6Problem } from '../sandbox/ipv6.js';
import type { TaskLogs } from './logs.js';
import type { ServiceChanges } from './service-changes.js';
import { execInTask, runTask } from './sessions.js';
import { planStack } from './stack-plan.js';

/** How long the tasks of a removed stack have to end before its networks are left standing. */
const STACK_REMOVAL_MS = 60_000;
const POLL_MS = 50;

export type StaticInfo = Omit<AgentInfo, 'networks' | 'services' | 'tasksRunning' | 'tasksDesired' | 'flows' | 'counters'>;

export interface DaemonParts {
  readonly store: Store;
  readonly mirror: Mirror;
  readonly node: Node;
  readonly orchestrator: Pick<Orchestrator, 'problems'>;
  readonly offloader: Offloader;
  readonly changes: ServiceChanges;
  readonly logs: TaskLogs;
  readonly context: Context;
  readonly info: StaticInfo;
  readonly address: string;
  /** Of the networks' links, bytes. */
  readonly mtu: number;
  counters(): Promise<Record<string, number>>;
  shutdown(): Promise<void>;
}

export class DaemonControl implements Control {
  readonly #store: Store;

  constructor(private readonly parts: DaemonParts) {
    this.#store = parts.store;
  }

  async info(): Promise<AgentInfo> {
    const { mirror, info } = this.parts;
    const tasks = [...mirror.tasks.values()];
    return {
      ...info,
      networks: mirror.networks.size,
      services: mirror.services.size,
      tasksRunning: tasks.filter((task) => task.status.state === 'running').length,
      tasksDesired: [...mirror.services.values()].reduce((sum, service) => sum + service.spec.replicas, 0),
      flows: (await this.parts.node.flows()).length,
      counters: await this.parts.counters(),
    };
  }

  shutdown(): Promise<void> {
    return this.parts.shutdown();
  }

  networks(): Promise<NetworkObject[]> {
    return listObjects(this.#store, NETWORKS);
  }

  network(ref: string): Promise<NetworkObject> {
    return findNetwork(this.#store, ref);
  }

  async createNetwork(spec: NetworkSpec): Promise<NetworkObject> {
    const problem = spec.ipv6 ? ipv6Problem(this.parts.mtu) : undefined;
    if (problem) throw new ControlError('unavailable', `network ${spec.name} cannot have IPv6: ${problem.message}`, problem.remedy);
    const network = await createNetwork(this.#store, spec, this.parts.context, await hostRoutes());
    await this.#seen();
    return network;
  }

  async removeNetwork(ref: string): Promise<void> {
    await removeNetwork(this.#store, (await this.network(ref)).id);
    await this.#seen();
  }

  async services(): Promise<ServiceSummary[]> {
    return Promise.all((await listObjects<ServiceObject>(this.#store, SERVICES)).map((service) => this.#summary(service)));
  }

  async service(ref: string): Promise<ServiceSummary> {
    return this.#summary(await findService(this.#store, ref));
  }

  async #summary(service: ServiceObject): Promise<ServiceSummary> {
    const tasks = [...this.parts.mirror.tasks.values()].filter((task) => task.serviceId === service.id);
    const running = tasks.filter((task) => task.desired === 'running' && task.status.state === 'running').length;
    const problem = this.parts.orchestrator.problems.get(service.id);
    const left = (await Promise.all(tasks.map((task) => this.parts.node.drainingFlows(task.id)))).filter((flows) => flows !== undefined);
    const draining = { tasks: left.length, flows: left.reduce((sum, flows) => sum + flows, 0) };
    return { ...service, running, draining, ...(problem !== undefined && { problem }) };
  }

  async createService(spec: ServiceSpec): Promise<ServiceObject> {
    const service = await this.parts.changes.create(spec);
    await this.#seen();
    return service;
  }

  async updateService(ref: string, spec: ServiceSpec): Promise<ServiceObject> {
    const service = await this.parts.changes.update(await findService(this.#store, ref), spec);
    await this.#seen();
    return service;
  }

  async scaleService(ref: string, replicas: number): Promise<ServiceObject> {
    const { id } = await findService(this.#store, ref);
    const service = await scaleService(this.#store, id, replicas, this.parts.context);
    await this.#seen();
    return service;
  }

  async removeService(ref: string): Promise<void> {
    await removeService(this.#store, (await findService(this.#store, ref)).id);
    await this.#seen();
  }

  async serviceTasks(ref: string): Promise<TaskSummary[]> {
    const { id } = await findService(this.#store, ref);
    const tasks = (await listObjects<TaskObject>(this.#store, TASKS)).filter((task) => task.serviceId === id);
    return this.#withTraffic(tasks.sort((a, b) => a.slot - b.slot || (a.createdAt > b.createdAt ? -1 : 1)));
  }

  async *serviceLogs(ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    const { id } = await findService(this.#store, ref);
    const tasks = (): TaskObject[] =>
      [...this.parts.mirror.tasks.values()].filter((task) => task.serviceId === id).sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
    yield* this.parts.logs.merged(tasks, query, signal);
  }

  async tasks(): Promise<TaskSummary[]> {
    return this.#withTraffic(await listObjects(this.#store, TASKS));
  }

  async task(ref: string): Promise<TaskSummary> {
    const found = await findTask(this.#store, ref);
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
    const task = await findTask(this.#store, ref);
    if (!isEnded(task)) {
      await stopTask(this.#store, task.id);
      await this.#seen();
      await this.parts.node.runner(task.id)?.ended;
      if (task.serviceId !== undefined) return;
    }
    await removeTask(this.#store, task.id);
    await this.#seen();
  }

  async *taskLogs(ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    yield* this.parts.logs.lines(await findTask(this.#store, ref), query, signal);
  }

  async exec(ref: string, request: ExecRequest): Promise<ExecSession> {
    return execInTask(this.parts.node, await findTask(this.#store, ref), request);
  }

  run(request: RunRequest): Promise<ExecSession> {
    return runTask(this.#store, this.parts.node, this.parts.context, request);
  }

  async deployStack(name: string, request: StackRequest): Promise<StackResult> {
    const steps = planStack(name, request, {
      networks: await this.networks(),
      services: await listObjects<ServiceObject>(this.#store, SERVICES),
    });
    const changes: string[] = [];
    for (const step of steps) {
      if (step.kind === 'create-network') {
        await this.createNetwork(step.spec);
        changes.push(`network ${step.spec.name} created`);
      } else if (step.kind === 'create-service') {
        await this.createService(step.spec);
        changes.push(`service ${step.spec.name} created`);
      } else if (step.kind === 'update-service') {
        await this.updateService(step.id, step.spec);
        changes.push(`service ${step.spec.name} updated`);
      } else {
        changes.push(`${step.what} unchanged`);
      }
    }
    return { changes };
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
    for (const service of await listObjects<ServiceObject>(this.#store, SERVICES)) count(service.spec.labels, 'services');
    for (const network of await this.networks()) count(network.spec.labels, 'networks');
    return [...counts].map(([name, entry]) => ({ name, ...entry })).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async removeStack(name: string): Promise<StackResult> {
    const ofStack = ({ spec }: { readonly spec: { readonly labels: Readonly<Record<string, string>> } }): boolean => spec.labels[STACK_LABEL] === name;
    const services = (await listObjects<ServiceObject>(this.#store, SERVICES)).filter(ofStack);
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
  async #untilGone(services: ReadonlySet<string>): Promise<void> {
    const deadline = this.parts.context.clock.now() + STACK_REMOVAL_MS;
    const left = (): TaskObject[] =>
      [...this.parts.mirror.tasks.values()].filter((task) => !isEnded(task) && task.serviceId !== undefined && services.has(task.serviceId));
    while (left().length > 0) {
      if (this.parts.context.clock.now() > deadline) {
        const names = left().map((task) => task.name);
        throw new ControlError('unavailable', `tasks are still stopping: ${names.join(', ')}`, 'repeat the command when they have ended');
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  nodes(): Promise<NodeObject[]> {
    const { info, address } = this.parts;
    return Promise.resolve([
      { id: info.nodeId, hostname: info.name, status: 'ready', availability: 'active', mode: info.mode, address, version: info.version },
    ]);
  }

  async flows(): Promise<FlowSummary[]> {
    const { node, offloader } = this.parts;
    return [...(await node.flows()), ...(await offloader.flows())];
  }

  offloads(): Promise<OffloadRecord[]> {
    return this.parts.offloader.list();
  }

  async offloadCommands(ref: string): Promise<OffloadCommands[]> {
    return this.parts.offloader.show((await findService(this.#store, ref)).id);
  }

  doctor(): Promise<DoctorCheck[]> {
    return doctor();
  }

  /** Resolves when the mirror, and with it this node, knows of everything that is in the store now. */
  async #seen(): Promise<void> {
    const { revision } = await this.#store.list('subnets');
    await this.parts.mirror.caughtUp(revision);
  }
}
