/**
 * What a test needs of the machine. A test that cannot run says why and passes; with CI=true it fails, so that nothing is
 * skipped where everything should be there. Not being root is no lack of the machine: CI runs the tests as root too.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import type { ExecutionContext } from 'ava';
import { whyNoIoUring } from '../../kernel/uring/available.js';

/** The user of the rootless tests: nobody, who owns no files. */
export const NOBODY = 65534;

/**
 * `root`: may make network and mount namespaces as uid 0. `userns`: an unprivileged user may make a user namespace.
 * `tun`: /dev/net/tun works (as root the tests open a node of their own to others). `ipv6`, `io_uring`: the kernel
 * has it. `ipvs-kernel`: a kernel with IPVS can be started as a process (test/vm). `command:NAME`: NAME is in PATH.
 */
export type Need = 'root' | 'userns' | 'tun' | 'ipv6' | 'io_uring' | 'ipvs-kernel' | `command:${string}`;

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** True when the test must return now: it has said why. */
export function skipWithout(t: ExecutionContext, ...needs: Need[]): boolean {
  const reasons = needs.map(missing).filter((reason) => reason !== undefined);
  if (reasons.length === 0) return false;
  const text = reasons.join('; ');
  const otherUser = needs.includes('root') && !isRoot();
  if (process.env.CI === 'true' && !otherUser) t.fail(`needed here, because CI=true: ${text}`);
  else {
    t.log(`skipped: ${text}`);
    t.pass();
  }
  return true;
}

const known = new Map<Need, string | undefined>();

/** Why the machine lacks it, or undefined. */
export function missing(need: Need): string | undefined {
  if (!known.has(need)) known.set(need, probe(need));
  return known.get(need);
}

function probe(need: Need): string | undefined {
  if (need === 'root') {
    if (!isRoot()) return `needs root, and this is uid ${process.getuid?.() ?? '?'}`;
    return failure('unshare', ['--net', '--mount', '--pid', '--fork', 'true']);
  }
  if (need === 'userns') {
    const unshare = ['unshare', '--user', '--map-root-user', '--net', '--mount', 'true'];
    const drop = ['setpriv', '--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups'];
    const [command = '', ...args] = isRoot() ? [...drop, ...unshare] : unshare;
    return failure(command, args);
  }
  if (need === 'tun') {
    try {
      fs.closeSync(fs.openSync('/dev/net/tun', 'r+'));
      return undefined;
    } catch (error) {
      return `/dev/net/tun: ${(error as Error).message}`;
    }
  }
  if (need === 'ipv6') return fs.existsSync('/proc/sys/net/ipv6') ? undefined : 'this kernel has no IPv6';
  if (need === 'io_uring') {
    const reason = whyNoIoUring();
    return reason && `io_uring: ${reason}`;
  }
  if (need === 'ipvs-kernel') {
    if (!fs.existsSync('/usr/lib/uml/modules')) return "a kernel with IPVS is not installed (Debian's user-mode-linux)";
    return failure('linux.uml', ['--version']) ?? missing('command:modprobe') ?? missing('command:ipvsadm') ?? missing('command:iptables-legacy');
  }
  const command = need.slice('command:'.length);
  // Not what npm puts in front: kernel/run/runner.ts looks past it too.
  const path = (process.env.PATH ?? '').split(':').filter((directory) => !directory.endsWith('/node_modules/.bin'));
  return failure('sh', ['-c', `PATH="${path.join(':')}:/usr/sbin:/sbin"; command -v "${command}"`]) && `${command} is not installed`;
}

function failure(command: string, args: string[]): string | undefined {
  try {
    execFileSync(command, args, { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `${command} ${args.join(' ')}: ${(error as { stderr?: Buffer }).stderr?.toString().trim() ?? (error as Error).message}`;
  }
}
