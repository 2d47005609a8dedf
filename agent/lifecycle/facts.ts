/**
 * Finds what modes.ts decides from, by trying the real thing where that is cheap: a mode is possible when its namespaces
 * can be made, not when a version number says so. Everything tried is gone when the trial ends.
 */
import { accessSync, closeSync, constants, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CAP_NET_ADMIN, CAP_SYS_ADMIN } from '../../kernel/ffi/constants.js';
import { mayUse, parsePrivileges } from '../../kernel/run/privileges.js';
import { run, CommandError } from '../../kernel/run/runner.js';
import { TRIAL, type HostFacts, type MissingTool, type Trial } from './modes.js';

/** What the agent and its tasks execute. */
const TOOLS: readonly MissingTool[] = [
  { tool: 'ip', package: 'iproute2' },
  { tool: 'unshare', package: 'util-linux' },
  { tool: 'nsenter', package: 'util-linux' },
  { tool: 'setpriv', package: 'util-linux' },
  { tool: 'setsid', package: 'util-linux' },
  { tool: 'mount', package: 'mount' },
  { tool: 'hostname', package: 'hostname' },
];

/** Without which no namespace can be set up. */
const CAPABILITIES = { CAP_NET_ADMIN, CAP_SYS_ADMIN } as const;

const TRIAL_TIMEOUT = 10_000;

export async function findFacts(uid: number = process.getuid?.() ?? 0): Promise<HostFacts> {
  const missingTools = TOOLS.filter(({ tool }) => findTool(tool) === undefined);
  const canTry = missingTools.length === 0;
  const notTried = Promise.resolve<Trial>('not tried');
  const [ownNamespaces, userNamespaces] = await Promise.all([
    canTry && uid === 0 ? tryNamespaces([]) : notTried,
    canTry ? tryNamespaces(['--user', '--map-root-user']) : notTried,
  ]);
  return {
    uid,
    tun: tryTun(),
    missingTools,
    missingCapabilities: missingCapabilities(readFileSync('/proc/self/status', 'utf8')),
    runWritable: isWritable('/run'),
    ownNamespaces,
    userNamespaces,
    sysctls: readSysctls(),
  };
}

/** What the gateway's privileges are decided from. */
export function privilegeFacts(): Pick<HostFacts, 'uid' | 'sysctls'> {
  return { uid: process.geteuid?.() ?? 0, sysctls: readSysctls() };
}

/** Absolute path of a program; looks in the sbin directories too, which are not in every user's PATH. */
export function findTool(tool: string, path = process.env['PATH'] ?? ''): string | undefined {
  for (const directory of [...path.split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin']) {
    if (directory === '') continue;
    const candidate = join(directory, tool);
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
    } catch {
      // Not in this directory.
    }
  }
  return undefined;
}

/** `status` is the text of /proc/<pid>/status. */
export function missingCapabilities(status: string): string[] {
  const privileges = parsePrivileges(status);
  return Object.entries(CAPABILITIES)
    .filter(([, capability]) => !mayUse(privileges, capability))
    .map(([name]) => name);
}

async function tryNamespaces(userNamespace: readonly string[]): Promise<Trial> {
  const script = `test -w /proc/sys/net/ipv4/ip_forward || exit ${TRIAL.sysctlReadOnly}; ip link add vmtry0 type veth peer name vmtry1 || exit ${TRIAL.noVeth}`;
  try {
    await run('unshare', [...userNamespace, '--net', '--mount', 'sh', '-c', script], { timeout: TRIAL_TIMEOUT });
    return 'ok';
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const failed = error.stderr.trim().split('\n').at(-1) || error.message;
    return error.exitCode === null ? { failed } : { failed, code: error.exitCode };
  }
}

function tryTun(): Trial {
  try {
    closeSync(openSync('/dev/net/tun', 'r+'));
    return 'ok';
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === undefined ? { failed: message } : { failed: message, code };
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function readSysctls(): HostFacts['sysctls'] {
  const sysctls: Partial<Record<keyof HostFacts['sysctls'], number>> = {};
  for (const key of [
    'kernel.unprivileged_userns_clone',
    'user.max_user_namespaces',
    'user.max_net_namespaces',
    'kernel.apparmor_restrict_unprivileged_userns',
  ] as const) {
    const value = readSysctl(key);
    if (value !== undefined) sysctls[key] = value;
  }
  return sysctls;
}

/** The first number of a sysctl, or undefined on a kernel that does not have it. */
export function readSysctl(key: string): number | undefined {
  try {
    const value = Number.parseInt(readFileSync(`/proc/sys/${key.replaceAll('.', '/')}`, 'utf8'), 10);
    return Number.isNaN(value) ? undefined : value;
  } catch {
    return undefined;
  }
}
