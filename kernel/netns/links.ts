/**
 * Links, addresses, routes and neighbours through `ip -batch` (one process for any number of lines), and sysctls.
 * What to set is decided elsewhere.
 */
import fs from 'node:fs';
import { CommandError, run } from '../run/runner.js';
import type { Namespace } from './netns.js';

/** A line of a batch that ip refused; the lines before it are done, those after it are not. */
export class IpBatchError extends Error {
  override readonly name = 'IpBatchError';

  constructor(
    /** The line, without `ip`. */
    readonly line: string,
    /** What ip said, such as `RTNETLINK answers: File exists`. */
    readonly reason: string,
    where: string,
  ) {
    super(`ip ${line} (in ${where}): ${reason}`);
  }
}

/**
 * Runs the lines in order and stops at the first that fails. `family` is for lines that do not tell theirs, such as rules; ip's
 * own default is 4. Throws IpBatchError; CommandError when ip cannot run.
 */
export async function ipBatch(namespace: Namespace | undefined, lines: readonly string[], family?: 4 | 6): Promise<void> {
  if (lines.length === 0) return;
  const args = [...(family === undefined ? [] : [`-${family}`]), '-batch', '-'];
  try {
    await run('ip', args, { input: lines.join('\n') + '\n', ...(namespace && { netns: namespace }) });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const failed = /^Command failed -:(\d+)$/m.exec(error.stderr);
    if (!failed) throw error;
    const reason = error.stderr.replace(failed[0], '').trim().replace(/\s*\n\s*/g, '; ');
    throw new IpBatchError(lines[Number(failed[1]) - 1] ?? '?', reason, namespace?.name ?? 'this namespace');
  }
}

/** Writes `/proc/sys/<key>` as that namespace sees it: `net/ipv4/ip_forward`. Throws what fs.writeFileSync throws. */
export function setSysctl(namespace: Namespace, key: string, value: string): void {
  namespace.within(() => fs.writeFileSync(`/proc/sys/${key}`, value));
}
