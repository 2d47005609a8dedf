import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  clientSocket, clientTarget, directoryKey, ensureDirectories, fileSystem, namespaceDirectory, PathError, requirePrivate, resolvePaths,
  type DirectoryFacts, type PathOptions,
} from '../../../../agent/lifecycle/paths.js';

/** Directories with their owners; what is below belongs to the nearest. Everyone may write to what is theirs, and to /tmp. */
function machine(owners: Readonly<Record<string, number>>, uid: number): DirectoryFacts {
  const owner = (path: string): number => {
    const nearest = Object.keys(owners).filter((directory) => path === directory || path.startsWith(directory + '/')).sort().at(-1);
    return nearest === undefined ? 0 : (owners[nearest] ?? 0);
  };
  return { owner, writable: (path) => uid === 0 || path.startsWith('/tmp') || owner(path) === uid };
}

const usual = { '/home/ann': 1000, '/run/user/1000': 1000, '/run/user/0': 0 };

function where(uid: number, env: PathOptions['env'], stateDir?: string): [state: string, socket: string] {
  const paths = resolvePaths({ uid, env, stateDir, facts: machine(usual, uid) });
  return [paths.stateDirectory, paths.socket];
}

test('root without anything set', (t) => {
  t.deepEqual(where(0, { HOME: '/root' }), ['/var/lib/vipmesh', '/run/vipmesh/vipmesh.sock']);
});

test('root with XDG variables that are root’s', (t) => {
  t.deepEqual(where(0, { XDG_STATE_HOME: '/srv/state', XDG_RUNTIME_DIR: '/srv/run' }), ['/srv/state/vipmesh', '/srv/run/vipmesh/vipmesh.sock']);
});

test('root by sudo passes over the user’s XDG variables', (t) => {
  const env = { HOME: '/home/ann', XDG_STATE_HOME: '/home/ann/.local/state', XDG_RUNTIME_DIR: '/run/user/1000' };
  t.deepEqual(where(0, env), ['/var/lib/vipmesh', '/run/vipmesh/vipmesh.sock']);
});

test('root by login passes over its session directory, which logout removes', (t) => {
  t.deepEqual(where(0, { XDG_RUNTIME_DIR: '/run/user/0' }), ['/var/lib/vipmesh', '/run/vipmesh/vipmesh.sock']);
});

test('a user with a session', (t) => {
  t.deepEqual(where(1000, { HOME: '/home/ann', XDG_RUNTIME_DIR: '/run/user/1000' }), [
    '/home/ann/.local/state/vipmesh',
    '/run/user/1000/vipmesh/vipmesh.sock',
  ]);
});

test('a user with XDG_STATE_HOME, and a runtime directory that is another user’s', (t) => {
  const env = { HOME: '/home/ann', XDG_STATE_HOME: '/home/ann/state', XDG_RUNTIME_DIR: '/run/user/0' };
  t.deepEqual(where(1000, env), ['/home/ann/state/vipmesh', '/tmp/vipmesh-1000/vipmesh.sock']);
});

test('a user without a home', (t) => {
  for (const HOME of ['/nonexistent', undefined, '', 'relative']) {
    t.deepEqual(where(65534, { HOME }), ['/var/tmp/vipmesh-65534', '/tmp/vipmesh-65534/vipmesh.sock']);
  }
});

test('a relative XDG variable is ignored', (t) => {
  t.deepEqual(where(1000, { HOME: '/home/ann', XDG_STATE_HOME: 'state', XDG_RUNTIME_DIR: './run' }), [
    '/home/ann/.local/state/vipmesh',
    '/tmp/vipmesh-1000/vipmesh.sock',
  ]);
});

test('another state directory has another socket, the default one named explicitly has the default one', (t) => {
  const key = directoryKey('/srv/two');
  t.regex(key, /^[0-9a-f]{8}$/);
  t.deepEqual(where(0, {}, '/srv/two'), ['/srv/two', `/run/vipmesh/${key}/vipmesh.sock`]);
  t.deepEqual(where(0, {}, '/srv/one/../two/'), where(0, {}, '/srv/two'));
  t.deepEqual(where(0, {}, '/var/lib/vipmesh'), where(0, {}));
  t.not(directoryKey('/srv/two'), directoryKey('/srv/three'));
});

test('a runtime directory that is given is used as it is', (t) => {
  const paths = resolvePaths({ uid: 0, env: {}, stateDir: '/srv/two', runtimeDir: '/srv/run', facts: machine(usual, 0) });
  t.is(paths.socket, '/srv/run/vipmesh.sock');
  t.is(namespaceDirectory('root', paths), '/run/netns');
  t.is(namespaceDirectory('rootless', paths), '/srv/run/netns');
});

test('a socket path of 107 bytes is taken, one of 108 refused', (t) => {
  const runtimeDir = (length: number): string => '/' + 'r'.repeat(length - 1 - '/vipmesh.sock'.length);
  const facts = machine(usual, 0);
  t.is(resolvePaths({ uid: 0, env: {}, runtimeDir: runtimeDir(107), facts }).socket.length, 107);
  t.throws(() => resolvePaths({ uid: 0, env: {}, runtimeDir: runtimeDir(108), facts }), { instanceOf: PathError, message: /longer than the 107 bytes/ });
});

test('a client takes --socket, then VIPMESH_SOCKET, then where the agent would be', (t) => {
  const options = { uid: 0, facts: machine(usual, 0) };
  const env = { VIPMESH_SOCKET: '/run/other.sock' };
  t.is(clientSocket({ ...options, env, socket: '/run/given.sock' }), '/run/given.sock');
  t.is(clientSocket({ ...options, env }), '/run/other.sock');
  t.is(clientSocket({ ...options, env: { VIPMESH_SOCKET: '' } }), '/run/vipmesh/vipmesh.sock');
});

test('what commands need to find an agent: nothing, or its state directory', (t) => {
  const option = (stateDir?: string): string => resolvePaths({ uid: 0, env: {}, stateDir, facts: machine(usual, 0) }).stateOption;
  t.is(option(), '');
  t.is(option('/var/lib/vipmesh'), '');
  t.is(option('/srv/two'), ' --state-dir /srv/two');
  t.is(option("/srv/ann's own"), ` --state-dir '/srv/ann'\\''s own'`);
  const target = (options: Partial<Parameters<typeof clientTarget>[0]>): unknown => clientTarget({ uid: 0, env: {}, facts: machine(usual, 0), ...options });
  t.deepEqual(target({ stateDir: '/srv/two', env: { VIPMESH_SOCKET: '/run/x.sock' } }), { socket: '/run/x.sock', stateOption: '' });
  t.like(target({ stateDir: '/srv/two' }), { stateOption: ' --state-dir /srv/two', log: '/srv/two/agent.log' });
});

test('the file system’s facts are those of the nearest directory that exists', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'vipmesh-paths-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  t.is(fileSystem.owner(join(directory, 'a/b/c')), process.getuid?.() ?? -1);
  t.true(fileSystem.writable(join(directory, 'a/b/c')));
  t.false(fileSystem.writable('/proc/self/status/x'));
});

test('directories are made for this user alone', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'vipmesh-paths-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const paths = resolvePaths({ uid: 1000, env: {}, stateDir: join(directory, 'x/state'), runtimeDir: join(directory, 'run') });
  ensureDirectories(paths, 1000);
  ensureDirectories(paths, 1000);
  t.is(statSync(paths.stateDirectory).mode & 0o777, 0o700);
  t.is(statSync(paths.runtimeDirectory).mode & 0o777, 0o700);
});

test('a state directory that cannot be made is named with the remedy', (t) => {
  const paths = resolvePaths({ uid: 1000, env: {}, stateDir: '/proc/nowhere', runtimeDir: '/tmp/unused' });
  t.throws(() => ensureDirectories(paths, 1000), { instanceOf: PathError, message: /^the state directory \/proc\/nowhere cannot be used \(E[A-Z]+\): name another with --state-dir$/ });
});

test('a file where a directory should be is refused', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'vipmesh-paths-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const stateDir = join(directory, 'state');
  writeFileSync(stateDir, '');
  const paths = resolvePaths({ uid: 1000, env: {}, stateDir, runtimeDir: join(directory, 'run') });
  t.throws(() => ensureDirectories(paths, 1000), { instanceOf: PathError, message: /cannot be used \(EEXIST\)/ });
});

test('a directory that others could have made first is refused', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'vipmesh-paths-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const uid = process.getuid?.() ?? 0;
  const own = join(directory, 'own');
  mkdirSync(own, { mode: 0o700 });
  t.notThrows(() => requirePrivate(own, uid));
  t.throws(() => requirePrivate(own, uid + 1), { instanceOf: PathError, message: new RegExp(`belongs to uid ${uid}`) });
  const link = join(directory, 'link');
  symlinkSync(own, link);
  t.throws(() => requirePrivate(link, uid), { instanceOf: PathError, message: /is a symbolic link/ });
  chmodSync(own, 0o750);
  t.throws(() => requirePrivate(own, uid), { instanceOf: PathError, message: /is open to other users \(mode 0750\)/ });
});
