import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { acquireAgentLock, alreadyRunning, AlreadyRunningError, listener, lockHolder, parseHolder, type Holder } from '../../../../agent/lifecycle/agent-lock.js';
import { ensureDirectories, resolvePaths, type Paths } from '../../../../agent/lifecycle/paths.js';

const host1: Holder = { name: 'host1', pid: 1234, since: '2026-01-02T03:04:05.000Z' };
const host2: Holder = { name: 'host2', pid: 99, since: '2026-02-02T00:00:00.000Z' };

function agentPaths(t: ExecutionContext, state = 'state', directory = temporary(t)): Paths {
  const paths = resolvePaths({ uid: 1000, env: {}, stateDir: join(directory, state), runtimeDir: join(directory, 'run') });
  ensureDirectories(paths, 1000);
  return paths;
}

function temporary(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'vipmesh-lock-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return directory;
}

test('a second agent on the same state directory is refused by name and pid', (t) => {
  const paths = agentPaths(t);
  const lock = acquireAgentLock(paths, host1);
  t.throws(() => acquireAgentLock(paths, host2), {
    instanceOf: AlreadyRunningError,
    message:
      `vipmesh agent 'host1' (pid 1234) already runs on ${paths.stateDirectory} since 2026-01-02T03:04:05.000Z; ` +
      `stop it with \`vipmesh down --state-dir ${paths.stateDirectory}\`, or give this one its own --state-dir`,
  });
  t.deepEqual(lockHolder(paths), host1);
  lock.release();
  t.is(lockHolder(paths), 'free');
  acquireAgentLock(paths, host2).release();
});

test('a second agent on the same socket is refused, and leaves its own state directory free', (t) => {
  const directory = temporary(t);
  const one = agentPaths(t, 'one', directory);
  const two = agentPaths(t, 'two', directory);
  const lock = acquireAgentLock(one, host1);
  t.throws(() => acquireAgentLock(two, host2), { instanceOf: AlreadyRunningError, message: new RegExp(`'host1' \\(pid 1234\\) already listens on ${two.socket}`) });
  t.is(lockHolder(two), 'free');
  lock.release();
});

test('an agent whose state directory is removed is still known by its socket', (t) => {
  const paths = agentPaths(t);
  const lock = acquireAgentLock(paths, host1);
  rmSync(paths.stateDirectory, { recursive: true });
  t.is(lockHolder(paths), 'free');
  t.deepEqual(listener(paths), host1);
  lock.release();
  t.is(listener(paths), 'free');
});

test('what a dead agent wrote holds nothing', (t) => {
  const paths = agentPaths(t);
  writeFileSync(paths.stateLock, JSON.stringify(host1));
  t.is(lockHolder(paths), 'free');
});

test('a directory that was never used has no lock, and gets none by asking', (t) => {
  t.is(lockHolder(resolvePaths({ uid: 1000, env: {}, stateDir: '/nonexistent/state', runtimeDir: '/nonexistent/run' })), 'free');
});

test('a holder that has not written yet is told of without a name', (t) => {
  t.is(alreadyRunning(undefined, 'runs on /x'), 'a vipmesh agent that is just starting or stopping already runs on /x; stop it with `vipmesh down`, or give this one its own --state-dir');
  for (const text of ['', '{', '{"name":"a","pid":0,"since":"x"}', '{"name":"a","pid":"1","since":"x"}', '{"pid":1,"since":"x"}']) t.is(parseHolder(text), undefined);
});

test('a runtime directory of its own goes with the agent, if nothing is in it; a shared one stays', (t) => {
  const directory = temporary(t);
  const uid = process.getuid?.() ?? 0;
  const own = resolvePaths({ uid, env: { XDG_RUNTIME_DIR: directory }, stateDir: join(directory, 'state') });
  t.true(own.ownRuntimeDirectory);
  ensureDirectories(own, uid);
  acquireAgentLock(own, host1).release();
  t.false(existsSync(own.runtimeDirectory));
  const again = acquireAgentLock(own, host1);
  t.true(existsSync(own.runtimeDirectory), 'gone between the making and the locking, it is made again');
  mkdirSync(own.taskFiles);
  again.release();
  t.true(existsSync(own.taskFiles));
  const shared = agentPaths(t, 'shared', directory);
  acquireAgentLock(shared, host1).release();
  t.true(existsSync(shared.runtimeDirectory));
});
