/**
 * Keeps the kernel translating what it translates, whoever flushes the ruleset. Address translation and connection tracking are hooked
 * into a namespace only as long as a rule or a chain asks for them: when the last one is flushed, packets of connections that were
 * translated go untranslated, to sockets that do not know them, and are answered by RST, though their entries are all there.
 *
 * So a table asks for both and does nothing else. It belongs to a process (`flags owner`, Linux 5.12): nobody else may change it, `nft flush
 * ruleset` leaves it alone, and it goes with that process, which goes with this one, whose pipe it reads (nf_tables_api.c,
 * nft_flush, nft_table_validate_owner). Where there is no such thing, a flush costs those connections, as it does without us.
 */
import type { ChildProcess } from 'node:child_process';
import type { Namespace } from '../netns/netns.js';
import { start, toolEnvironment } from '../run/runner.js';

export class TranslationKeeper {
  #child: ChildProcess | undefined;

  constructor(
    private readonly namespace: Namespace,
    private readonly table: string,
  ) {}

  /** Idempotent; begins anew when the process has ended. Never throws: it is a help, nothing depends on it. */
  start(): void {
    if (this.#child !== undefined) return;
    // Interactive is what makes it stay; what it is told is not to be in the user's history of commands.
    const child = start('nft', ['-i'], { netns: this.namespace, stdio: ['pipe', 'ignore', 'ignore'], detached: true, env: { ...toolEnvironment(), HOME: '/dev/null' } });
    const ended = (): void => {
      if (this.#child === child) this.#child = undefined;
    };
    this.#child = child;
    child.on('error', ended).on('exit', ended);
    child.stdin?.on('error', () => undefined).write(`${keeperLines(this.table).join('\n')}\n`);
    // Whoever ends this process need not wait for it.
    child.unref();
    (child.stdin as { unref?: () => void } | null)?.unref?.();
  }

  /** Resolves when the table is gone. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()));
    child.stdin?.end();
    await gone;
  }
}

/** Commands of nft(8), one to a line. The last priorities there are: it has nothing to say. */
export function keeperLines(table: string): string[] {
  return [
    `add table ip ${table} { flags owner; }`,
    `add chain ip ${table} prerouting { type nat hook prerouting priority 300; }`,
    `add chain ip ${table} postrouting { type nat hook postrouting priority 300; }`,
    `add chain ip ${table} tracked { type filter hook prerouting priority 300; }`,
    // Connection tracking is there as long as a rule asks for it.
    `add rule ip ${table} tracked ct state untracked return`,
  ];
}
