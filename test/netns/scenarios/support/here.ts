/**
 * The command line and its `run`, in this process instead of one of their own: for a guest of test/vm, where starting Node.js takes
 * seconds. The same commands, options and output, through the same client; what a process of its own adds, the tests outside show.
 */
import { AgentClient } from '../../../../agent/api/client.js';
import { runProgram } from '../../../../agent/cli/command.js';
import type { Context } from '../../../../agent/cli/context.js';
import { exitCodeOf, reportFailure } from '../../../../agent/cli/failure.js';
import { program } from '../../../../agent/cli/program.js';
import { programVersion } from '../../../../agent/cli/version.js';
import type { ExecSession } from '../../../../agent/control.js';
import { clientSocket } from '../../../../agent/lifecycle/paths.js';

/** Set by a guest's init (test/vm/support/init.ts). */
export const IN_GUEST = process.env['VIPMESH_TEST_GUEST'] !== undefined;

/** Seconds between the steps of a script that starts processes all the time. */
export const PAUSE = IN_GUEST ? '0.5' : '0.05';
/** Milliseconds between the datagrams of a UDP client. */
export const UDP_PACE = IN_GUEST ? '250' : '50';
/** For commands that wait until a service runs. */
export const PATIENTLY = ['--timeout', '5m'] as const;
/** Answers after which something is seen to go on. */
export const ENOUGH = IN_GUEST ? 10 : 50;

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function ownClient(): AgentClient {
  return new AgentClient(clientSocket({ env: process.env, uid: process.getuid?.() ?? 0 }));
}

/** Runs `vipmesh ARGS` here, to its end. */
export async function runHere(args: readonly string[]): Promise<Outcome> {
  const said = { stdout: '', stderr: '' };
  const context: Context = {
    write: (text) => void (said.stdout += text),
    warn: (text) => void (said.stderr += text),
    stdoutIsTerminal: false,
    stderrIsTerminal: false,
    env: process.env,
    uid: process.getuid?.() ?? 0,
    wall: () => Date.now(),
    client: () => Promise.resolve(ownClient()),
    interrupted: () => new AbortController().signal,
    outliveReader: () => undefined,
    exitCode: 0,
  };
  try {
    const outcome = await runProgram(program(await programVersion()), args, () => context);
    if (outcome) context.write(outcome.help);
    return { code: context.exitCode, ...said };
  } catch (error) {
    reportFailure(context, error);
    return { code: exitCodeOf(error), ...said };
  }
}

/** `vipmesh run --rm --network NETWORK -- COMMAND`, while it runs. */
export class TaskHere {
  stdout = '';
  stderr = '';
  #exited = false;
  readonly #session: Promise<ExecSession>;
  readonly ended: Promise<Outcome>;

  constructor(network: string, command: readonly string[]) {
    this.#session = ownClient().run({ command, env: {}, stdin: false, networks: [{ network, aliases: [] }], remove: true });
    this.ended = this.#attach();
  }

  /** It has ended. */
  get over(): boolean {
    return this.#exited;
  }

  kill(signal: NodeJS.Signals): void {
    void this.#session.then((session) => session.kill(signal));
  }

  async #attach(): Promise<Outcome> {
    const session = await this.#session;
    session.stdout.setEncoding('utf8').on('data', (chunk: string) => (this.stdout += chunk));
    session.stderr?.setEncoding('utf8').on('data', (chunk: string) => (this.stderr += chunk));
    const code = await session.exited;
    this.#exited = true;
    return { code, stdout: this.stdout, stderr: this.stderr };
  }
}
