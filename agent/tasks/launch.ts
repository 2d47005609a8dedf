/**
 * Starts a command behind a chain of helpers that ends in the setup script, and finds its process:
 *
 *     agent ── helper (unshare or nsenter; session leader) ── shell (setup script) ── command
 *
 * or, of what has no namespaces to enter, `direct`: agent ── shell ── command, where the shell counts as the helper, too.
 *
 * The helper gets SIGKILL when this thread's process dies (setpriv --pdeathsig), so this must run on the agent's main thread;
 * not so the helper of a task that is to outlive the agent. A task's shell gets it when the helper dies. What the chain does
 * is the callers' (task.ts, exec.ts).
 */
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { constants } from 'node:os';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Namespace } from '../../kernel/netns/netns.js';
import { start } from '../../kernel/run/runner.js';
import { openTerminal, type Terminal } from '../../kernel/run/terminal.js';
import type { TerminalSize } from '../control.js';
import { notForShells } from './environment.js';
import { childrenOf, identityOf, pidWithin, signalProcess, statOf, type ProcessIdentity } from './process-tree.js';
import { SetupReader } from './setup-reply.js';
import { TaskStartError } from './start-error.js';
import { tool } from './tools.js';

/** Where the command's streams go: to a file, to pipes of ours, or to a terminal of its own. */
export type LaunchOutput = { readonly file: number } | { readonly pipes: { readonly stdin: boolean } } | { readonly terminal: TerminalSize };

export interface LaunchOptions {
  /** The helper and how it runs the setup script. */
  readonly chain: readonly string[];
  /** Without a helper in between: the chain becomes the shell. */
  readonly direct?: boolean;
  /** `outlives`: from when the command runs on, it does without the agent. `leash`: the shell expects one (setup-script.ts). */
  readonly bond?: 'outlives' | 'leash';
  /** The command, as given. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly netns?: Namespace;
  readonly output: LaunchOutput;
  /** Called before the command runs; when it throws, the command never does. */
  readonly onReady?: (processes: LaunchedProcesses) => void;
}

export interface LaunchedProcesses {
  /** Our child. Without a helper the shell. */
  readonly helper: ProcessIdentity;
  /** In between: process 1 of a task. */
  readonly shell: ProcessIdentity;
  /** The command's process: leader of a session of its own. */
  readonly main: ProcessIdentity;
}

export interface LaunchedStreams {
  readonly stdin: Writable | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable | undefined;
  readonly terminal: Terminal | undefined;
}

export interface Launched extends LaunchedProcesses {
  /** Absent when the output goes to a file. */
  readonly streams: LaunchedStreams | undefined;
  /** What the setup remarked. */
  readonly warnings: readonly string[];
  /** 0 to 255, or 128 + signal. Never rejects. */
  readonly exited: Promise<number>;
}

/** How long a setup may take, mounts on a slow machine included. */
const SETUP_TIMEOUT_MS = 30_000;

/** Rejects with TaskStartError, and then nothing of it is left. */
export async function launch(options: LaunchOptions): Promise<Launched> {
  const [program] = options.command;
  if (program === undefined || program === '') throw new TaskStartError('no command given', 125);
  const terminal = 'terminal' in options.output ? openTerminal(options.output.terminal) : undefined;
  try {
    const chain = options.bond === 'outlives' ? options.chain : [tool('setpriv'), '--pdeathsig', 'KILL', ...options.chain];
    const [file = '', ...words] = [...chain, program, ...argumentsOf(options)];
    const child = start(file, words, {
      env: options.env,
      stdio: [...stdioOf(options.output, terminal), ...(options.bond === 'leash' ? ['pipe' as const] : [])],
      // Out of the agent's session: Ctrl-C in the agent's terminal is the agent's to handle.
      detached: true,
      cwd: '/',
      ...(options.netns && { netns: options.netns }),
    });
    return await followSetup(child, options, terminal);
  } catch (error) {
    terminal?.finish();
    throw error;
  }
}

async function followSetup(child: ChildProcess, { output, onReady, direct = false }: LaunchOptions, terminal: Terminal | undefined): Promise<Launched> {
  const exited = exitOf(child);
  try {
    const warnings = await setUp(child, exited);
    const processes = processesOf(child.pid ?? 0, direct);
    onReady?.(processes);
    holdLeash(child, processes.main, exited);
    const channel = child.stdio[3] as Duplex;
    channel.end('go\n', () => channel.destroy());
    child.stderr?.destroy();
    void exited.then(() => terminal?.finish());
    return { ...processes, streams: streamsOf(child, output, terminal), warnings, exited };
  } catch (error) {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) killChain(child.pid, direct);
    await exited;
    throw error;
  }
}

function processesOf(pid: number, direct: boolean): LaunchedProcesses {
  const [shellPid = 0] = direct ? [pid] : childrenOf(pid);
  const [mainPid = 0] = childrenOf(shellPid);
  const [helper, shell, main] = [pid, shellPid, mainPid].map((each) => (each === 0 ? undefined : identityOf(each)));
  if (!helper || !shell || !main) throw new TaskStartError('it was killed while it was being started', 125);
  return { helper, shell, main };
}

/** Says whom it holds, and at the end that there is nobody to kill. */
function holdLeash(child: ChildProcess, main: ProcessIdentity, exited: Promise<number>): void {
  // Node's types end at the fifth.
  const leash = (child.stdio as readonly unknown[])[5] as Duplex | undefined;
  if (!leash) return;
  leash.on('error', () => undefined);
  leash.write(`${pidWithin(main.pid) ?? ''}\n`);
  void exited.then(() => leash.end('ended\n', () => leash.destroy()));
}

/**
 * Kills a chain that has not been reaped: the command with the children that stayed in its process group, and the shell. In a
 * task the death of the shell, process 1, is that of everything else as well. The helper is left to reap the shell: a PID
 * namespace cannot end before each of its processes is reaped, and init does not do that in every container.
 */
export function killChain(helper: number, direct = false): void {
  const shells = direct ? [helper] : childrenOf(helper);
  if (shells.length === 0) signalProcess(helper, 'SIGKILL');
  for (const shell of shells) {
    for (const main of childrenOf(shell)) signalProcess(statOf(main)?.group === main ? -main : main, 'SIGKILL');
    signalProcess(shell, 'SIGKILL');
  }
}

/** The command as the shell gets it: leader of a session, of its terminal if it has one, and with the variables that a shell loses. */
function argumentsOf({ command, env, output }: LaunchOptions): string[] {
  const lost = notForShells(env);
  return [
    tool('setsid'),
    ...('terminal' in output ? ['--ctty'] : []),
    ...(lost.length > 0 ? [tool('env'), ...lost] : []),
    ...command,
  ];
}

function stdioOf(output: LaunchOutput, terminal: Terminal | undefined): Exclude<StdioOptions, string> {
  if (terminal) return [terminal.slave, terminal.slave, 'pipe', 'pipe', terminal.slave];
  if ('file' in output) return ['ignore', output.file, 'pipe', 'pipe', output.file];
  const stdin = 'pipes' in output && output.pipes.stdin;
  return [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe', 'pipe', 'pipe'];
}

function streamsOf(child: ChildProcess, output: LaunchOutput, terminal: Terminal | undefined): LaunchedStreams | undefined {
  if (terminal) return { stdin: terminal.input, stdout: terminal.output, stderr: undefined, terminal };
  if ('file' in output || !child.stdout) return undefined;
  // A command that ends without reading all of its input is no failure of ours.
  child.stdin?.on('error', () => undefined);
  return { stdin: child.stdin ?? undefined, stdout: child.stdout, stderr: child.stdio[4] as Duplex, terminal: undefined };
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(125));
    child.once('exit', (code, signal) => {
      // unshare of util-linux 2.38 cannot pass on SIGKILL, and SIGPIPE ends it when it says so: nobody listens to it any more.
      const passedOn = signal === null || signal === 'SIGPIPE' ? 'SIGKILL' : signal;
      resolve(code ?? 128 + constants.signals[passedOn]);
    });
  });
}

/** Follows the setup until the command waits for its `go`. Answers what was remarked on the way. */
function setUp(child: ChildProcess, exited: Promise<number>): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const warnings: string[] = [];
    let remarks = '';
    const channel = (child.stdio as ChildProcess['stdio'] | undefined)?.[3] as Duplex | undefined;
    const timer = setTimeout(() => finish(new TaskStartError(`its setup took longer than ${SETUP_TIMEOUT_MS / 1000} s`, 125)), SETUP_TIMEOUT_MS);
    const reader = new SetupReader();
    let failure: TaskStartError | undefined;
    function finish(error?: Error): void {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve(warnings);
    }
    child.once('error', (error) => finish(new TaskStartError(`cannot start it: ${error.message}`, 125)));
    // Where no descriptor is left there is nothing of it but the error.
    if (!channel) return;
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (remarks += chunk));
    channel.on('error', () => undefined);
    channel.setEncoding('utf8').on('data', (chunk: string) => {
      for (const message of reader.push(chunk)) {
        if (message.kind === 'warn') warnings.push(message.text);
        else if (message.kind === 'ready') finish();
        else failure ??= new TaskStartError(message.text, message.code);
      }
    });
    // Not before the channel has been read to its end: the reason may still be in it.
    channel.on('close', () => {
      void exited.then((code) => finish(failure ?? new TaskStartError(remarks.trim() || `its setup ended with status ${code}`, 125)));
    });
  });
}
