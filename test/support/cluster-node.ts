/**
 * One host of a cluster (cluster.ts), and the agent on it: what an administrator does there, and what can befall it.
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { AgentClient } from '../../agent/api/client.js';
import { clientSocket } from '../../agent/lifecycle/paths.js';
import { childrenOf } from '../../agent/tasks/process-tree.js';
import { ipBatch } from '../../kernel/netns/links.js';
import { run } from '../../kernel/run/runner.js';
import type { TaskSummary } from '../../agent/control.js';
import { pollUntil } from './poll-until.js';
import { ChildProgram, says, type Outcome } from './program.js';
import { runningTasks, settledTasks } from './settled.js';

const MAIN = fileURLToPath(new URL('../../agent/cli/main.js', import.meta.url));
const ENDPOINT_SERVER = fileURLToPath(new URL('./endpoint-server.js', import.meta.url));
const PROXY_ENDPOINT = fileURLToPath(new URL('./proxy-endpoint.js', import.meta.url));

/** The command of an endpoint server that answers with the id of its task, for `service create -- …`. Port 53 is the agent's. */
export const SERVE = ['sh', '-c', `exec ${process.execPath} ${ENDPOINT_SERVER} $HOSTNAME 5300`];

/** The same of one that wants the PROXY protocol on each connection. */
export const SERVE_BEHIND_PROXY = ['sh', '-c', `exec ${process.execPath} ${PROXY_ENDPOINT} $HOSTNAME`];

const PATIENCE = { timeout: 90_000 } as const;

// $1 host name, $2 its directory, $3 what is its /etc/hosts, $4 the uid of its user, who has a /dev/net/tun as most distributions give it. /run is new with every start; what is below /run/state stays. The shell
// stays, too, to take leave of processes whose parent is gone.
const BOOT = `set -e
mount --bind "$3" /etc/hosts
mount -t tmpfs -o mode=0755 tmpfs "$2/run"
mkdir -p "$2/run/state" "$2/run/tmp" "$2/run/user/$4"
mount --bind "$2/state" "$2/run/state"
mount --rbind "$2/run" /run
if [ "$4" != 0 ]; then
  chown "$4:$4" /run/user/"$4" /run/state /run/tmp
  mknod /run/tun c 10 200
  chmod 0666 /run/tun
  mount --bind /run/tun /dev/net/tun
fi
hostname "$1"
ip link set lo up
echo booted
sleep infinity || exit $?`;

/** Of every program on it. */
const environmentOf = (uid: number): Record<string, string> => ({ XDG_RUNTIME_DIR: `/run/user/${uid}`, XDG_STATE_HOME: '/run/state', HOME: '/run/state', TMPDIR: '/run/tmp' });

export interface HostOptions {
  readonly name: string;
  /** In a /24 with everybody else's. */
  readonly address: string;
  /** With the directories `run` and `state`. */
  readonly directory: string;
  readonly hosts: string;
  readonly mtu: number;
  /** In this process's network namespace. */
  readonly bridge: string;
  readonly gateway: string;
  /** Of its user. */
  readonly uid: number;
}

/** A host: namespaces, and a cable to the underlay. */
export class SimulatedHost {
  #unshare: ChildProgram | undefined;
  #pid: number | undefined;

  constructor(readonly options: HostOptions) {}

  /** Of its first process, as this process's PID namespace has it. */
  get pid(): number {
    return this.#pid ?? assert.fail(`${this.options.name} is off`);
  }

  get isOn(): boolean {
    return this.#pid !== undefined;
  }

  /** Its end of the cable that is on the bridge. */
  get cable(): string {
    return `u-${this.options.name}`;
  }

  async powerOn(): Promise<void> {
    assert.ok(!this.isOn, 'it is on');
    const { name, address, directory, hosts, mtu, bridge, gateway, uid } = this.options;
    const namespaces = ['--net', '--mount', '--uts', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const program = new ChildProgram('unshare', [...namespaces, 'sh', '-c', BOOT, 'sh', name, directory, hosts, `${uid}`], { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` });
    await says(program, 'booted', PATIENCE);
    this.#unshare = program;
    this.#pid = childrenOf(program.pid)[0] ?? assert.fail(`${name} has no first process`);
    await ipBatch(undefined, [`link add ${this.cable} mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${this.#pid}`, `link set ${this.cable} master ${bridge} up`]);
    await run('nsenter', [...this.entering, 'ip', '-batch', '-'], { input: `address add ${address}/24 dev eth0\nlink set eth0 up\nroute add default via ${gateway}\n` });
  }

  /** Everything on it ends at once. Its state stays. */
  async powerOff(): Promise<void> {
    if (this.#pid === undefined) return;
    process.kill(this.#pid, 'SIGKILL');
    this.#pid = undefined;
    await this.#unshare?.ended;
    // The kernel takes its network namespace apart in its own time, and the cable with it.
    await pollUntil(`the cable of ${this.options.name} is gone`, () => run('ip', ['link', 'show', 'dev', this.cable]).then(() => false, () => true), PATIENCE);
  }

  /** Arguments of nsenter(1) that lead into it. */
  get entering(): string[] {
    return ['--target', `${this.pid}`, '--net', '--mount', '--uts', '--pid', '--'];
  }

  /** Words in front of a program of its user's. */
  get asUser(): string[] {
    const { uid } = this.options;
    return uid === 0 ? [] : ['setpriv', '--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', '--'];
  }

  get environment(): Record<string, string> {
    return environmentOf(this.options.uid);
  }

  /** Pulls the cable out, or puts it in again. */
  async plug(isIn: boolean): Promise<void> {
    await ipBatch(undefined, [`link set ${this.cable} ${isIn ? 'up' : 'down'}`]);
  }
}

export class ClusterNode {
  #agent: ChildProgram | undefined;
  #pid: number | undefined;
  #api: AgentClient | undefined;

  constructor(
    readonly host: SimulatedHost,
    /** Of `vipmesh up`. */
    private readonly options: readonly string[],
  ) {}

  get name(): string {
    return this.host.options.name;
  }

  get address(): string {
    return this.host.options.address;
  }

  /** Its agent was started, and nobody has ended it. */
  get isUp(): boolean {
    return this.#agent !== undefined;
  }

  /** The agent's API, asked without a process of its own. */
  get api(): AgentClient {
    return this.#api ?? assert.fail(`${this.name} is off`);
  }

  /** Of the agent, in this process's PID namespace. */
  get agentPid(): number {
    return this.#pid ?? assert.fail(`the agent of ${this.name} is not up`);
  }

  /** What the agent has said, for a failure's message. */
  get log(): string {
    return `${this.#agent?.stdout ?? ''}${this.#agent?.stderr ?? ''}`;
  }

  /** Where its files are, seen from here. */
  get root(): string {
    return `/proc/${this.host.pid}/root`;
  }

  /** Starts the host and its agent. */
  async powerOn(): Promise<void> {
    await this.host.powerOn();
    this.#api = new AgentClient(this.root + clientSocket({ env: this.host.environment, uid: this.host.options.uid }));
    await this.restart();
  }

  /** The host dies, with the agent and all tasks. */
  async powerOff(): Promise<void> {
    await this.host.powerOff();
    await this.#ended();
  }

  /** Starts the agent, and waits until it says that it is up. */
  async restart(...more: string[]): Promise<void> {
    assert.ok(!this.isUp, 'it is up');
    this.#agent = this.vipmesh('up', ...this.options, ...more);
    await says(this.#agent, 'is up', PATIENCE);
    this.#pid = childrenOf(this.#agent.pid)[0];
  }

  /** The agent is killed; its tasks go on. */
  async kill9(): Promise<void> {
    process.kill(this.agentPid, 'SIGKILL');
    await this.#ended();
  }

  /** Ctrl-C: the agent ends in order, and its tasks with it. */
  async stop(): Promise<void> {
    process.kill(this.agentPid, 'SIGINT');
    const outcome = await this.#ended();
    assert.equal(outcome?.code, 0, outcome?.stderr);
  }

  async #ended(): Promise<Outcome | undefined> {
    const agent = this.#agent;
    this.#agent = this.#pid = undefined;
    return agent?.ended;
  }

  /** Cuts it off from the underlay: the other nodes, and etcd. */
  async cut(): Promise<void> {
    await this.host.plug(false);
  }

  async heal(): Promise<void> {
    await this.host.plug(true);
  }

  /** The words in front of a command that runs on it. */
  get prefix(): string[] {
    return ['nsenter', ...this.host.entering, ...this.host.asUser];
  }

  /** The same for one that runs in a task of its own. */
  taskPrefix(network: string): string[] {
    return [...this.prefix, 'env', ...Object.entries(this.host.environment).map(([name, value]) => `${name}=${value}`), process.execPath, MAIN, 'run', '--rm', '--network', network, '--'];
  }

  /** A program on it, while it runs. */
  program(file: string, ...args: string[]): ChildProgram {
    return new ChildProgram('nsenter', [...this.host.entering, ...this.host.asUser, file, ...args], { ...process.env, ...this.host.environment });
  }

  /** Runs a program on it, in the host's namespace, to its end. */
  attempt(file: string, ...args: string[]): Promise<Outcome> {
    return this.program(file, ...args).ended;
  }

  /** The same, which must succeed; answers its output. */
  async exec(file: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.attempt(file, ...args);
    assert.equal(code, 0, `${this.name}: ${file} ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  }

  /** `vipmesh ARGS` on it, while it runs. */
  vipmesh(...args: string[]): ChildProgram {
    return this.program(process.execPath, MAIN, ...args);
  }

  /** `vipmesh ARGS` on it, which must succeed; answers its output. */
  cli(...args: string[]): Promise<string> {
    return this.exec(process.execPath, MAIN, ...args);
  }

  /** `vipmesh ARGS`, which must fail with exit code 1 and without a stack; answers what it says. */
  async refused(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.vipmesh(...args).ended;
    assert.equal(code, 1, `vipmesh ${args.join(' ')} should fail: ${stdout}${stderr}`);
    assert.doesNotMatch(stderr, /^\s+at /m, 'no stack');
    return stderr;
  }

  /** Runs a script in a one-off task of its own on this node; its exit code must be 0. */
  inTask(network: string, script: string): Promise<string> {
    return this.cli('run', '--rm', '--network', network, '--', 'sh', '-c', script);
  }

  /** The tasks of a service that run and are to, as this node knows them. */
  running(service: string): Promise<TaskSummary[]> {
    return runningTasks(this.api, service);
  }

  /** Waits until `service` has exactly so many running tasks, and no others on their way. */
  settles(service: string, replicas: number): Promise<TaskSummary[]> {
    return settledTasks(this.api, service, replicas, { ...PATIENCE, interval: 50 });
  }
}
