/**
 * What the benches that run on a private host have in common: the way in and out. The host is the one of the tests (test/support/host.ts): network,
 * mount and PID namespaces of its own and a tmpfs on /run, which end with this process in whatever way it ends, so that nothing on the machine is
 * changed and nothing can be left behind.
 */
import { fileURLToPath } from 'node:url';
import { startOnHost, type HostUser } from '../test/support/host.js';
import { UsageError } from './usage.js';

export const EXIT = { ok: 0, failed: 1, usage: 2, unable: 3, interrupted: 130 } as const;

/** npm puts the commands of packages first, and one of these is called nft, too. */
function withoutPackages(path: string): string {
  return path.split(':').filter((directory) => !directory.includes('node_modules')).join(':');
}

/**
 * Runs `inside`, a module that writes its report as JSON, on a private host, and answers the report; undefined: it ended without one. A signal ends the host
 * and this process. @param wrapper a command that runs the command which follows it
 */
export async function runInside<Report>(as: HostUser, inside: URL, options: unknown, wrapper: readonly string[] = []): Promise<Report | undefined> {
  process.env.PATH = withoutPackages(process.env.PATH ?? '');
  const child = startOnHost(as, [...wrapper, process.execPath, '--enable-source-maps', fileURLToPath(inside), JSON.stringify(options)], ['ignore', 'pipe', 'inherit']);
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupted = true;
      // The first process of the host ends with it, and with that everything in it.
      child.kill('SIGKILL');
    });
  }
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (interrupted) process.exit(EXIT.interrupted);
  return code === 0 ? (JSON.parse(text) as Report) : undefined;
}

/** Runs a bench to its exit code. `name` of its npm script. What is wrong with the command line is told in two lines. */
export async function exitWith(name: string, main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${name}: ${error.message}\nTry: npm run ${name} -- --help\n`);
    process.exitCode = EXIT.usage;
  }
}

/** That a bench cannot run here, and why. */
export function unable(name: string, reasons: readonly string[]): number {
  process.stderr.write(`${name}: ${reasons.join('; ')}\n`);
  return EXIT.unable;
}
