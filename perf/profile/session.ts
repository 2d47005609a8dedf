/**
 * One run of an agent under one profiler, as a program on a test host of its own: `node session.js TOOL SECONDS
 * DIRECTORY`. Starts the agent, puts the load on it, ends it in order and leaves what the profiler wrote in DIRECTORY,
 * with `session.json` beside it. Exit code 1, with the reason, when any of it could not be done.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { childrenOf } from '../../agent/tasks/process-tree.js';
import { start } from '../../kernel/run/runner.js';
import { pollUntil } from '../../test/support/poll-until.js';
import type { Window } from './cpu-profile.js';
import { driveLoad, makeServices } from './load.js';
import { agentCommand, type Tool } from './tools.js';

/** What session.json holds. */
export interface SessionReport {
  /** When the load ran, in microseconds of the monotonic clock. */
  readonly window: Window;
  readonly load: readonly string[];
}

/** An agent under bubbleprof writes its trace for a while before it is there. */
const START_MS = 60_000;
/** clinic makes its page after the agent's end: half a minute for bubbleprof on a busy machine. */
const END_MS = 240_000;

const microseconds = (): number => Number(process.hrtime.bigint() / 1000n);

class Agent {
  output = '';
  readonly #child: ChildProcess;
  readonly #closed: Promise<number | null>;
  readonly #wrapped: boolean;

  constructor(tool: Tool, directory: string) {
    const { file, args, env, wrapped } = agentCommand(tool, directory, []);
    this.#wrapped = wrapped;
    this.#child = start(file, args, { cwd: directory, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.#closed = new Promise((resolve, reject) => this.#child.once('error', reject).once('close', resolve));
  }

  async up(): Promise<void> {
    await pollUntil('the agent is up', () => this.#ended() || / is up/.test(this.output), { timeout: START_MS });
    if (this.#ended()) throw new Error('the agent ended before it was up');
  }

  /** Ctrl-C for the agent, not for the profiler, which ends when its work is done. */
  async end(): Promise<void> {
    const { pid } = this.#child;
    const target = this.#wrapped && pid !== undefined ? childrenOf(pid)[0] : pid;
    if (target === undefined || this.#ended()) throw new Error('the agent is gone');
    process.kill(target, 'SIGINT');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_MS);
    const code = await this.#closed;
    clearTimeout(timer);
    if (code !== 0) throw new Error(`the profiled agent ended with ${code ?? 'a signal'}`);
  }

  #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}

const [, , tool = '', seconds = '', directory = ''] = process.argv;
const agent = new Agent(tool as Tool, directory);
try {
  await agent.up();
  await makeServices();
  const from = microseconds();
  const load = await driveLoad(Number(seconds));
  const report: SessionReport = { window: { from, to: microseconds() }, load };
  await agent.end();
  writeFileSync(join(directory, 'session.json'), JSON.stringify(report));
  process.exit(0);
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n${agent.output}`);
  // What still runs ends with this host.
  process.exit(1);
}
