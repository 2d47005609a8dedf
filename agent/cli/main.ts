#!/usr/bin/env node
/**
 * `vipmesh`: parses the command line, runs the command, turns errors into messages and exit codes (0; 1 failed; 2 usage).
 * Heavy parts are loaded by the commands that need them: most commands only talk to an agent.
 */
import type { AgentClient } from '../api/client.js';
import type { Context } from './context.js';

/** The hidden commands of agent/lifecycle/program.ts: further processes of an agent, not for users. */
const INTERNAL: Readonly<Record<string, (argument: string) => Promise<number>>> = {
  __inner: async (argument) => (await import('../lifecycle/inner.js')).runInner(argument, (await import('../lifecycle/program.js')).vipmesh),
  __agent: async (argument) => (await import('../lifecycle/detached.js')).runDetached(argument),
};

async function main(argv: readonly string[]): Promise<number> {
  const internal = INTERNAL[argv[0] ?? ''];
  if (internal) return internal(argv[1] ?? '');
  quietOnBrokenPipe(process.stdout);
  quietOnBrokenPipe(process.stderr);
  const [{ runProgram }, { program }, { programVersion }, { exitCodeOf, reportFailure }] = await Promise.all([
    import('./command.js'),
    import('./program.js'),
    import('./version.js'),
    import('./failure.js'),
  ]);
  let context: Context = makeContext({});
  try {
    const outcome = await runProgram(program(await programVersion()), argv, (options) => (context = makeContext(options)));
    if (outcome) context.write(outcome.help);
    return context.exitCode;
  } catch (error) {
    reportFailure(context, error);
    return exitCodeOf(error);
  }
}

/** A foreground agent goes on when nobody reads what it prints. */
let endsWithItsReader = true;

/** A reader that has seen enough (`| head`) is no failure. */
function quietOnBrokenPipe(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    if (endsWithItsReader) process.exit(0);
  });
}

function makeContext(options: { readonly socket?: unknown; readonly stateDir?: unknown }): Context {
  const env = process.env;
  const uid = process.getuid?.() ?? 0;
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  let client: Promise<AgentClient> | undefined;
  let signal: AbortSignal | undefined;
  return {
    write: (output) => void process.stdout.write(output),
    warn: (output) => void process.stderr.write(output),
    stdoutIsTerminal: process.stdout.isTTY,
    stderrIsTerminal: process.stderr.isTTY,
    env,
    uid,
    wall: () => Date.now(),
    client: () =>
      (client ??= Promise.all([import('../api/client.js'), import('../lifecycle/paths.js')]).then(
        ([api, paths]) => new api.AgentClient({ ...paths.clientTarget({ socket: text(options.socket), stateDir: text(options.stateDir), env, uid }), onStale: warnOnce() }),
      )),
    interrupted: () => (signal ??= onInterrupt()),
    outliveReader: () => void (endsWithItsReader = false),
    exitCode: 0,
  };
}

/** Says once on standard error that what is printed is not current. */
function warnOnce(): (seconds: number) => void {
  let told = false;
  return (seconds) => {
    if (!told) process.stderr.write(`vipmesh: the store is out of reach: this is what was known ${seconds}s ago ('vipmesh status' says why)\n`);
    told = true;
  };
}

function onInterrupt(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort());
  return controller.signal;
}

const exitCode = await main(process.argv.slice(2));
// A slow reader of a pipe gets all of it: what is written is only queued until then.
for (const stream of [process.stdout, process.stderr]) await new Promise<void>((resolve) => stream.write('', () => resolve()));
process.exit(exitCode);
