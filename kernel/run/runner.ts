/**
 * Processes: the only import of node:child_process. `run` for a command whose output is wanted, `start` for one that stays.
 * What to run, how long to wait and when to kill is the caller's to decide.
 *
 * libuv forks in the calling thread, so a child spawned inside Namespace.within() is born in that network namespace.
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import type { Namespace } from '../netns/netns.js';

/** A command that could not start, failed, was killed or took too long. */
export class CommandError extends Error {
  override readonly name = 'CommandError';

  constructor(
    /** The command line. */
    readonly command: string,
    /** null when it did not start or a signal ended it. */
    readonly exitCode: number | null,
    readonly stderr: string,
    reason: string,
    /** What it had printed until then: some tools put their errors there. */
    readonly stdout = '',
  ) {
    super(`${command}: ${reason}${stderr.trim() === '' ? '' : `: ${stderr.trim()}`}`);
  }
}

export interface RunOptions {
  /** Written to standard input, which is then closed. */
  input?: string;
  netns?: Namespace;
  /** Kills the command with SIGTERM. */
  signal?: AbortSignal;
  /** Milliseconds until it is killed. */
  timeout?: number;
  /** What it writes to standard error is a failure, whatever it exits with: ipvsadm goes on after a line that failed. */
  silent?: boolean;
}

export interface StartOptions {
  netns?: Namespace;
  /** The whole environment; this process's own when absent. */
  env?: NodeJS.ProcessEnv;
  stdio: StdioOptions;
  /** In a session and process group of its own. */
  detached?: boolean;
  cwd?: string;
  uid?: number;
  gid?: number;
}

// ip and friends live in sbin, which an ordinary user's PATH may lack. npm and npx put the tools of packages in front of the
// system's, and one of those is called nft.
export function toolEnvironment(): NodeJS.ProcessEnv {
  const path = (process.env.PATH ?? '/usr/bin:/bin').split(':').filter((directory) => !directory.endsWith('/node_modules/.bin'));
  return { ...process.env, PATH: [...path, '/usr/sbin', '/sbin'].join(':'), LC_ALL: 'C' };
}

function inside<T>(namespace: Namespace | undefined, fn: () => T): T {
  return namespace ? namespace.within(fn) : fn();
}

/** Runs to the end and answers standard output, as UTF-8. Rejects with CommandError. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const line = [command, ...args].join(' ');
  return new Promise((resolve, reject) => {
    const child: ChildProcess = inside(options.netns, () =>
      spawn(command, args, {
        env: toolEnvironment(),
        stdio: 'pipe',
        // Out of reach of a Ctrl-C on our terminal, which asks us to end in order, not to break off in the middle.
        detached: true,
        ...(options.signal && { signal: options.signal }),
        ...(options.timeout !== undefined && { timeout: options.timeout }),
      }),
    );
    let stdout = '';
    let stderr = '';
    // First: where no descriptor is left it has no streams, only this event.
    child.on('error', (error) => reject(new CommandError(line, null, stderr, startFailure(command, error))));
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    child.on('close', (code, signal) => {
      if (code === 0 && !(options.silent && stderr.trim() !== '')) resolve(stdout);
      else if (signal !== null) reject(new CommandError(line, null, stderr, `ended by ${signal}`, stdout));
      else reject(new CommandError(line, code, stderr, `exit code ${code ?? '?'}`, stdout));
    });
    // A command that exits without reading gives EPIPE here; its exit code says what matters.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
  });
}

const NO_DESCRIPTOR = 'this process may open no more files: start it with a higher limit (ulimit -n)';

function startFailure(command: string, error: NodeJS.ErrnoException): string {
  if (error.name === 'AbortError') return 'aborted';
  if (error.code === 'EMFILE') return `${NO_DESCRIPTOR} (${error.message})`;
  // execvp(3) answers EACCES for a command that is nowhere when a directory of PATH may not be searched.
  const notFound = error.code === 'ENOENT' || (error.code === 'EACCES' && !command.includes('/'));
  return notFound ? `${command} is not installed or not in PATH` : error.message;
}

/** Starts a process that stays. Failure to start is its 'error' event. */
export function start(command: string, args: readonly string[], options: StartOptions): ChildProcess {
  const { netns, ...rest } = options;
  return inside(netns, () => spawn(command, args, rest));
}
