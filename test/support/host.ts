/**
 * A test host: private network, mount and PID namespaces with a tmpfs on /run, in which one command runs. It ends, with
 * everything started in it, when its command ends or this process dies in whatever way: nothing can be left behind.
 *
 * As a user:
 *   root      root of the machine
 *   userns    uid 65534 (or whoever runs the tests, when that is not root) as root of a user namespace, which is what a
 *             rootless agent runs in
 *   nobody    uid 65534 without a user namespace, which is what a rootless agent is started from; needs root to set up
 * For the last two /dev/net/tun is a node of our own, 0666, mounted over the machine's inside the host only.
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { isRoot, NOBODY, skipWithout, type Need } from './capability.js';

export type HostUser = 'root' | 'userns' | 'nobody';

/** What `as` needs: for skipWithout. */
export function needsOf(as: HostUser): Need[] {
  if (as === 'root') return ['root', 'tun'];
  return as === 'userns' ? ['userns', 'tun'] : ['root', 'userns', 'tun'];
}

// $1 is the uid that runs the command, the rest is the command. The outer uid is 0, of the machine or of a user namespace.
// No exec: this shell stays, as the init of the PID namespace that dies with us. A command that changes its uid would lose the
// parent-death signal (prctl(2), PR_SET_PDEATHSIG), and with it what makes everything end.
const SETUP = `set -e
uid=$1; shift
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/user/$uid /run/state/$uid /run/tmp
chmod 1777 /run/tmp
ip link set lo up
if [ $uid != 0 ]; then
  chown $uid:$uid /run/user/$uid /run/state/$uid
  mknod /run/tun c 10 200
  chmod 0666 /run/tun
  mount --bind /run/tun /dev/net/tun
fi
export XDG_RUNTIME_DIR=/run/user/$uid XDG_STATE_HOME=/run/state/$uid HOME=/run/state/$uid TMPDIR=/run/tmp
"$@" || exit $?`;

/** The argument vector that runs `command` on a new test host. */
export function hostCommand(as: HostUser, command: readonly string[]): string[] {
  const drop = ['setpriv', '--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups'];
  const userns = ['unshare', '--user', '--map-root-user', '--net', '--mount'];
  // Without root, the host itself is a user namespace, in which we are root already.
  const own = isRoot() ? [] : ['--user', '--map-root-user'];
  const inner: Record<HostUser, string[]> = {
    root: [],
    nobody: drop,
    userns: isRoot() ? [...drop, ...userns] : [],
  };
  const uid = as === 'root' || !isRoot() ? 0 : NOBODY;
  return [
    ...['setpriv', '--pdeathsig', 'KILL'],
    ...['unshare', ...own, '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
    ...['sh', '-c', SETUP, 'sh', `${uid}`],
    ...inner[as],
    ...command,
  ];
}

/** Starts a command on a new test host. PATH has the sbin directories. */
export function startOnHost(as: HostUser, command: readonly string[], stdio: StdioOptions = 'pipe', env: NodeJS.ProcessEnv = {}): ChildProcess {
  const [file = '', ...args] = hostCommand(as, command);
  return spawn(file, args, { stdio, env: { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`, ...env } });
}

/**
 * Runs a scenario, an exported async function of a module under test/, on a new test host, and shows what it logs. The test
 * fails with what the scenario throws. Skips when the machine cannot. Words after the name are the function's arguments.
 *
 *     test('…', (t) => runScenario(t, 'root', new URL('./scenarios/tun.js', import.meta.url), 'opensTun'));
 */
export async function runScenario(t: ExecutionContext, as: HostUser, module: URL, name: string, ...needs: Need[]): Promise<void> {
  if (as === 'userns' && isRoot() && process.env.BESIDE_OTHER_USER === 'true') {
    t.log('skipped: the run of the other user has it');
    t.pass();
    return;
  }
  if (skipWithout(t, ...needsOf(as), ...needs)) return;
  const main = fileURLToPath(new URL('./scenario-main.js', import.meta.url));
  const child = startOnHost(as, [process.execPath, '--enable-source-maps', main, module.href, name], ['ignore', 'pipe', 'pipe']);
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const kill = (): void => void child.kill('SIGKILL');
  t.teardown(kill);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code === 0) {
    if (output.trim() !== '') t.log(output.trimEnd());
    t.pass();
  } else {
    t.fail(`scenario ${name} as ${as} ended with ${code ?? 'a signal'}:\n${output}`);
  }
}
