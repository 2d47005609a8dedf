/**
 * A Control that keeps everything in memory and runs commands as plain child processes: for tests of the API and of the
 * command line. It does what a Control promises, with the model's own errors, and no networking at all.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { AmbiguousError, InUseError, NameTakenError, NoPreviousSpecError, NodeUpError, NotFoundError } from '../../../../overlay/model/errors.js';
import type { ObjectKind } from '../../../../overlay/model/errors.js';
import type { NetworkObject, NodeObject, ServiceObject, TaskObject } from '../../../../overlay/model/object.js';
import { STACK_LABEL } from '../../../../overlay/model/spec.js';
import type { NetworkSpec, ServiceSpec } from '../../../../overlay/model/spec.js';
import { ControlError } from '../../../../agent/control.js';
import type {
  AgentInfo, Control, DoctorCheck, ExecRequest, ExecSession, FlowSummary, LogLine, LogQuery, NodeUpdate, OffloadCommands, OffloadRecord, RunRequest, ServiceSummary, StackInfo, StackRequest, StackResult, StoreInfo,
  TerminalSize,
} from '../../../../agent/control.js';

const START = '2024-05-01T10:00:00.000Z';

export class MemoryControl implements Control {
  readonly networkList: NetworkObject[] = [];
  readonly serviceList: ServiceObject[] = [];
  readonly taskList: TaskObject[] = [];
  readonly resizes: TerminalSize[] = [];
  readonly logLines: LogLine[] = [];
  /** Signals that reached a session, in order. */
  readonly signals: string[] = [];
  /** Every process that was started. */
  readonly children: ChildProcess[] = [];
  nodeList: NodeObject[] = [
    { id: 'abcdefabcdef', hostname: 'host1', status: 'ready', availability: 'active', leader: true, labels: {}, mode: 'root', address: '127.0.0.1', mtu: 1450, version: '0.1.0', createdAt: '2026-01-01T00:00:00.000Z' },
  ];
  flowList: FlowSummary[] = [];
  offloadList: OffloadRecord[] = [];
  /** Of kernel offload, in what the agent says of itself. */
  problems: Partial<Pick<AgentInfo, 'offloadProblem' | 'resetsProblem' | 'problems'>> = {};
  /** In the way of services, by name. */
  serviceProblems: Readonly<Record<string, Pick<ServiceSummary, 'problem' | 'portProblems'>>> = {};
  /** State that new tasks are in. */
  newTaskState: TaskObject['status']['state'] = 'running';
  store: StoreInfo = { kind: 'embedded', reachable: true };
  followers = 0;
  shutdowns = 0;
  #next = 1;

  #id(): string {
    return (this.#next++).toString(16).padStart(12, 'a');
  }

  info(): Promise<AgentInfo> {
    return Promise.resolve({
      name: 'host1', nodeId: 'abcdefabcdef', version: '0.1.0', mode: 'root', pid: 4711, startedAt: START, stateDirectory: '/var/lib/vipmesh',
      socket: '/run/vipmesh/vipmesh.sock', store: this.store, networks: this.networkList.length, services: this.serviceList.length,
      tasksRunning: this.taskList.length, tasksDesired: this.taskList.length, flows: this.flowList.length, maxFlows: 1000, workers: 2, packetIo: { kind: 'poll', because: 'it needs Linux 6.7 or newer' }, problems: [], counters: { 'packets in': 12, 'dropped: truncated': 0 }, ...this.problems,
    });
  }

  shutdown(): Promise<void> {
    this.shutdowns++;
    return Promise.resolve();
  }

  networks = (): Promise<NetworkObject[]> => Promise.resolve(this.networkList);
  network = (ref: string): Promise<NetworkObject> => find('network', this.networkList, ref, ({ spec }) => spec.name);

  createNetwork(spec: NetworkSpec): Promise<NetworkObject> {
    if (this.networkList.some((other) => other.spec.name === spec.name)) return Promise.reject(new NameTakenError('network', spec.name));
    const n = this.networkList.length + 1;
    const network: NetworkObject = {
      id: this.#id(), spec, ingress: false, subnet: spec.subnet ?? `10.0.${n}.0/24`, gateway: `10.0.${n}.1`, balancer: `10.0.${n}.250`, vni: 4096 + n, createdAt: START,
    };
    this.networkList.push(network);
    return Promise.resolve(network);
  }

  async removeNetwork(ref: string): Promise<void> {
    const network = await this.network(ref);
    this.networkList.splice(this.networkList.indexOf(network), 1);
  }

  services = (): Promise<ServiceSummary[]> => Promise.resolve(this.serviceList.map((service) => this.#summary(service)));
  service = async (ref: string): Promise<ServiceSummary> => this.#summary(await this.#service(ref));
  #service = (ref: string): Promise<ServiceObject> => find('service', this.serviceList, ref, ({ spec }) => spec.name);

  #summary(service: ServiceObject): ServiceSummary {
    const running = this.taskList.filter(({ serviceId, status }) => serviceId === service.id && status.state === 'running').length;
    return { ...service, running, wanted: service.spec.replicas, draining: { tasks: 0, flows: 0 }, ...this.serviceProblems[service.spec.name] };
  }

  async createService(spec: ServiceSpec): Promise<ServiceObject> {
    if (this.serviceList.some((other) => other.spec.name === spec.name)) throw new NameTakenError('service', spec.name);
    const networks = await Promise.all(spec.networks.map(({ network }) => this.network(network)));
    const n = this.serviceList.length;
    const service: ServiceObject = {
      id: this.#id(), spec, version: 1, createdAt: START, updatedAt: START,
      vips: spec.endpointMode === 'vip' ? networks.map(({ id }, index) => ({ networkId: id, address: `10.0.${index + 1}.${2 + n}` })) : [],
      ports: spec.ports.map((port) => ({ ...port, published: port.published ?? 30_000 })),
    };
    this.serviceList.push(service);
    this.#fill(service);
    return service;
  }

  async updateService(ref: string, spec: ServiceSpec): Promise<ServiceObject> {
    return this.#replace(await this.#service(ref), spec);
  }

  async scaleService(ref: string, replicas: number): Promise<ServiceObject> {
    const service = await this.#service(ref);
    return this.#replace(service, { ...service.spec, replicas });
  }

  async rollBackService(ref: string): Promise<ServiceObject> {
    const service = await this.#service(ref);
    if (!service.previousSpec) throw new NoPreviousSpecError(service.spec.name);
    return this.#replace(service, service.previousSpec);
  }

  #replace(service: ServiceObject, spec: ServiceSpec): ServiceObject {
    const changed = { ...service, spec, previousSpec: service.spec };
    this.serviceList[this.serviceList.indexOf(service)] = changed;
    this.#fill(changed);
    return changed;
  }

  #fill(service: ServiceObject): void {
    const own = this.taskList.filter(({ serviceId }) => serviceId === service.id);
    for (const task of own) if (task.slot > service.spec.replicas) this.taskList.splice(this.taskList.indexOf(task), 1);
    for (let slot = own.length + 1; slot <= service.spec.replicas; slot++) {
      const id = this.#id();
      const failed = this.newTaskState === 'failed';
      this.taskList.push({
        id, name: `${service.spec.name}.${slot}.${id}`, serviceId: service.id, slot, spec: service.spec.task, version: service.version, labels: {}, node: 'host1',
        addresses: service.vips.map(({ networkId }) => ({ networkId, address: `10.0.1.${100 + this.taskList.length}`, interface: 'eth0' })),
        desired: 'running', createdAt: START,
        status: { state: this.newTaskState, since: START, health: 'none', ...(failed ? { exitCode: 127, message: 'nosuch: command not found' } : { pid: 1000 + slot }) },
      });
    }
  }

  async removeService(ref: string): Promise<void> {
    const service = await this.#service(ref);
    this.serviceList.splice(this.serviceList.indexOf(service), 1);
    const rest = this.taskList.filter(({ serviceId }) => serviceId !== service.id);
    this.taskList.splice(0, Infinity, ...rest);
  }

  async serviceTasks(ref: string): Promise<TaskObject[]> {
    const service = await this.#service(ref);
    return this.taskList.filter(({ serviceId }) => serviceId === service.id);
  }

  serviceLogs = (_ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> => this.#logs(query, signal);

  /** Follows by looking again: a test appends to `logLines`. */
  async *#logs({ tail, follow }: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine> {
    this.followers++;
    try {
      let at = tail === undefined ? 0 : Math.max(0, this.logLines.length - tail);
      for (;;) {
        for (; at < this.logLines.length; at++) {
          const line = this.logLines[at];
          if (line?.line === 'break') throw new ControlError('unavailable', 'the log is gone');
          if (line) yield line;
        }
        if (!follow || signal.aborted) return;
        await sleep(5, undefined, { signal }).catch(() => undefined);
      }
    } finally {
      this.followers--;
    }
  }

  tasks = (): Promise<TaskObject[]> => Promise.resolve(this.taskList);
  task = (ref: string): Promise<TaskObject> => find('task', this.taskList, ref, ({ name }) => name);

  async removeTask(ref: string): Promise<void> {
    this.taskList.splice(this.taskList.indexOf(await this.task(ref)), 1);
  }

  taskLogs = (_ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> => this.#logs(query, signal);

  async exec(ref: string, request: ExecRequest): Promise<ExecSession> {
    return this.#start((await this.task(ref)).id, request);
  }

  async run(request: RunRequest): Promise<ExecSession> {
    await Promise.all(request.networks.map(({ network }) => this.network(network)));
    return this.#start(this.#id(), request);
  }

  #start(taskId: string, { command, env, stdin, terminal }: ExecRequest): Promise<ExecSession> {
    const child = spawn(command[0] ?? '', command.slice(1), { env: { PATH: process.env['PATH'], ...env }, stdio: [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
    this.children.push(child);
    if (terminal) this.resizes.push(terminal);
    return new Promise((resolve, reject) => {
      child.once('error', (error) => reject(new ControlError('invalid', `cannot run ${command[0] ?? ''}: ${error.message}`, 'check the name of the program', 127)));
      child.once('spawn', () =>
        resolve({
          taskId,
          stdin: child.stdin ?? undefined,
          stdout: child.stdout ?? Readable.from([]),
          stderr: child.stderr ?? undefined,
          resize: (size) => void this.resizes.push(size),
          kill: (signal) => {
            this.signals.push(signal);
            child.kill(signal);
          },
          exited: new Promise((done) => child.once('close', (code, signal) => done(code ?? 128 + signalNumber(signal)))),
        }),
      );
    });
  }

  async deployStack(name: string, { networks, services }: StackRequest): Promise<StackResult> {
    const changes: string[] = [];
    for (const spec of networks) {
      await this.createNetwork(spec);
      changes.push(`network ${spec.name} created`);
    }
    for (const spec of services) {
      await this.createService({ ...spec, labels: { ...spec.labels, [STACK_LABEL]: name } });
      changes.push(`service ${spec.name} created`);
    }
    return { changes };
  }

  stacks(): Promise<StackInfo[]> {
    const names = new Set(this.serviceList.map(({ spec }) => spec.labels[STACK_LABEL] ?? ''));
    return Promise.resolve([...names].filter((name) => name !== '').map((name) => ({ name, services: this.serviceList.length, networks: this.networkList.length })));
  }

  async removeStack(name: string): Promise<StackResult> {
    const own = this.serviceList.filter(({ spec }) => spec.labels[STACK_LABEL] === name);
    if (own.length === 0) throw new ControlError('not-found', `no stack '${name}'`);
    for (const { id } of own) await this.removeService(id);
    return { changes: own.map(({ spec }) => `service ${spec.name} removed`) };
  }

  nodes = (): Promise<NodeObject[]> => Promise.resolve(this.nodeList);
  node(ref: string): Promise<NodeObject> {
    const found = this.nodeList.find(({ id, hostname }) => id === ref || hostname === ref);
    return found ? Promise.resolve(found) : Promise.reject(new NotFoundError('node', ref));
  }
  async updateNode(ref: string, { availability, labelsAdd, labelsRemove = [] }: NodeUpdate): Promise<NodeObject> {
    const node = await this.node(ref);
    const labels = Object.fromEntries(Object.entries({ ...node.labels, ...labelsAdd }).filter(([key]) => !labelsRemove.includes(key)));
    const changed = { ...node, labels, ...(availability !== undefined && { availability }) };
    this.nodeList = this.nodeList.map((other) => (other === node ? changed : other));
    return changed;
  }
  async removeNode(ref: string, force: boolean): Promise<void> {
    const node = await this.node(ref);
    if (node.status === 'ready') throw new NodeUpError(node.hostname);
    if (!force) throw new InUseError(`node '${node.hostname}'`, ["task 'vote.1'"], 'remove it with --force');
    this.nodeList = this.nodeList.filter((other) => other !== node);
  }

  flows = (): Promise<FlowSummary[]> => Promise.resolve(this.flowList);
  offloads = (): Promise<OffloadRecord[]> => Promise.resolve(this.offloadList);
  async offloadCommands(ref: string): Promise<OffloadCommands[]> {
    const { id } = await this.service(ref);
    return this.offloadList.filter(({ serviceId, mark }) => serviceId === id && mark !== undefined).map(({ network, mark }) => ({ network, enter: 'enter n1', commands: [`mark ${mark}`] }));
  }
  doctor = (): Promise<DoctorCheck[]> => Promise.reject(new Error('a fault of the test'));
}

function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === 'SIGHUP' ? 1 : signal === 'SIGINT' ? 2 : signal === 'SIGTERM' ? 15 : 9;
}

function find<T extends { readonly id: string }>(kind: ObjectKind, list: readonly T[], ref: string, nameOf: (item: T) => string): Promise<T> {
  const exact = list.find((item) => item.id === ref || nameOf(item) === ref);
  if (exact) return Promise.resolve(exact);
  const near = ref.length < 4 ? [] : list.filter(({ id }) => id.startsWith(ref));
  const [only] = near;
  if (only && near.length === 1) return Promise.resolve(only);
  return Promise.reject(near.length > 1 ? new AmbiguousError(kind, ref, near.map(nameOf)) : new NotFoundError(kind, ref));
}
