/**
 * A machine for end-to-end tests: a test host on which the scenario is the administrator, and a user who has a clone of this
 * checkout and types commands there, as on any machine. The user is root, or uid 65534 where the scenario is root of the
 * real machine, or root of the user namespace that the test host is.
 *
 * The clone is the user's own, as a clone is: npm may build in it, and whoever builds in the checkout meanwhile is not
 * disturbed. It lies in /run, which is the test host's.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TaskObject } from '../../../../overlay/model/object.js';
import { isEnded } from '../../../../overlay/model/task-state.js';
import { startPty, type PtyProcess } from '../../../support/pty.js';
import { NOBODY } from '../../../support/capability.js';
import type { MachineUser } from '../../../support/machine-users.js';
import { pollUntil } from '../../../support/poll-until.js';

const CHECKOUT = fileURLToPath(new URL('../../../../../', import.meta.url));
const CLONE = '/run/clone';
const MAIN = join(CLONE, 'dist/agent/cli/main.js');
/** Not copied: npm's (mounted into the clone), git's, and what profilers leave. */
const NOT_CLONED = ['node_modules', '.git', 'out'];

/** A bound on every command, for what takes a few seconds on an idle machine. */
const PATIENCE = 90_000;

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program while it runs. It is killed when it takes longer than `timeout`. */
export class Running {
  stdout = '';
  stderr = '';
  readonly ended: Promise<Outcome>;

  constructor(
    readonly child: ChildProcess,
    timeout?: number,
  ) {
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (this.stdout += chunk));
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (this.stderr += chunk));
    const timer = timeout === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), timeout);
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        clearTimeout(timer);
        resolve({ code, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? assert.fail('it was not started');
  }

  /** Waits until its output matches. An end before that is a failure. */
  async says(text: RegExp): Promise<void> {
    await pollUntil(
      `${String(text)} is said`,
      () => {
        if (text.test(this.stdout)) return true;
        assert.equal(this.child.exitCode ?? this.child.signalCode, null, `it ended: ${this.stdout}${this.stderr}`);
        return false;
      },
      { timeout: PATIENCE },
    ).catch((error: unknown) => assert.fail(`${String(error)}; so far: ${this.stdout}${this.stderr}`));
  }
}

export class Machine {
  readonly #uid: number | undefined;
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(readonly user: MachineUser) {
    const uid = user === 'nobody' ? NOBODY : 0;
    this.#uid = user === 'nobody' ? NOBODY : undefined;
    this.#environment = {
      PATH: process.env.PATH,
      HOME: `/run/state/${uid}`,
      XDG_STATE_HOME: `/run/state/${uid}`,
      XDG_RUNTIME_DIR: `/run/user/${uid}`,
      TMPDIR: '/run/tmp',
      TERM: 'xterm',
      npm_config_update_notifier: 'false',
    };
  }

  static setUp(user: MachineUser): Machine {
    cpSync(CHECKOUT, CLONE, { recursive: true, preserveTimestamps: true, filter: (path) => !NOT_CLONED.includes(basename(path)) });
    mkdirSync(join(CLONE, 'node_modules'));
    if (user === 'nobody') {
      const own = [`/run/state/${NOBODY}`, `/run/user/${NOBODY}`];
      for (const directory of own) mkdirSync(directory);
      execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, CLONE, ...own]);
      execFileSync('mknod', ['-m', '0666', '/run/tun', 'c', '10', '200']);
      execFileSync('mount', ['--bind', '/run/tun', '/dev/net/tun']);
    }
    execFileSync('mount', ['--bind', join(CHECKOUT, 'node_modules'), join(CLONE, 'node_modules')]);
    return new Machine(user);
  }

  /** Where the agent's mode is the one that `auto` takes for this user. */
  get mode(): 'root' | 'rootless' {
    return this.user === 'nobody' ? 'rootless' : 'root';
  }

  /** The command of an endpoint server (test/support/endpoint-server.ts) that answers with its host name, UDP on 5300. */
  endpoint(address = '0.0.0.0'): string[] {
    return ['sh', '-c', `exec ${process.execPath} ${join(CLONE, 'dist/test/support/endpoint-server.js')} $HOSTNAME 5300 ${address}`];
  }

  /** Starts a program as the user, in the clone. `group` makes it the leader of a process group, as a shell does. */
  start(file: string, args: readonly string[], options: { group?: boolean; input?: string; timeout?: number } = {}): Running {
    const { group = false, input, timeout } = options;
    const identity: SpawnOptions = this.#uid === undefined ? {} : { uid: this.#uid, gid: this.#uid };
    const child = spawn(file, args, { ...identity, cwd: CLONE, env: this.#environment, detached: group, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
    // A program that ends before it has read its input is judged by its exit code.
    child.stdin?.on('error', () => undefined).end(input);
    return new Running(child, timeout);
  }

  /** Starts a program as the user, on a terminal of its own, in the clone. */
  startOnTerminal(command: string): PtyProcess {
    const shell = ['sh', '-c', `cd ${CLONE} && exec ${command}`];
    const drop = this.#uid === undefined ? [] : ['setpriv', '--reuid', `${this.#uid}`, '--regid', `${this.#uid}`, '--clear-groups'];
    const [file = '', ...args] = [...drop, ...shell];
    return startPty(file, args, { env: this.#environment, columns: 120, rows: 40 });
  }

  /** Runs a program to its end, whatever that is. */
  attempt(file: string, args: readonly string[], options: { input?: string } = {}): Promise<Outcome> {
    return this.start(file, args, { timeout: PATIENCE, ...options }).ended;
  }

  /** Runs a program, which must succeed; answers its output. */
  async run(file: string, args: readonly string[], options: { input?: string } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.attempt(file, args, options);
    assert.equal(code, 0, `${file} ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  }

  /** `vipmesh ARGS`, which must succeed; answers its output. */
  vipmesh(...args: string[]): Promise<string> {
    return this.run(process.execPath, [MAIN, ...args]);
  }

  /** `vipmesh ARGS`, which must succeed; answers what it says beside its output. */
  async remarks(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.attempt(process.execPath, [MAIN, ...args]);
    assert.equal(code, 0, `vipmesh ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
    return stderr;
  }

  /** What a listing, an inspect or `status` prints with --json. */
  async objects<T>(...args: string[]): Promise<T[]> {
    return [JSON.parse(await this.vipmesh(...args, '--json')) as T | T[]].flat() as T[];
  }

  /** The first of them. */
  async object<T>(...args: string[]): Promise<T> {
    const [object] = await this.objects<T>(...args);
    return object ?? assert.fail(`vipmesh ${args.join(' ')} shows nothing`);
  }

  /** `vipmesh ARGS`, which must fail with exit code 1 and without a stack; answers what it says. */
  refused(...args: string[]): Promise<string> {
    return this.#fails(1, args);
  }

  /** The same, which must be wrong usage: exit code 2. */
  misused(...args: string[]): Promise<string> {
    return this.#fails(2, args);
  }

  async #fails(expected: number, args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.attempt(process.execPath, [MAIN, ...args]);
    assert.equal(code, expected, `vipmesh ${args.join(' ')} should fail with ${expected}: ${stdout}${stderr}`);
    assert.doesNotMatch(stderr, /^\s+at /m, 'no stack');
    return stderr;
  }

  /** `vipmesh up ARGS` in the foreground; answers when it says that it is up. */
  async up(...args: string[]): Promise<Running> {
    const agent = this.start(process.execPath, [MAIN, 'up', ...args]);
    await agent.says(/ is up/);
    return agent;
  }

  /** Ctrl-C; the agent must end in order. */
  async stop(agent: Running): Promise<void> {
    agent.child.kill('SIGINT');
    const { code, stdout, stderr } = await agent.ended;
    assert.equal(code, 0, `${stdout}${stderr}`);
    assert.deepEqual(stderr.split('\n').filter((line) => / (warn|error) /.test(line)), [], 'it had nothing to complain of');
  }

  /** Waits until no task of a service takes new flows any more: all of them are stopping, or have ended. */
  async closes(service: string): Promise<void> {
    await pollUntil(`the tasks of ${service} are closed to new flows`, async () => {
      const tasks = await this.objects<TaskObject>('service', 'ps', service);
      return tasks.every((task) => task.status.state === 'stopping' || isEnded(task));
    }, { timeout: PATIENCE });
  }

  /** Runs a script in a one-off task. Its exit code must be 0. */
  inTask(network: string, script: string): Promise<string> {
    return this.vipmesh('run', '--rm', '--network', network, '--', 'sh', '-c', script);
  }

  /** Runs several commands in one one-off task; answers the output of each by its label. Their exit codes are ignored. */
  eachInTask<Label extends string>(network: string, commands: Readonly<Record<Label, string>>): Promise<Record<Label, string>> {
    return this.#each(commands, (script) => this.inTask(network, script));
  }

  /** The same in a task that runs. */
  eachIn<Label extends string>(task: string, commands: Readonly<Record<Label, string>>): Promise<Record<Label, string>> {
    return this.#each(commands, (script) => this.vipmesh('exec', task, '--', 'sh', '-c', script));
  }

  async #each<Label extends string>(commands: Readonly<Record<Label, string>>, execute: (script: string) => Promise<string>): Promise<Record<Label, string>> {
    const mark = '=====';
    const script = Object.entries<string>(commands).map(([label, command]) => `echo '${mark}${label}'; { ${command}; } 2>&1`);
    const parts = (await execute([...script, 'true'].join('\n'))).split(mark).slice(1);
    return Object.fromEntries(parts.map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)])) as Record<Label, string>;
  }
}
