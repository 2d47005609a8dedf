/**
 * Scenarios for starting and ending an agent, with real processes and a small daemon (test/support/small-agent.ts), on a
 * test host.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lockHolder } from '../../../agent/lifecycle/agent-lock.js';
import { cleanUp } from '../../../agent/lifecycle/clean-up.js';
import { SETTLE } from '../../../agent/lifecycle/interruptions.js';
import { privilegeFacts } from '../../../agent/lifecycle/facts.js';
import { keptCapabilities } from '../../../agent/lifecycle/gateway-privileges.js';
import type { ReadyAgent } from '../../../agent/lifecycle/messages.js';
import type { ModeRequest } from '../../../agent/lifecycle/modes.js';
import { resolvePaths, type Paths } from '../../../agent/lifecycle/paths.js';
import { createNamespace } from '../../../kernel/netns/netns.js';
import { capabilitySet, parsePrivileges } from '../../../kernel/run/privileges.js';
import { pollUntil } from '../../support/poll-until.js';
import type { Misbehaviour } from '../../support/small-agent.js';

const PROGRAM = fileURLToPath(new URL('../../support/small-agent.js', import.meta.url));

class Started {
  stdout = '';
  stderr = '';
  readonly ended: Promise<{ code: number | null; signal: string | null }>;

  constructor(readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (this.stdout += chunk));
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (this.stderr += chunk));
    this.ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
  }

  ready(): Promise<ReadyAgent> {
    const look = (): ReadyAgent | undefined => {
      assert.equal(this.child.exitCode, null, `it ended: ${this.stderr}`);
      return this.isReady();
    };
    return pollUntil('an agent that is ready', look, { timeout: 90_000 });
  }

  isReady(): ReadyAgent | undefined {
    const text = /^ready (.*)$/m.exec(this.stdout)?.[1];
    return text === undefined ? undefined : (JSON.parse(text) as ReadyAgent);
  }

  async end(code: number): Promise<void> {
    assert.deepEqual(await this.ended, { code, signal: null }, `it said: ${this.stderr}`);
  }
}

function start(command: 'up' | 'down', options: object, misbehaviour?: Misbehaviour): Started {
  const env = { ...process.env, ...(misbehaviour === undefined ? {} : { SMALL_AGENT: misbehaviour }) };
  return new Started(spawn(process.execPath, [PROGRAM, command, JSON.stringify(options)], { env, stdio: ['ignore', 'pipe', 'pipe'] }));
}

const up = (mode: ModeRequest, misbehaviour?: Misbehaviour): Started => start('up', { mode, detach: false }, misbehaviour);
const detach = (mode: ModeRequest, misbehaviour?: Misbehaviour): Started => start('up', { mode, detach: true }, misbehaviour);

function paths(): Paths {
  return resolvePaths({ env: process.env, uid: process.getuid?.() ?? 0 });
}

function events(): string[] {
  return readFileSync(join(paths().stateDirectory, 'events'), 'utf8').trim().split('\n');
}

/** Pids of the daemon's process and of the process that it started. */
function daemonPids(): { daemon: number; task: number } {
  const [, daemon, task] = /pid=(\d+) task=(\d+)/.exec(events().at(-1) ?? '') ?? assert.fail('the daemon did not start');
  return { daemon: Number(daemon), task: Number(task) };
}

/** Gone, or ended and waiting for somebody to ask how: the test host's first process asks nobody. */
function isGone(pid: number): boolean {
  try {
    return /^\S+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

/** SIGINT; one that is gone already, because of what another was sent, takes none. */
function interrupt(pid: number): void {
  try {
    process.kill(pid, 'SIGINT');
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
  }
}

function assertNothingLeft(): void {
  assert.equal(existsSync(paths().socket), false, 'no socket');
  assert.equal(existsSync(paths().rootlessNamespaces) ? readdirSync(paths().rootlessNamespaces).length : 0, 0, 'no rootless namespace');
  assert.deepEqual(existsSync('/run/netns') ? readdirSync('/run/netns') : [], [], 'no namespace');
  assert.equal(lockHolder(paths()), 'free');
}

async function foreground(mode: ModeRequest): Promise<void> {
  const agent = up(mode);
  const { socket, pid, name, stateDirectory } = await agent.ready();
  assert.equal(pid, agent.child.pid);
  assert.equal(name, hostname());
  assert.equal(socket, paths().socket);
  assert.equal(lstatSync(socket).isSocket(), true);
  assert.match(events()[0] ?? '', /^started \w+ pid=\d+ task=\d+ mtu=true$/);

  const second = up(mode);
  await second.end(1);
  const refusal = `AlreadyRunningError: vipmesh agent '${name}' (pid ${pid}) already runs on ${stateDirectory} since `;
  assert.ok(second.stderr.startsWith(refusal), second.stderr);

  const { daemon, task } = daemonPids();
  if (mode === 'rootless') assertUnprivileged(pid);
  // As a terminal and npm do it: both processes, and one of them twice.
  for (const target of [pid, daemon, pid]) interrupt(target);
  await agent.end(0);
  assert.deepEqual(events().slice(1).filter((event) => event !== 'asked again'), ['shutdown'], 'shut down once');
  assert.equal(isGone(task), true);
  assertNothingLeft();
}

/** The gateway has no capability but those for low ports and, as root, for another inner process; nor can what it starts get any. */
function assertUnprivileged(pid: number): void {
  const { permitted, effective, bounding, noNewPrivileges } = parsePrivileges(readFileSync(`/proc/${pid}/status`, 'utf8'));
  const isRoot = process.getuid?.() === 0;
  const kept = capabilitySet(keptCapabilities(privilegeFacts()));
  assert.equal(noNewPrivileges, true);
  assert.equal(permitted, isRoot ? kept : 0n);
  assert.equal(effective, permitted);
  if (isRoot) assert.equal(bounding, kept);
}

export const foregroundRoot = (): Promise<void> => foreground('root');
export const foregroundRootless = (): Promise<void> => foreground('rootless');
export const foregroundAuto = (): Promise<void> => foreground('auto');

async function background(mode: ModeRequest): Promise<void> {
  const command = detach(mode);
  await command.end(0);
  const agent = command.isReady() ?? assert.fail('it said that it was ready');
  assert.notEqual(agent.pid, command.child.pid);
  assert.equal(lstatSync(agent.socket).isSocket(), true);

  const other = detach(mode);
  await other.end(1);
  assert.match(other.stderr, new RegExp(`already runs on .*`));
  assert.ok(other.stderr.includes(`(pid ${agent.pid})`), other.stderr);

  const stop = start('down', {});
  await stop.end(0);
  assert.ok(stop.stderr.includes(`agent '${agent.name}' (pid ${agent.pid}) has ended`), stop.stderr);
  assert.equal(isGone(agent.pid), true);
  assertNothingLeft();

  const again = start('down', {});
  await again.end(0);
  assert.equal(again.stderr, `no agent runs on ${agent.stateDirectory}\n`);
}

export const backgroundRoot = (): Promise<void> => background('root');
export const backgroundRootless = (): Promise<void> => background('rootless');

async function failedStarts(mode: ModeRequest): Promise<void> {
  for (const begin of [up, detach]) {
    const failed = begin(mode, 'fail');
    await failed.end(1);
    assert.match(failed.stderr, /^\w+: port 8080\/tcp is taken: stop what uses it$/m);
    assert.doesNotMatch(failed.stderr, /^\s+at /m, 'no stack');
    assert.equal(lockHolder(paths()), 'free');
  }
  const crashed = detach(mode, 'crash');
  await crashed.end(1);
  assert.match(crashed.stderr, /about to crash|ended with exit code 3/);
  assert.equal(lockHolder(paths()), 'free');
}

export const failedStartsRoot = (): Promise<void> => failedStarts('root');
export const failedStartsRootless = (): Promise<void> => failedStarts('rootless');

/** A second Ctrl-C, sent until it is taken for one, ends an agent that does not end by itself. */
async function impatience(mode: ModeRequest): Promise<void> {
  const agent = up(mode, 'stuck');
  const { pid } = await agent.ready();
  const { task } = daemonPids();
  const begin = performance.now();
  await pollUntil('the agent is killed', () => agent.child.exitCode !== null || !process.kill(pid, 'SIGINT'), { interval: 100 });
  assert.ok(performance.now() - begin >= SETTLE, 'what came at once was one Ctrl-C');
  await agent.end(1);
  await start('down', {}).end(0);
  assert.equal(isGone(task), true);
  assertNothingLeft();
}

export const impatienceRoot = (): Promise<void> => impatience('root');
export const impatienceRootless = (): Promise<void> => impatience('rootless');

export async function killedRoot(): Promise<void> {
  const agent = up('root');
  await agent.ready();
  const { task } = daemonPids();
  agent.child.kill('SIGKILL');
  await agent.ended;
  assert.equal(isGone(task), false, 'it outlives the agent');
  assert.equal(readdirSync('/run/netns').length, 1);
  const stop = start('down', {});
  await stop.end(0);
  assert.match(stop.stderr, /^no agent runs on .*\nremoved what it left behind: 1 namespace, 1 process, 1 file\n$/);
  assert.equal(isGone(task), true);
  assertNothingLeft();

  const next = up('root');
  await next.ready();
  const before = daemonPids();
  next.child.kill('SIGKILL');
  await next.ended;
  const after = up('root');
  await after.ready();
  assert.equal(isGone(before.task), true, 'a start cleans up too');
  assert.equal(readdirSync('/run/netns').length, 1);
  after.child.kill('SIGTERM');
  await after.end(0);
  assertNothingLeft();
}

export async function innerKilled(): Promise<void> {
  const agent = up('rootless');
  await agent.ready();
  for (let lives = 1; lives <= 2; lives++) {
    const { daemon, task } = daemonPids();
    process.kill(daemon, 'SIGKILL');
    await pollUntil('another one', () => events().filter((event) => event.startsWith('started')).length > lives);
    assert.match(agent.stderr, new RegExp(`the inner agent process \\(pid ${daemon}\\) was ended by SIGKILL: starting it again`));
    assert.equal(isGone(task), true);
  }
  await start('down', {}).end(0);
  await agent.end(0);
  assertNothingLeft();
}

/** One that dies again and again is given up, and a Ctrl-C ends a pause between two. */
export async function innerHopeless(): Promise<void> {
  const agent = up('rootless', 'short-lived');
  await agent.end(1);
  assert.match(agent.stderr, /the inner agent process died 6 times in a row shortly after its start, the last time: the inner agent process \(pid \d+\) ended with exit code 3\. .*`vipmesh up`/);
  assert.equal(events().filter((event) => event.startsWith('started')).length, 6);
  assertNothingLeft();
  const another = up('rootless', 'short-lived');
  await pollUntil('a pause of a second', () => /pause.*1000/.test(another.stderr), { timeout: 90_000 });
  another.child.kill('SIGINT');
  await another.end(0);
  assertNothingLeft();
}

export async function outerKilled(): Promise<void> {
  const agent = up('rootless');
  await agent.ready();
  const { daemon, task } = daemonPids();
  agent.child.kill('SIGKILL');
  await agent.ended;
  // The next one starts as soon as the lock is free, and not before: the inner process inherited it.
  await pollUntil('the inner process shuts down', () => lockHolder(paths()) === 'free');
  assert.equal(events().at(-1), 'shutdown');
  assert.equal(isGone(task), true);
  await pollUntil('the inner process ends', () => isGone(daemon));
  assertNothingLeft();
}

export async function cleaning(): Promise<void> {
  const own = paths();
  mkdirSync(own.stateDirectory, { recursive: true });
  mkdirSync(join(own.taskFiles, 'aaaabbbbcccc'), { recursive: true });
  mkdirSync(own.rootlessNamespaces, { recursive: true });
  createNamespace('/run/netns', 'vm1a2b-vote').close();
  createNamespace('/run/netns', 'vm3c4d-other').close();
  const first = await cleanUp(own, 'vm1a2b-');
  assert.deepEqual(first, { namespaces: ['vm1a2b-vote'], processes: 0, files: [own.taskFiles] });
  assert.deepEqual(readdirSync('/run/netns'), ['vm3c4d-other'], 'another node’s stays');
  assert.equal(existsSync(own.rootlessNamespaces), false, 'an empty directory goes too, without a word');
  assert.deepEqual(await cleanUp(own, 'vm1a2b-'), { namespaces: [], processes: 0, files: [] });
}
