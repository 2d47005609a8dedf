/**
 * Processes of the bench that stay: peers and servers. Each is started in a network namespace, its last words are kept for
 * the report, and it is ready when its port accepts a connection, not after some time.
 */
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EAGAIN, EINTR } from '../../proxy/device/device.js';
import { AF_INET, EINPROGRESS, POLLIN, POLLOUT, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../../kernel/ffi/constants.js';
import { connect, poll, socket } from '../../kernel/ffi/libc.js';
import { PollSet, sockaddrIn } from '../../kernel/ffi/structs.js';
import { socketError } from '../../kernel/netns/socket-info.js';
import type { Namespace } from '../../kernel/netns/netns.js';
import { start } from '../../kernel/run/runner.js';

/** A peer or server that did not start, or ended by itself. */
export class ProcessError extends Error {
  override readonly name = 'ProcessError';
}

const KEPT_OUTPUT = 2000;

export class Daemon {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #output = '';
  #ended: string | undefined;

  constructor(
    readonly command: string,
    args: readonly string[],
    netns: Namespace,
  ) {
    const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` };
    this.#child = start(command, args, { netns, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk: string): void => void (this.#output = (this.#output + chunk).slice(-KEPT_OUTPUT));
    this.#child.stdout?.setEncoding('utf8').on('data', keep);
    this.#child.stderr?.setEncoding('utf8').on('data', keep);
    this.#exited = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.#ended = error.message;
        resolve();
      });
      this.#child.on('close', (code, signal) => {
        this.#ended ??= signal ?? `exit code ${code ?? '?'}`;
        resolve();
      });
    });
  }

  /** Throws when the process has ended, with what it said. */
  check(): void {
    if (this.#ended !== undefined) throw new ProcessError(`${this.command} ended (${this.#ended}): ${this.#output.trim()}`);
  }

  /** Resolves when `address`:`port` accepts, as seen from `from`. Rejects with ProcessError. */
  async ready(from: Namespace, address: string, port: number, timeout = 10_000): Promise<void> {
    const deadline = performance.now() + timeout;
    while (!accepts(from, address, port)) {
      this.check();
      if (performance.now() > deadline) throw new ProcessError(`${this.command} does not accept on ${address}:${port} within ${timeout} ms: ${this.#output.trim()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The process and all its descendants. */
  pids(): number[] {
    const own = this.#child.pid;
    return own === undefined || this.#ended !== undefined ? [] : withDescendants(own);
  }

  /** SIGTERM, and SIGKILL when that is not heard within a second. */
  async stop(): Promise<void> {
    if (this.#ended !== undefined) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 1000);
    await this.#exited;
    clearTimeout(timer);
  }
}

/** A module of the bench as a process: `node MODULE ARGUMENT…`. `module` is relative to perf/bench. */
export function nodeDaemon(module: string, args: readonly string[], netns: Namespace): Daemon {
  const flags = (process.env.BENCH_NODE_FLAGS ?? '').split(' ').filter((flag) => flag !== '');
  return new Daemon(process.execPath, [...flags, fileURLToPath(new URL(module, import.meta.url)), ...args], netns);
}

/** One try to connect, of at most 100 ms. */
function accepts(from: Namespace, address: string, port: number): boolean {
  return from.within(() => {
    const fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
    try {
      const result = connect(fd, sockaddrIn(address, port));
      if (result === 0) return true;
      if (result !== -EINPROGRESS && result !== -EAGAIN && result !== -EINTR) return false;
      const set = new PollSet(1);
      set.set(0, fd, POLLOUT | POLLIN);
      return poll(set.bytes, 1, 100) === 1 && socketError(fd) === 0;
    } finally {
      fs.closeSync(fd);
    }
  });
}

function withDescendants(pid: number): number[] {
  const found = [pid];
  for (const current of found) {
    try {
      for (const task of fs.readdirSync(`/proc/${current}/task`)) {
        const children = fs.readFileSync(`/proc/${current}/task/${task}/children`, 'utf8').trim();
        if (children !== '') found.push(...children.split(' ').map(Number));
      }
    } catch {
      // It ended between the two looks.
    }
  }
  return found;
}
