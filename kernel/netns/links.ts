/**
 * Links, addresses, routes and neighbours through `ip -batch` (one process for any number of lines), forwarding entries through
 * `bridge -batch`, and sysctls.
 * What to set is decided elsewhere.
 */
import fs from 'node:fs';
import { CommandError, run } from '../run/runner.js';
import type { Namespace } from './netns.js';

/** A line of a batch that ip, or bridge, refused; the lines before it are done, those after it are not. */
export class IpBatchError extends Error {
  override readonly name = 'IpBatchError';

  constructor(
    /** The line, without `ip`. */
    readonly line: string,
    /** What ip said, such as `RTNETLINK answers: File exists`. */
    readonly reason: string,
    where: string,
    tool = 'ip',
  ) {
    super(`${tool} ${line} (in ${where}): ${reason}`);
  }
}

/**
 * Runs the lines in order and stops at the first that fails. `family` is for lines that do not tell theirs, such as rules; ip's
 * own default is 4. Throws IpBatchError; CommandError when ip cannot run.
 */
export async function ipBatch(namespace: Namespace | undefined, lines: readonly string[], family?: 4 | 6): Promise<void> {
  await batch('ip', namespace, lines, family === undefined ? [] : [`-${family}`]);
}

/** The same for bridge(8). */
export async function bridgeBatch(namespace: Namespace | undefined, lines: readonly string[]): Promise<void> {
  await batch('bridge', namespace, lines, []);
}

async function batch(tool: 'ip' | 'bridge', namespace: Namespace | undefined, lines: readonly string[], options: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  try {
    await run(tool, [...options, '-batch', '-'], { input: lines.join('\n') + '\n', ...(namespace && { netns: namespace }) });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const failed = /^Command failed -:(\d+)$/m.exec(error.stderr);
    if (!failed) throw error;
    const reason = error.stderr.replace(failed[0], '').trim().replace(/\s*\n\s*/g, '; ');
    throw new IpBatchError(lines[Number(failed[1]) - 1] ?? '?', reason, namespace?.name ?? 'this namespace', tool);
  }
}

/**
 * What `ip -json` prints for each of the lines, such as `route show`: one process for all. `options` are ip's own, such as `-6` or
 * `-details`. Throws CommandError.
 */
export async function ipShow(namespace: Namespace, lines: readonly string[], options: readonly string[] = []): Promise<unknown[][]> {
  return readLists(await run('ip', [...options, '-json', '-batch', '-'], { netns: namespace, input: lines.map((line) => `${line}\n`).join('') }), lines.length);
}

/** Reads what `ip -json -batch -` prints for so many lines: a list for each, nothing for some versions' empty ones. */
export function readLists(output: string, count: number): unknown[][] {
  const lists = output.split('\n').filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as unknown[]);
  if (lists.length !== count) throw new Error(`ip -json -batch printed ${lists.length} lists instead of ${count}`);
  return lists;
}

/** Writes `/proc/sys/<key>` as that namespace sees it: `net/ipv4/ip_forward`. Throws what fs.writeFileSync throws. */
export function setSysctl(namespace: Namespace, key: string, value: string): void {
  namespace.within(() => fs.writeFileSync(`/proc/sys/${key}`, value));
}
