/**
 * nft(8) in a namespace: one process for a batch, one to read a table. What goes wrong is told in a sentence with its remedy.
 */
import { moduleLack, moduleState } from '../modules/modules.js';
import type { Namespace } from '../netns/netns.js';
import { CommandError, run } from '../run/runner.js';
import { parseCounters, parseTable } from './read.js';
import { batchText, type Command } from './render.js';
import type { Table } from './table.js';

export class NftError extends Error {
  override readonly name = 'NftError';

  constructor(
    message: string,
    /** What the user can do about it. */
    readonly remedy: string,
    /** nft is not there, or the kernel knows no nftables: nothing of anybody's can be there either. */
    readonly unavailable = false,
  ) {
    super(message);
  }
}

/** Modules of what our tables are made of. */
const NEEDED = ['nf_tables', 'nft_chain_nat', 'nft_nat', 'nft_ct', 'nft_numgen', 'nft_fib_ipv4'];

/** All of it or nothing. Throws NftError. */
export async function applyCommands(namespace: Namespace, table: string, commands: readonly Command[]): Promise<void> {
  if (commands.length > 0) await nft(namespace, ['-f', '-'], batchText(table, commands));
}

/** The table as it is, or undefined when there is none. Throws NftError, NftOutputError. */
export async function readTable(namespace: Namespace, table: string): Promise<Table | undefined> {
  try {
    return parseTable(table, await run('nft', ['-j', 'list', 'table', 'ip', table], { netns: namespace }));
  } catch (error) {
    if (error instanceof CommandError && /No such file or directory/.test(error.stderr)) return undefined;
    throw explainNft(error, namespace.name);
  }
}

/** Packets that the table's counters have counted; none, when there is no such table. Throws NftError, NftOutputError. */
export async function readCounters(namespace: Namespace, table: string): Promise<Map<string, number>> {
  try {
    return parseCounters(await run('nft', ['-j', 'list', 'counters', 'table', 'ip', table], { netns: namespace }));
  } catch (error) {
    if (error instanceof CommandError && /No such file or directory/.test(error.stderr)) return new Map();
    throw explainNft(error, namespace.name);
  }
}

async function nft(namespace: Namespace, args: readonly string[], input: string): Promise<void> {
  try {
    await run('nft', args, { netns: namespace, input });
  } catch (error) {
    throw explainNft(error, namespace.name);
  }
}

/** What nft(8) says, as NftError; other errors as they are. `where`: name of the namespace. */
export function explainNft(error: unknown, where: string, state = moduleState): unknown {
  if (!(error instanceof CommandError)) return error;
  if (error.exitCode === null) return new NftError(error.message, "install the package 'nftables'", true);
  const reason = firstError(error.stderr);
  const message = `nft in ${where}: ${reason}`;
  if (/not permitted/.test(reason)) return new NftError(message, 'run the agent as root, or rootless in its own user namespace');
  if (/not supported|Protocol error|cache initialization failed/.test(reason)) {
    const lack = moduleLack(message, NEEDED, { state });
    return new NftError(lack.reason, lack.remedy, true);
  }
  return new NftError(message, "look at 'nft list ruleset' there; a table that is not ours may be in the way");
}

/** `-:1:5-8: Error: …`, without the place and the line that it quotes. */
function firstError(stderr: string): string {
  return /Error: (.*)/.exec(stderr)?.[1] ?? stderr.trim().split('\n')[0] ?? '';
}
