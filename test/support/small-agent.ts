/**
 * A program that starts and ends as vipmesh does, with a small daemon in place of the whole one: a socket that takes
 * POST /v1/shutdown, a pinned namespace and a process in it. What the daemon did is appended to `events` in its state
 * directory. SMALL_AGENT in the environment makes it misbehave, see Misbehaviour.
 *
 *     node small-agent.js up|down JSON      prints `ready JSON` once the agent answers
 */
import { appendFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createNamespace } from '../../kernel/netns/netns.js';
import { start } from '../../kernel/run/runner.js';
import { runDetached } from '../../agent/lifecycle/detached.js';
import { down } from '../../agent/lifecycle/down.js';
import { runInner } from '../../agent/lifecycle/inner.js';
import { DETACHED_COMMAND, INNER_COMMAND, type Daemon, type DaemonOptions, type Program } from '../../agent/lifecycle/program.js';
import { up, type UpOptions } from '../../agent/lifecycle/up.js';

/** `fail`: the start rejects. `crash`: the process ends at start without a word. `stuck`: a shutdown never ends. `short-lived`: it ends without a word once it is ready. */
export type Misbehaviour = 'fail' | 'crash' | 'stuck' | 'short-lived';

async function runDaemon(options: DaemonOptions): Promise<Daemon> {
  const { paths, mode, prefix, namespaceDirectory } = options;
  const event = (text: string): void => appendFileSync(join(paths.stateDirectory, 'events'), text + '\n');
  if (process.env['SMALL_AGENT'] === 'fail') throw new Error('port 8080/tcp is taken: stop what uses it');
  if (process.env['SMALL_AGENT'] === 'crash') {
    process.stderr.write('about to crash\n');
    process.exit(3);
  }
  const namespace = createNamespace(namespaceDirectory, `${prefix}small`);
  const task = start('sleep', ['1000'], { netns: namespace, stdio: 'ignore', detached: true });
  // Proves that the gateway's channel and ours share one.
  const mtu = await options.gateway.underlayMtu();
  let closed: () => void = () => undefined;
  const daemon: Daemon = {
    closed: new Promise((resolve) => (closed = resolve)),
    async shutdown() {
      event('shutdown');
      if (process.env['SMALL_AGENT'] === 'stuck') return new Promise(() => undefined);
      daemon.shutdown = (): Promise<void> => Promise.resolve(event('asked again'));
      task.kill('SIGKILL');
      await new Promise((resolve) => task.once('exit', resolve));
      namespace.remove();
      server.close();
      rmSync(paths.socket, { force: true });
      closed();
    },
  };
  const server = createServer((request, response) => {
    response.setHeader('connection', 'close').end('{}', () => {
      if (request.method === 'POST') void daemon.shutdown();
    });
  });
  await new Promise<void>((resolve) => server.listen(paths.socket, resolve));
  if (process.env['SMALL_AGENT'] === 'short-lived') setTimeout(() => process.exit(3), 300);
  event(`started ${mode} pid=${process.pid} task=${task.pid} mtu=${mtu > 0}`);
  return daemon;
}

const program: Program = { runDaemon, main: fileURLToPath(import.meta.url) };
const [, , command = '', argument = ''] = process.argv;
const quiet = { logLevel: 'warn', logFormat: 'human', version: '0.0.0', dataplane: {} } as const;

async function main(): Promise<number> {
  if (command === INNER_COMMAND) return runInner(argument, program);
  if (command === DETACHED_COMMAND) return runDetached(argument, program);
  if (command === 'up') {
    const options = JSON.parse(argument) as UpOptions;
    return up({ ...quiet, ...options, ready: (agent) => Promise.resolve(void process.stdout.write(`ready ${JSON.stringify(agent)}\n`)) }, program);
  }
  await down({ timeout: 20_000, progress: (line) => void process.stderr.write(line + '\n'), ...(JSON.parse(argument) as object) });
  return 0;
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}\n`);
  process.exit(1);
}
