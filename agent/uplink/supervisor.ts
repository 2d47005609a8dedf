/**
 * The outer process's part of the uplink: the program runs in the host's network namespace, for one inner process, and is started again when
 * it ends. It goes with the inner process, and with this one, however that ends (PR_SET_PDEATHSIG, prctl(2)).
 */
import type { ChildProcess } from 'node:child_process';
import { start, toolEnvironment } from '../../kernel/run/runner.js';
import type { Clock } from '../../proxy/time/clock.js';
import { findTool } from '../lifecycle/facts.js';
import { programArguments, type UplinkProgram } from './programs.js';
import { asUplinkRequest, type UplinkReport } from './protocol.js';

/** Milliseconds: the pause doubles from the first to the last, and begins anew after a run that was long enough. */
const FIRST_PAUSE_MS = 250;
const LAST_PAUSE_MS = 30_000;
const LONG_RUN_MS = 10_000;
/** Bytes of its last words. */
const WORDS = 2000;

/** Milliseconds before start number `failures` (1, 2, …) in a row. */
export function pauseAfter(failures: number): number {
  return Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
}

/** Starts the program for the namespaces of process `pid`. */
export type StartProgram = (program: UplinkProgram, pid: number) => ChildProcess;

/** In a session of its own: a Ctrl-C is for the agent, which ends it when its tasks have ended. */
const startProgram: StartProgram = (program, pid) =>
  start(findTool('setpriv') ?? 'setpriv', ['--pdeathsig', 'KILL', findTool(program) ?? program, ...programArguments(program, pid, process.getuid?.() ?? 0)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: toolEnvironment(),
    detached: true,
    cwd: '/',
  });

/** Of an inner process: what is needed of it. */
export type UplinkClient = Pick<ChildProcess, 'pid' | 'connected' | 'send' | 'on' | 'once' | 'off'>;

export class UplinkSupervisor {
  readonly #onMessage = (message: unknown): void => this.#receive(message);
  readonly #onGone = (): void => this.close();
  #program: ChildProcess | undefined;
  #failures = 0;
  #cancelPause: () => void = () => undefined;
  #closed = false;

  /** Serves until the inner process is gone, or close(). */
  constructor(
    private readonly client: UplinkClient,
    private readonly clock: Pick<Clock, 'now' | 'after'>,
    private readonly startIt: StartProgram = startProgram,
  ) {
    client.on('message', this.#onMessage);
    client.once('exit', this.#onGone);
    client.once('disconnect', this.#onGone);
  }

  /** Ends the program. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#cancelPause();
    this.client.off('message', this.#onMessage);
    this.#program?.kill('SIGKILL');
  }

  #receive(received: unknown): void {
    const request = asUplinkRequest(received);
    if (request?.uplink === 'begin' && this.#program === undefined) this.#start(request.program);
  }

  #start(program: UplinkProgram): void {
    if (this.#closed || this.client.pid === undefined) return;
    const since = this.clock.now();
    const child = this.startIt(program, this.client.pid);
    this.#program = child;
    let words = '';
    let over = false;
    const ended = (how: string, last = ''): void => {
      if (over) return;
      over = true;
      if (this.#closed) return;
      this.#failures = this.clock.now() - since >= LONG_RUN_MS ? 1 : this.#failures + 1;
      const again = pauseAfter(this.#failures);
      this.#send({ uplink: 'ended', problem: last === '' ? how : `${how} (${last})`, again });
      this.#cancelPause = this.clock.after(again, () => this.#start(program));
    };
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-WORDS)));
    child.once('spawn', () => this.#send({ uplink: 'started' }));
    child.once('error', (error) => ended(`cannot be started: ${error.message}`));
    // Not 'exit': its last words may come after that.
    child.once('close', (code, signal) => {
      if (signal === null) ended(`ended with exit code ${code ?? '?'}`, words.trim().split('\n').at(-1)?.trim());
      else ended(`was ended by ${signal}`);
    });
  }

  #send(report: UplinkReport): void {
    if (this.client.connected) this.client.send(report, () => undefined);
  }
}
