/**
 * Who may speak to this node's VXLAN, on the host: installed, changed by difference, put back when somebody has flushed it, removed. What
 * filter-table.ts says is done here. It stays when the agent dies, as the tasks do, and the next one takes it over.
 */
import { applyCommands, NftError, readCounters, readTable } from '../../kernel/nftables/apply.js';
import { describeDifferences, diffTables } from '../../kernel/nftables/diff.js';
import type { Table } from '../../kernel/nftables/table.js';
import { generationOf } from '../../kernel/nftables/transaction.js';
import type { Namespace } from '../../kernel/netns/netns.js';
import type { FabricFilter } from '../../overlay/vxlan/filter.js';
import { Turns } from '../../proxy/time/turns.js';
import { DROP_REASONS, filterTable, filterTableName, type DropReason } from './filter-table.js';

export class HostFilter {
  readonly #host: Namespace;
  readonly #name: string;
  /** What was asked for last; undefined: nothing yet, or no filter. */
  #desired: Table | undefined;
  /** What is installed; undefined when the kernel has to be asked. */
  #current: Table | undefined;
  /** Of the host's ruleset when it was known to have what was asked for. */
  #generation: number | undefined;
  /** There is none, as far as is known. */
  #none = false;
  readonly #changes = new Turns();

  /** `prefix`: namePrefix() of the node. */
  constructor(host: Namespace, prefix: string) {
    this.#host = host;
    this.#name = filterTableName(prefix);
  }

  /** Before anything of the fabric itself; undefined: there is none. Idempotent; costs nothing when nothing differs. Throws NftError. */
  set(filter: FabricFilter | undefined): Promise<void> {
    return this.#changes.take(() => (filter ? this.#install(filterTable(this.#name, filter)) : this.#remove()));
  }

  /**
   * Puts back what is not as it was set, and answers what that was, as sentences. As long as nobody has changed any rule of the host's, it
   * costs one message to the kernel. Throws NftError.
   */
  repair(): Promise<string[]> {
    return this.#changes.take(async () => {
      const desired = this.#desired;
      if (!desired) return [];
      const generation = generationOf(this.#host);
      if (generation !== undefined && generation === this.#generation) return [];
      this.#current = await readTable(this.#host, this.#name);
      const differences = describeDifferences(desired, this.#current);
      if (differences.length > 0) await this.#install(desired);
      // What changed while it was read shows the next time.
      else [this.#current, this.#generation] = [desired, generation];
      return differences;
    });
  }

  /** Packets that were dropped since the table was made, by reason. Throws NftError. */
  async drops(): Promise<Readonly<Record<DropReason, number>>> {
    const counted = this.#desired ? await readCounters(this.#host, this.#name) : new Map<string, number>();
    return Object.fromEntries(DROP_REASONS.map((reason) => [reason, counted.get(reason) ?? 0])) as Record<DropReason, number>;
  }

  async #install(desired: Table): Promise<void> {
    this.#desired = desired;
    this.#none = false;
    const current = this.#current ?? (await readTable(this.#host, this.#name));
    const commands = diffTables(current, desired);
    if (commands.length === 0 && this.#current !== undefined) return;
    this.#current = undefined;
    const before = generationOf(this.#host);
    await applyCommands(this.#host, this.#name, commands);
    // One transaction is one generation: another number means that somebody else was there, too.
    this.#generation = before !== undefined && generationOf(this.#host) === before + 1 ? before + 1 : undefined;
    this.#current = desired;
  }

  async #remove(): Promise<void> {
    if (this.#none) return;
    this.#desired = this.#current = this.#generation = undefined;
    await removeTable(this.#host, this.#name);
    this.#none = true;
  }
}

/** Takes away what an agent with this prefix has left on the host. Idempotent. Throws NftError. */
export async function removeHostFilter(host: Namespace, prefix: string): Promise<void> {
  await removeTable(host, filterTableName(prefix));
}

async function removeTable(host: Namespace, name: string): Promise<void> {
  try {
    if (await readTable(host, name)) await applyCommands(host, name, [{ do: 'delete-table' }]);
  } catch (error) {
    // Without nftables there is none.
    if (!(error instanceof NftError) || !error.unavailable) throw error;
  }
}
