/**
 * iptables as processes: which of its two kinds is used, one batch in, one read-back out, and what their failures mean.
 *
 * iptables comes as `legacy` and as `nft` (a front end of nftables), and neither sees the other's rules. We use the one that
 * `iptables` in PATH is, as whoever looks at the rules will; where this kernel cannot run that one, the other.
 */
import { moduleLack, moduleState } from '../modules/modules.js';
import type { Namespace } from '../netns/netns.js';
import { OffloadError } from '../offload/error.js';
import { CommandError, run } from '../run/runner.js';
import { readTables, relevantLines, type ReadTables } from './read.js';

export type XtablesKind = 'legacy' | 'nft';

/** Seconds for which another tool may hold the xtables lock. */
const LOCK_WAIT = 5;

export interface XtablesTool {
  /** Of `iptables --version`. */
  readonly kind: XtablesKind;
  /** `iptables`, or `iptables-legacy` or `iptables-nft` where the one in PATH does not work here. */
  readonly command: string;
}

/** The kind that `iptables --version` tells: `iptables v1.8.9 (nf_tables)`; versions before 1.8 are legacy and tell none. */
export function kindOf(version: string): XtablesKind {
  return version.includes('(nf_tables)') ? 'nft' : 'legacy';
}

/** Finds what works here, by making a chain in a network namespace that ends at once: only then is all loaded that is there. Throws OffloadError. */
export async function findXtables(): Promise<XtablesTool> {
  let version: string;
  try {
    version = await run('iptables', ['--version'], {});
  } catch (error) {
    throw explainXtables(error, 'iptables');
  }
  const kind = kindOf(version);
  const first: XtablesTool = { kind, command: 'iptables' };
  const other: XtablesTool = kind === 'nft' ? { kind: 'legacy', command: 'iptables-legacy' } : { kind: 'nft', command: 'iptables-nft' };
  try {
    await tryOut(first);
    return first;
  } catch (error) {
    try {
      if (lacksKernel(error)) {
        await tryOut(other);
        return other;
      }
    } catch {
      // The first one's reason is the one to tell.
    }
    throw explainXtables(error, nameOf(first));
  }
}

async function tryOut({ command }: XtablesTool): Promise<void> {
  await run('unshare', ['--net', `${command}-restore`, '--noflush', '-w', `${LOCK_WAIT}`], { input: '*mangle\n:VIPMESH-PRE - [0:0]\nCOMMIT\n' });
}

/** Both kinds, as far as they are installed and have to do with this kernel: whoever put rules there may have used either. */
export async function installedXtables(namespace: Namespace): Promise<XtablesTool[]> {
  const found: XtablesTool[] = [];
  for (const kind of ['legacy', 'nft'] satisfies XtablesKind[]) {
    try {
      await run(`iptables-${kind}-save`, [], { netns: namespace });
      found.push({ kind, command: `iptables-${kind}` });
    } catch {
      // Not installed, or not for this kernel: then it has no rules here.
    }
  }
  return found;
}

/** What rules are there, in these tables. Parses again only what differs from the last time. */
export class XtablesReader {
  readonly #tables: readonly string[];
  #lines: string | undefined;
  #read: ReadTables = new Map();

  constructor(tables: readonly string[]) {
    this.#tables = tables;
  }

  /** Throws OffloadError. */
  async read(tool: XtablesTool, namespace: Namespace): Promise<ReadTables> {
    try {
      // iptables-save marks its output with the time; what is kept of it is the same when the rules are.
      const lines = relevantLines(await run(`${tool.command}-save`, [], { netns: namespace }), this.#tables);
      if (lines === this.#lines) return this.#read;
      this.#read = lines === '' ? new Map() : readTables(await run('iptables-xml', [], { input: lines }));
      this.#lines = lines;
      return this.#read;
    } catch (error) {
      throw explainXtables(error, nameOf(tool));
    }
  }
}

/** Applies one batch of `chains.ts`. Each table changes as a whole or not at all. Throws OffloadError. */
export async function restore(tool: XtablesTool, namespace: Namespace, batch: string): Promise<void> {
  if (batch === '') return;
  try {
    await run(`${tool.command}-restore`, ['--noflush', '-w', `${LOCK_WAIT}`], { input: batch, netns: namespace });
  } catch (error) {
    throw explainXtables(error, nameOf(tool), batch);
  }
}

function nameOf(tool: XtablesTool): string {
  return `${tool.command} (${tool.kind})`;
}

/** The nft kind on a kernel that has no nf_tables, or the legacy kind on one that has no ip_tables. */
function lacksKernel(error: unknown): boolean {
  return (
    error instanceof CommandError &&
    /Failed to initialize nft|generation id: (?:Invalid argument|Protocol not supported)|do you need to insmod|Table does not exist|TABLE_ADD failed \(Operation not supported\)/i.test(error.stderr)
  );
}

/** What the failure means, as a sentence with a remedy. `batch` is what it was given. */
export function explainXtables(error: unknown, tool: string, batch = '', state = moduleState): unknown {
  if (!(error instanceof CommandError)) return error instanceof Error ? new OffloadError(`${tool}: ${error.message}`) : error;
  const said = error.stderr.trim().replace(/\s*\n\s*/g, '; ');
  if (/is not installed|failed to execute/.test(error.message)) {
    return new OffloadError(`${error.command.replace('unshare --net ', '').split(' ')[0]} is not installed or not in PATH`, 'install the package iptables');
  }
  if (/xtables lock|holding the xtables/.test(said)) {
    return new OffloadError(`another program has held the xtables lock for more than ${LOCK_WAIT} s`, 'find it with `fuser -v /run/xtables.lock` and let it end');
  }
  if (/must be root|Permission denied|Operation not permitted/.test(said)) {
    return new OffloadError(`${tool} may not change rules here: ${said}`, 'run the agent as root');
  }
  if (lacksKernel(error)) {
    const modules = tool.includes('(legacy)') ? ['ip_tables', 'iptable_mangle', 'iptable_nat'] : ['nf_tables', 'nft_compat'];
    return OffloadError.of(moduleLack(`this kernel does not support ${tool} (${said})`, modules, { otherwise: 'choose the other kind with `update-alternatives --config iptables`', state }));
  }
  const [, extension] = /Extension (\S+) revision/.exec(said) ?? [];
  if (extension !== undefined) return OffloadError.of(moduleLack(`this kernel has no xtables extension '${extension}'`, [extensionModule(extension)], { state }));
  const line = /line:? (\d+)/.exec(said);
  const refused = line && batch.split('\n')[Number(line[1]) - 1];
  return new OffloadError(`${tool} failed${refused ? ` at '${refused}'` : ''}: ${said === '' ? error.message : said}`, 'see `dmesg` for what the kernel says, and whether a module is missing');
}

/** A target of NAT is not in a module of its own name (net/netfilter/xt_nat.c). */
function extensionModule(extension: string): string {
  return /^[SD]NAT$/.test(extension) ? 'xt_nat' : `xt_${extension.toLowerCase()}`;
}
