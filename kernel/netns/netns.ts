/**
 * Network namespaces: made, opened, entered and removed without a helper process.
 *
 * setns(2) moves one thread, so within() runs a *synchronous* function on this thread in another namespace and comes back.
 * Whatever the function opens (socket, TUN, child process: libuv forks in the calling thread) stays in that namespace.
 * Nothing asynchronous may start inside: a job of the thread pool runs in whichever namespace its thread has.
 *
 * A namespace lives as long as it is pinned: by a descriptor, a process, or a bind mount of its nsfs file, which is how
 * `ip netns` names them and how we do. In an empty or missing directory that is not a mount point we mount a tmpfs first, and
 * share it, for the reason that `ip netns add` binds the directory on itself: a later `ip netns add` must not cover ours.
 * Its source name says that it is ours, so that whoever removes the last namespace knows to unmount it, even after a crash.
 *
 * Everything here works as root, and as root of a user namespace that has its own network and mount namespace.
 */
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CLONE_NEWNET, MNT_DETACH, MS_BIND, MS_SHARED } from '../ffi/constants.js';
import { mount, setns, SystemError, umount, unshare } from '../ffi/libc.js';
import { setLinkUp } from './interface.js';

const TMPFS_SOURCE = 'vipmesh-netns';
const SELF = '/proc/thread-self/ns/net';

export class NamespaceExistsError extends Error {
  override readonly name = 'NamespaceExistsError';
}

/** A function given to within() was asynchronous. */
export class AsyncWithinError extends Error {
  override readonly name = 'AsyncWithinError';
}

export class Namespace {
  readonly #directory: string;
  #fd: number;

  /** @internal use createNamespace or openNamespace. */
  constructor(
    directory: string,
    readonly name: string,
    fd: number,
  ) {
    this.#directory = directory;
    this.#fd = fd;
  }

  get path(): string {
    return join(this.#directory, this.name);
  }

  /** Descriptor of the namespace; -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Runs `fn` on this thread inside the namespace. Throws what fn throws, AsyncWithinError, SystemError. */
  within<T>(fn: () => T): T {
    const home = enter(this.#fd);
    let result: T;
    try {
      result = fn();
    } finally {
      leave(home);
    }
    if (isThenable(result)) {
      // The promise is refused; what it comes to is nobody's concern, least of all an unhandled rejection's.
      result.then(undefined, () => undefined);
      throw new AsyncWithinError(`within(${this.name}): the function is asynchronous; only synchronous work runs in the namespace`);
    }
    return result;
  }

  /** Closes the descriptor; the namespace stays pinned. */
  close(): void {
    if (this.#fd < 0) return;
    fs.closeSync(this.#fd);
    this.#fd = -1;
  }

  /** Closes and unpins. The namespace ends with its last process and descriptor. */
  remove(): void {
    this.close();
    removeNamespace(this.#directory, this.name);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

let poolStarted = false;

/** Goes to the namespace behind `fd` and answers a descriptor of the one left. */
function enter(fd: number): number {
  if (!poolStarted) {
    // The thread pool's threads are all made at its first job and inherit their maker's namespace: let that be here.
    fs.stat('/', () => undefined);
    poolStarted = true;
  }
  const home = fs.openSync(SELF, 'r');
  try {
    setns(fd, CLONE_NEWNET);
  } catch (error) {
    fs.closeSync(home);
    throw error;
  }
  return home;
}

function leave(home: number): void {
  try {
    setns(home, CLONE_NEWNET);
  } finally {
    fs.closeSync(home);
  }
}

/** Moves this thread into the namespace for good. For worker threads. */
export function enterNamespace(fd: number): void {
  setns(fd, CLONE_NEWNET);
}

/**
 * Makes a namespace, with `lo` up, and pins it as `directory/name`. The directory is made if missing.
 * Throws NamespaceExistsError, SystemError (EPERM without CAP_SYS_ADMIN).
 */
export function createNamespace(directory: string, name: string): Namespace {
  const path = join(directory, name);
  prepareDirectory(directory);
  createPin(path);
  const home = fs.openSync(SELF, 'r');
  try {
    unshare(CLONE_NEWNET);
    try {
      mount(SELF, path, null, MS_BIND);
      setLinkUp('lo');
      return new Namespace(directory, name, fs.openSync(path, 'r'));
    } finally {
      setns(home, CLONE_NEWNET);
    }
  } catch (error) {
    removeNamespace(directory, name);
    throw error;
  } finally {
    fs.closeSync(home);
  }
}

function createPin(path: string): void {
  try {
    fs.closeSync(fs.openSync(path, 'wx', 0o444));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new NamespaceExistsError(`network namespace ${path} already exists: remove it with 'ip netns del' if nothing uses it`);
  }
}

/** Throws when there is no such namespace, or only a file left over where one was pinned (SystemError, EINVAL). */
export function openNamespace(directory: string, name: string): Namespace {
  const fd = fs.openSync(join(directory, name), 'r');
  const namespace = new Namespace(directory, name, fd);
  try {
    namespace.within(() => undefined);
  } catch (error) {
    namespace.close();
    throw error;
  }
  return namespace;
}

/** The one that this thread is in. To be closed, not removed: nobody of ours has made it. */
export function ownNamespace(): Namespace {
  return new Namespace(dirname(SELF), basename(SELF), fs.openSync(SELF, 'r'));
}

/** Names under `directory` that start with `prefix`, sorted: namespaces and files left over from them alike. */
export function listNamespaces(directory: string, prefix: string): string[] {
  try {
    return fs.readdirSync(directory).filter((name) => name.startsWith(prefix)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Unpins `directory/name`, also when it is only a file left over. Nothing there is no error. */
export function removeNamespace(directory: string, name: string): void {
  const path = join(directory, name);
  try {
    umount(path, MNT_DETACH);
  } catch (error) {
    if (!(error instanceof SystemError) || (error.code !== 'EINVAL' && error.code !== 'ENOENT')) throw error;
  }
  fs.rmSync(path, { force: true });
  dropDirectory(directory);
}

function prepareDirectory(directory: string): void {
  fs.mkdirSync(directory, { recursive: true });
  if (mountSource(directory) !== undefined || fs.readdirSync(directory).length > 0) return;
  mount(TMPFS_SOURCE, directory, 'tmpfs', 0, 'mode=0755');
  mount(null, directory, null, MS_SHARED);
}

/** Takes away the tmpfs that prepareDirectory made, once nothing is in it. The directory itself stays, as ip leaves it. */
function dropDirectory(directory: string): void {
  try {
    if (mountSource(directory) !== TMPFS_SOURCE || fs.readdirSync(directory).length > 0) return;
    umount(directory, 0);
  } catch (error) {
    // Somebody is using it at this very moment (EBUSY): whoever removes the next namespace tries again.
    if (!(error instanceof SystemError) || error.code !== 'EBUSY') throw error;
  }
}

/** What is mounted last on `directory` itself (proc(5), mountinfo fields 5 and, after the dash, 2), or undefined. */
function mountSource(directory: string): string | undefined {
  let real: string;
  try {
    real = fs.realpathSync(directory);
  } catch {
    return undefined;
  }
  let source: string | undefined;
  for (const line of fs.readFileSync('/proc/thread-self/mountinfo', 'utf8').split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    if (unescape(left.split(' ')[4] ?? '') === real) source = right.split(' ')[1];
  }
  return source;
}

/** mountinfo writes space, tab, newline and backslash in octal. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
