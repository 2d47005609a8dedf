/**
 * Where an agent keeps its state and where its socket is. The agent and the command line call the same function, so with
 * the same user and environment they agree without any configuration. Files below these directories are made by others;
 * `ensureDirectories` makes the directories themselves.
 *
 * State:   --state-dir, $XDG_STATE_HOME/vipmesh, then root: /var/lib/vipmesh, others: ~/.local/state/vipmesh, and
 *          /var/tmp/vipmesh-<uid> for a user without a home that can be written.
 * Runtime: $XDG_RUNTIME_DIR/vipmesh, then root: /run/vipmesh, others: /tmp/vipmesh-<uid>. With a --state-dir other than
 *          the default one, a directory below it that is named after the state directory, so that two agents on one
 *          machine have two sockets and `--state-dir` alone finds the right one.
 *
 * An XDG variable that is not ours is passed over. sudo and su may keep the calling user's: root writing below
 * /run/user/1000 would leave files that user cannot remove and would trust a directory that user controls, so root wants
 * the directory to be root's. Root passes over its own session directory /run/user/0 as well: logind removes it when
 * root logs out, under the agent's feet, and a root that came by sudo would look for the socket elsewhere.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, lstatSync, mkdirSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { Mode } from './modes.js';

/** A directory or socket path that cannot be used; the message says why and what to do. */
export class PathError extends Error {
  override readonly name = 'PathError';
}

export interface Paths {
  readonly stateDirectory: string;
  readonly runtimeDirectory: string;
  /** Unix socket of the API, mode 0660. */
  readonly socket: string;
  /** Held with flock(2) as long as an agent lives on this state directory. */
  readonly stateLock: string;
  /** Held likewise: two state directories may still share one runtime directory. */
  readonly runtimeLock: string;
  readonly identity: string;
  /** Of which cluster the node was last. */
  readonly membership: string;
  /** The embedded store's directory. */
  readonly store: string;
  /** Output of a detached agent, appended. */
  readonly log: string;
  /** Namespace pins of a rootless agent; root uses /run/netns, so that `ip netns` shows them. */
  readonly rootlessNamespaces: string;
  /** Files made for tasks (resolv.conf, hosts); removed as a whole by cleanUp. */
  readonly taskFiles: string;
  /** The runtime directory is this state directory's alone, below one that agents share. */
  readonly ownRuntimeDirectory: boolean;
  /** What a command needs to find this agent, ready to be appended to its name: ` --state-dir PATH`, or nothing by default. */
  readonly stateOption: string;
}

/** What is known of the file system; replaced in tests. */
export interface DirectoryFacts {
  /** Owner of the path, or of its nearest ancestor that exists. */
  owner(path: string): number;
  /** Whether this process may write there, or may create it. */
  writable(path: string): boolean;
}

export interface PathOptions {
  readonly stateDir?: string | undefined;
  readonly runtimeDir?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly facts?: DirectoryFacts;
}

/** sun_path of sockaddr_un is 108 bytes with the closing NUL (unix(7)). */
const LONGEST_SOCKET_PATH = 107;

/** Pure but for `facts`. Throws PathError when the socket's path would be too long. */
export function resolvePaths(options: PathOptions): Paths {
  const facts = options.facts ?? fileSystem;
  const { env, uid } = options;
  const defaultState = defaultStateDirectory(env, uid, facts);
  const stateDirectory = options.stateDir === undefined ? defaultState : resolve(options.stateDir);
  const base = options.runtimeDir === undefined ? defaultRuntimeDirectory(env, uid, facts) : resolve(options.runtimeDir);
  const ownRuntimeDirectory = stateDirectory !== defaultState && options.runtimeDir === undefined;
  const runtimeDirectory = ownRuntimeDirectory ? join(base, directoryKey(stateDirectory)) : base;
  const socket = join(runtimeDirectory, 'vipmesh.sock');
  if (Buffer.byteLength(socket) > LONGEST_SOCKET_PATH) {
    throw new PathError(
      `the socket's path ${socket} is longer than the ${LONGEST_SOCKET_PATH} bytes a unix socket can have: ` +
        'set XDG_RUNTIME_DIR to a directory with a shorter name',
    );
  }
  return {
    stateDirectory,
    runtimeDirectory,
    socket,
    stateLock: join(stateDirectory, 'agent.lock'),
    runtimeLock: join(runtimeDirectory, 'agent.lock'),
    identity: join(stateDirectory, 'node.json'),
    membership: join(stateDirectory, 'cluster.json'),
    store: join(stateDirectory, 'store'),
    log: join(stateDirectory, 'agent.log'),
    rootlessNamespaces: join(runtimeDirectory, 'netns'),
    taskFiles: join(runtimeDirectory, 'tasks'),
    ownRuntimeDirectory,
    stateOption: stateDirectory === defaultState ? '' : ` --state-dir ${shellWord(stateDirectory)}`,
  };
}

/** As it is typed: quoted where a shell would take it apart. */
export const shellWord = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** The socket a client talks to: `--socket`, then $VIPMESH_SOCKET, then where an agent of this user would listen. */
export function clientSocket(options: ClientPathOptions): string {
  return clientTarget(options).socket;
}

export interface ClientPathOptions extends PathOptions {
  readonly socket?: string | undefined;
}

/** The same, with what is known of an agent that does not answer there; of a socket that was named, nothing is. */
export function clientTarget(options: ClientPathOptions): { readonly socket: string; readonly stateOption: string; readonly log?: string } {
  const named = options.socket ?? options.env['VIPMESH_SOCKET'];
  if (named !== undefined && named !== '') return { socket: resolve(named), stateOption: '' };
  const { socket, stateOption, log } = resolvePaths(options);
  return { socket, stateOption, log };
}

/** Where agents of root pin their network namespaces, and ip-netns(8) those of everybody. */
export const ROOT_NAMESPACES = '/run/netns';

/** Where an agent pins its network namespaces. */
export function namespaceDirectory(mode: Mode, paths: Paths): string {
  return mode === 'root' ? ROOT_NAMESPACES : paths.rootlessNamespaces;
}

/** Eight digits that stand for a state directory in the runtime directory's name. */
export function directoryKey(stateDirectory: string): string {
  return createHash('sha256').update(stateDirectory).digest('hex').slice(0, 8);
}

function defaultStateDirectory(env: PathOptions['env'], uid: number, facts: DirectoryFacts): string {
  const xdg = env['XDG_STATE_HOME'];
  if (isOurs(xdg, uid, facts)) return join(xdg, 'vipmesh');
  if (uid === 0) return '/var/lib/vipmesh';
  const home = env['HOME'];
  const below = home === undefined || !isAbsolute(home) ? undefined : join(home, '.local/state/vipmesh');
  return below !== undefined && facts.writable(below) ? below : privateStateDirectory(uid);
}

function defaultRuntimeDirectory(env: PathOptions['env'], uid: number, facts: DirectoryFacts): string {
  const xdg = env['XDG_RUNTIME_DIR'];
  if (isOurs(xdg, uid, facts) && !(uid === 0 && resolve(xdg) === '/run/user/0')) return join(xdg, 'vipmesh');
  return uid === 0 ? '/run/vipmesh' : privateRuntimeDirectory(uid);
}

/** XDG Base Directory Specification: a relative path is invalid and is ignored. */
function isOurs(directory: string | undefined, uid: number, facts: DirectoryFacts): directory is string {
  if (directory === undefined || !isAbsolute(directory)) return false;
  return uid === 0 ? facts.owner(directory) === 0 : facts.writable(directory);
}

const privateStateDirectory = (uid: number): string => `/var/tmp/vipmesh-${uid}`;
const privateRuntimeDirectory = (uid: number): string => `/tmp/vipmesh-${uid}`;

export const fileSystem: DirectoryFacts = {
  owner: (path) => statSync(nearestExisting(path)).uid,
  writable(path) {
    const existing = nearestExisting(path);
    try {
      accessSync(existing, constants.W_OK | constants.X_OK);
      return statSync(existing).isDirectory();
    } catch {
      return false;
    }
  },
};

function nearestExisting(path: string): string {
  for (let candidate = resolve(path); candidate !== '/'; candidate = dirname(candidate)) {
    try {
      statSync(candidate);
      return candidate;
    } catch {
      // Not there, or behind a directory we may not search: the ancestor decides.
    }
  }
  return '/';
}

/**
 * Makes the state and the runtime directory. A user's are 0700. Root's state is 0700 and its runtime directory 0755, where
 * the socket's own mode (0660) decides who may talk to the agent. The directories in /tmp and /var/tmp must be plain
 * directories of this user that nobody else can enter, since anyone could have made them first. Throws PathError.
 */
export function ensureDirectories(paths: Paths, uid: number): void {
  for (const shared of [privateStateDirectory(uid), privateRuntimeDirectory(uid)]) {
    if (!isWithin(paths.stateDirectory, shared) && !isWithin(paths.runtimeDirectory, shared)) continue;
    makeWithParents(shared, 0o700);
    requirePrivate(shared, uid);
  }
  makeDirectory(paths.stateDirectory, 0o700, 'state directory', 'name another with --state-dir');
  makeDirectory(paths.runtimeDirectory, uid === 0 ? 0o755 : 0o700, 'runtime directory', 'set XDG_RUNTIME_DIR to a directory of yours');
}

const isWithin = (path: string, directory: string): boolean => path === directory || path.startsWith(directory + '/');

function makeDirectory(path: string, mode: number, what: string, remedy: string): void {
  try {
    makeWithParents(path, mode);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new PathError(`the ${what} ${path} cannot be used (${(error as NodeJS.ErrnoException).code ?? String(error)}): ${remedy}`);
  }
}

/** Node's own `recursive` never ends where a file system answers ENOENT to mkdir(2), as /proc does. */
function makeWithParents(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    makeWithParents(dirname(path), mode);
    mkdirSync(path, { mode });
  }
}

/** Throws PathError unless `path` is a directory (no symbolic link) of `uid` with no permission for anyone else. */
export function requirePrivate(path: string, uid: number): void {
  const status = lstatSync(path);
  const fault = status.isSymbolicLink()
    ? 'is a symbolic link'
    : !status.isDirectory()
      ? 'is not a directory'
      : status.uid !== uid
        ? `belongs to uid ${status.uid}`
        : (status.mode & 0o077) !== 0
          ? `is open to other users (mode 0${(status.mode & 0o777).toString(8)})`
          : undefined;
  if (fault !== undefined) {
    throw new PathError(`${path} ${fault}, so another user could take over the agent: remove it, or set XDG_RUNTIME_DIR and --state-dir`);
  }
}
