/**
 * ipvsadm as processes: one batch in, read-backs out, and what their failures mean.
 */
import fs from 'node:fs';
import { moduleLack, moduleState } from '../modules/modules.js';
import type { Namespace } from '../netns/netns.js';
import { OffloadError } from '../offload/error.js';
import { CommandError, run } from '../run/runner.js';
import { readConnections, readCounts, readServices, readTimeouts, type DestinationCount, type IpvsConnection, type IpvsTimeouts } from './read.js';
import type { VirtualService } from './service.js';

/** Whether this kernel has IPVS now: it may yet be loaded, ipvsadm tries to. */
export function hasIpvs(namespace: Namespace): boolean {
  return namespace.within(() => fs.existsSync('/proc/thread-self/net/ip_vs'));
}

/** Marks of the services that there are, from the kernel's own list: without a process. None where there is no IPVS. */
export function servicesListed(namespace: Namespace): number[] {
  try {
    const text = namespace.within(() => fs.readFileSync('/proc/thread-self/net/ip_vs', 'utf8'));
    return [...text.matchAll(/^FWM {2}([0-9A-F]{8}) /gm)].map(([, mark]) => Number.parseInt(mark!, 16));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/**
 * Runs the lines in order. ipvsadm goes on after one that fails, and so does this: which were done is found out by reading back.
 * Throws OffloadError.
 */
export async function ipvsBatch(namespace: Namespace | undefined, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await ipvsadm(namespace, ['-R'], `${lines.join('\n')}\n`);
}

/** Throws OffloadError. */
export async function ipvsServices(namespace: Namespace): Promise<VirtualService[]> {
  return readServices(...(await Promise.all([ipvsadm(namespace, ['-Sn']), ipvsadm(namespace, ['-Ln', '--thresholds', '--nosort'])])));
}

/** Throws OffloadError. */
export async function ipvsCounts(namespace: Namespace): Promise<DestinationCount[]> {
  const lists = [['-Ln', '--thresholds', '--nosort'], ['-Ln', '--stats', '--exact', '--nosort']];
  const [thresholds = '', stats = ''] = await Promise.all(lists.map((args) => ipvsadm(namespace, args)));
  return readCounts(thresholds, stats);
}

/** Throws OffloadError. */
export async function ipvsConnections(namespace: Namespace): Promise<IpvsConnection[]> {
  return readConnections(await ipvsadm(namespace, ['-Lnc']));
}

/** Throws OffloadError. */
export async function ipvsTimeouts(namespace: Namespace): Promise<IpvsTimeouts | undefined> {
  return readTimeouts(await ipvsadm(namespace, ['-Ln', '--timeout']));
}

/** Of the whole namespace. Throws OffloadError. */
export async function setIpvsTimeouts(namespace: Namespace, { established, closing, udp }: IpvsTimeouts): Promise<void> {
  await ipvsadm(namespace, ['--set', `${established}`, `${closing}`, `${udp}`]);
}

async function ipvsadm(namespace: Namespace | undefined, args: readonly string[], input?: string): Promise<string> {
  try {
    return await run('ipvsadm', args, { silent: true, ...(namespace && { netns: namespace }), ...(input !== undefined && { input }) });
  } catch (error) {
    throw explainIpvs(error, input);
  }
}

/** What the failure means, as a sentence with a remedy. `batch` is what it was given. */
export function explainIpvs(error: unknown, batch = '', state = moduleState): unknown {
  if (!(error instanceof CommandError)) return error;
  const said = [...new Set(error.stderr.trim().split(/\s*\n\s*/))].join('; ');
  if (/is not installed|failed to execute/.test(error.message)) return new OffloadError('ipvsadm is not installed or not in PATH', 'install the package ipvsadm');
  if (/must be root|Permission denied|Operation not permitted/.test(said)) {
    return new OffloadError('IPVS may not be changed from here: it wants CAP_NET_ADMIN outside any user namespace', 'run the agent as root, or use --offload-driver nft');
  }
  if (/Can't initialize ipvs|Protocol not available/.test(said)) {
    return OffloadError.of(moduleLack('this kernel has no IPVS', ['ip_vs'], { otherwise: 'use --offload-driver nft', state }));
  }
  if (/Scheduler or persistence engine not found/.test(said)) {
    const asked = [...new Set([...batch.matchAll(/-s (\S+)/g)].map(([, name]) => `ip_vs_${name}`))];
    return OffloadError.of(moduleLack('this kernel lacks a scheduler of IPVS that was asked for', asked, { otherwise: 'choose another scheduler', state }));
  }
  return new OffloadError(`ipvsadm failed: ${said === '' ? error.message : said}`, 'see `ipvsadm -Ln` in the network namespace for what is there');
}
