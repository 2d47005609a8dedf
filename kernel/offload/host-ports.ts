/**
 * Published ports on the host: the link to the ingress sandbox, and the rules that send new flows there. What they are is host-link.ts's and
 * host-rules.ts's; this brings them about, reads them back and takes them away. Nothing of others is touched, no setting of the
 * host's is changed.
 *
 * What is there is read before each change: there is little of it.
 */
import { deleteEntries, deleteFlows, establishedFlows, trackedFlows } from '../conntrack/tool.js';
import type { TrackedFlow } from '../conntrack/flow.js';
import type { Prolonged, Remembered } from '../conntrack/netlink.js';
import { flowCount, forgetsUdpAfter, remember } from '../conntrack/remember.js';
import { chainFaults, chainLines, jumpsTo, removalLines, renderBatch } from '../iptables/chains.js';
import type { ReadTables } from '../iptables/read.js';
import { ruleText } from '../iptables/rule.js';
import { findXtables, installedXtables, restore, XtablesReader, type XtablesTool } from '../iptables/tool.js';
import { linkState } from '../netns/interface.js';
import { ipBatch, IpBatchError, ipShow } from '../netns/links.js';
import type { Namespace } from '../netns/netns.js';
import { RouteChanges } from '../netns/route-changes.js';
import { applyCommands, NftError, readTable } from '../nftables/apply.js';
import { describeDifferences, diffTables } from '../nftables/diff.js';
import { commandText } from '../nftables/render.js';
import { TranslationKeeper } from '../nftables/keeper.js';
import { generationOf } from '../nftables/transaction.js';
import { CommandError, run } from '../run/runner.js';
import type { Clock } from '../../proxy/time/clock.js';
import { conflictsOf } from './conflicts.js';
import { OffloadError, type DriverName, type OffloadPort } from './driver.js';
import { blackholeText, hostLines, isOwnRoute, linkFaults, makeLines, ROUTE_PROTOCOL, SANDBOX_END, othersRoute, sandboxLines, dropText, type FoundLink, type FoundRoute, type HostLink } from './host-link.js';
import { chainPorts, HOST_TABLES, hostChainName, hostChains, hostTable, hostTableName, keeperTableName, portText, tablePorts } from './host-rules.js';

export interface HostPortsOptions {
  readonly host: Namespace;
  /** The ingress sandbox. */
  readonly sandbox: Namespace;
  readonly link: HostLink;
  /** nftables with `nft`, iptables with `ipvs`, as in the sandbox. */
  readonly driver: DriverName;
  readonly clock: Pick<Clock, 'now'>;
}

/** Milliseconds after which everything is read back, whatever the kernel has told: of neighbour entries it tells nothing that is listened to. */
const WHOLE_MS = 30_000;

export class HostPorts {
  readonly #options: HostPortsOptions;
  readonly #reader = new XtablesReader(HOST_TABLES);
  #tool: XtablesTool | undefined;
  /** What was set last; undefined: nothing is to be there. */
  #ports: readonly OffloadPort[] | undefined;
  /** Of the host's ruleset, when ours was found as it should be; undefined: nothing was found yet, or there is nothing to tell it by. */
  #generation: number | undefined;
  #foundAt = -Infinity;
  readonly #routes: readonly RouteChanges[];
  readonly #keeper: TranslationKeeper;

  constructor(options: HostPortsOptions) {
    this.#options = options;
    this.#routes = [options.host, options.sandbox].map((namespace) => new RouteChanges(namespace));
    this.#keeper = new TranslationKeeper(options.host, keeperTableName(options.link.name));
  }

  get #table(): string {
    return hostTableName(this.#options.link.name);
  }

  /** Sends new flows of these ports, and of no others, to the sandbox. Flows that were sent go on. Idempotent. Throws OffloadError. */
  async set(ports: readonly OffloadPort[]): Promise<void> {
    const { host, link, driver } = this.#options;
    this.#ports = ports;
    this.#generation = undefined;
    await explained(async () => {
      await this.#makeLink();
      if (driver === 'nft') {
        await applyCommands(host, this.#table, diffTables(await readTable(host, this.#table), hostTable(link, ports)));
        this.#keeper.start();
        return;
      }
      const tool = await this.#xtables();
      const tables = await this.#readOurs(tool);
      const wanted = hostChains(link, ports);
      await restore(tool, host, renderBatch(HOST_TABLES.map((table) => ({ table, lines: chainLines(tables.get(table), wanted[table]) }))));
      // Rules of iptables-legacy are not in nftables' ruleset, and no flush takes their hooks away.
      if (tool.kind === 'nft') this.#keeper.start();
    });
  }

  /** Somebody has changed rules of the host since ours were looked at. Of iptables-legacy nothing tells it. */
  touched(): boolean {
    return this.#generation !== undefined && generationOf(this.#options.host) !== this.#generation;
  }

  /** What differs from what was set, as sentences. As long as the kernel tells of no change, nothing is read back. Throws OffloadError. */
  verify(): Promise<string[]> {
    const { host, link, driver, clock } = this.#options;
    const ports = this.#ports;
    if (ports === undefined) return Promise.resolve([]);
    return explained(async () => {
      const generation = generationOf(host);
      const now = clock.now();
      // All are asked, and before anything is read: what changes meanwhile shows the next time.
      const moved = this.#routes.map((routes) => routes.changed()).includes(true);
      if (!moved && generation !== undefined && generation === this.#generation && now - this.#foundAt < WHOLE_MS) return [];
      this.#generation = undefined;
      this.#foundAt = now;
      const faults = linkFaults(link, await this.#findLink());
      if (driver === 'nft') {
        faults.push(...describeDifferences(hostTable(link, ports), await readTable(host, this.#table)));
        if (faults.length === 0) this.#generation = generation;
        return faults;
      }
      const tool = await this.#xtables();
      const tables = await this.#readOurs(tool);
      const wanted = hostChains(link, ports);
      faults.push(...HOST_TABLES.flatMap((table) => chainFaults(table, tables.get(table), wanted[table])));
      if (faults.length === 0 && tool.kind === 'nft') this.#generation = generation;
      return faults;
    });
  }

  /** The ports that are sent now, as the kernel says: what an earlier agent left. Throws OffloadError. */
  sent(): Promise<OffloadPort[]> {
    const { host, driver } = this.#options;
    return explained(async () => {
      if (driver === 'nft') {
        const table = await readTable(host, this.#table);
        return table ? tablePorts(table) : [];
      }
      const tables = await this.#reader.read(await this.#xtables(), host);
      return chainPorts(tables.get('nat')?.chains.get(hostChainName(this.#options.link.name))?.rules ?? []);
    });
  }

  /** UDP flows that stay where they are until then: of the relay, also those that connection tracking has not seen, and what was sent. Throws OffloadError. */
  remember(entries: readonly (Remembered | Prolonged)[]): Promise<void> {
    return remember(this.#options.host, entries);
  }

  /** Seconds for which the host knows a UDP flow that says nothing; undefined: it does not say. */
  forgetsAfter(): number | undefined {
    return forgetsUdpAfter(this.#options.host);
  }

  /** Flows that the sandbox's kernel tracks. */
  sandboxFlows(): number {
    return flowCount(this.#options.sandbox);
  }

  /** What clients of a TCP port have asked, whose connections were sent to the sandbox and are established: at most so many. Throws OffloadError. */
  asked(port: number, most: number): Promise<ReadonlyMap<string, string>> {
    const { host, link } = this.#options;
    return explained(async () => askedBy(await establishedFlows(host, { replySource: link.address, replyPort: port }, most)));
  }

  /** Forgets flows that were sent to the sandbox, by their clients: their next packets are new to the host. Answers what they had asked. Throws OffloadError. */
  end(clients: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    return explained(async () => {
      const theirs = clients.size === 0 ? [] : (await this.#sentFlows()).filter((flow) => clients.has(clientText(flow)));
      await deleteFlows(this.#options.host, theirs);
      return askedBy(theirs);
    });
  }

  /** Forgets all flows of a port that were sent to the sandbox. Throws OffloadError. */
  forget(ports: readonly OffloadPort[]): Promise<void> {
    const { host, link } = this.#options;
    return explained(async () => {
      for (const { protocol, number } of ports) await deleteEntries(host, { replySource: link.address, replyPort: { protocol, number } });
    });
  }

  async #sentFlows(): Promise<TrackedFlow[]> {
    const { host, link } = this.#options;
    return (await trackedFlows(host, { replySource: link.address })).filter(({ original }) => original.destination !== link.address);
  }

  /** What is installed for a port, as commands. */
  show(port: OffloadPort): string[] {
    const { link, sandbox, driver } = this.#options;
    const ip = [...makeLines(link, sandbox.path), ...hostLines(link), ...sandboxLines(link, { sandboxRules: [] }).map((line) => `-n ${sandbox.name} ${line}`)].map((line) => `ip ${line}`);
    const sends = this.#ports?.some((one) => portText(one) === portText(port)) === true;
    if (driver === 'nft') return [...ip, ...diffTables(undefined, hostTable(link, sends ? [port] : [])).map((command) => `nft '${commandText(this.#table, command)}'`)];
    const command = this.#tool?.command ?? 'iptables';
    const chains = hostChains(link, sends ? [port] : []);
    const rules = HOST_TABLES.flatMap((table) =>
      chains[table].flatMap((chain) => [
        `${command} -t ${table} -N ${chain.name}`,
        ...[...chain.members, ...chain.tail].map((rule) => `${command} -t ${table} -A ${chain.name} ${ruleText(rule)}`),
        ...jumpsTo(chain).map(({ from, text }) => `${command} -t ${table} -A ${from} ${text}`),
      ]),
    );
    return [...ip, ...rules];
  }

  /** Takes away everything of ours, on the host and of the link. Idempotent. Throws OffloadError. */
  async remove(): Promise<void> {
    this.#ports = this.#generation = undefined;
    const { host, sandbox, link } = this.#options;
    await this.#keeper.stop();
    await removeHostPorts(host, link.name);
    await explained(() => absent(ipBatch(sandbox, [`rule del ${dropText(link.address)}`])));
  }

  /** What it listens to. */
  close(): void {
    for (const routes of this.#routes) routes.close();
    void this.#keeper.stop();
  }

  async #makeLink(): Promise<void> {
    const { host, sandbox, link } = this.#options;
    if (this.#ports !== undefined && linkFaults(link, await this.#findLink()).length === 0) return;
    if (sandbox.within(() => linkState(SANDBOX_END)) === 'gone') {
      // The other end of one that an earlier sandbox had.
      await absent(ipBatch(host, [`link del ${link.name}`]));
      await ipBatch(host, makeLines(link, sandbox.path));
    }
    const found = await this.#findLink();
    const other = othersRoute(link, found.hostRoutes);
    if (other !== undefined) throw OffloadError.of(other);
    await ipBatch(host, hostLines(link));
    await ipBatch(sandbox, sandboxLines(link, found));
  }

  async #findLink(): Promise<FoundLink> {
    const ask = (netns: Namespace, lines: readonly string[]): Promise<unknown[][]> => ipShow(netns, lines, ['-4']);
    const { host, sandbox, link } = this.#options;
    const [[hostRoutes, hostNeighbours], [sandboxRoutes, sandboxNeighbours, sandboxRules]] = await Promise.all([
      ask(host, [`route show ${link.address}/32`, `neigh show ${link.address}`]),
      ask(sandbox, ['route show default', 'neigh show nud permanent', 'rule show']),
    ]);
    const ends = { host: host.within(() => linkState(link.name)), sandbox: sandbox.within(() => linkState(SANDBOX_END)) };
    return { ends, hostRoutes, hostNeighbours, sandboxRoutes, sandboxNeighbours, sandboxRules } as unknown as FoundLink;
  }

  async #xtables(): Promise<XtablesTool> {
    return (this.#tool ??= await findXtables());
  }

  /** Throws OffloadError when there is a rule in a chain of ours that we would not make. */
  async #readOurs(tool: XtablesTool): Promise<ReadTables> {
    const tables = await this.#reader.read(tool, this.#options.host);
    const [conflict] = conflictsOf(tables, [], [], tool.command);
    if (conflict) throw conflict;
    return tables;
  }
}

/**
 * Takes away what an agent has put on the host for published ports: rules of both kinds, the link, and the flows that were sent by it.
 * Needs to know nothing but the link's name, and touches nothing of another agent's. Throws OffloadError.
 */
export async function removeHostPorts(host: Namespace, name: string): Promise<void> {
  await explained(async () => {
    const table = hostTableName(name);
    if (await readTable(host, table).catch(noNftables)) await applyCommands(host, table, [{ do: 'delete-table' }]);
    for (const tool of await installedXtables(host)) {
      const tables = await new XtablesReader(HOST_TABLES).read(tool, host);
      const batches = [...HOST_TABLES].reverse().map((table) => ({ table, lines: tables.has(table) ? removalLines(tables.get(table)!, [hostChainName(name)]) : [] }));
      await restore(tool, host, renderBatch(batches));
    }
    const marked = JSON.parse((await run('ip', ['-4', '-json', 'route', 'show', 'proto', ROUTE_PROTOCOL], { netns: host })) || '[]') as FoundRoute[];
    const routes = marked.filter((route) => isOwnRoute(name, route));
    for (const { dst, type } of routes) if (type === 'blackhole') await absent(ipBatch(host, [`route del ${blackholeText(name, dst)}`]));
    // A host without conntrack(8) never had one.
    for (const address of new Set(routes.map(({ dst }) => dst))) await deleteEntries(host, { replySource: address }).catch(() => undefined);
    await absent(ipBatch(host, [`link del ${name}`]));
  });
}

function noNftables(error: unknown): undefined {
  if (!(error instanceof NftError) || !error.unavailable) throw error;
}

/** What is not there need not be removed. */
async function absent(removal: Promise<void>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!(error instanceof IpBatchError) || !/Cannot find device|No such (?:file|process|device)/.test(error.reason)) throw error;
  }
}

/** As KernelFlow has its client. */
function clientText({ protocol, original }: TrackedFlow): string {
  return `${protocol} ${original.source}:${original.sourcePort}`;
}

/** Who asked, and what. */
function askedBy(flows: readonly TrackedFlow[]): ReadonlyMap<string, string> {
  return new Map(flows.map((flow) => [clientText(flow), `${flow.original.destination}:${flow.original.destinationPort}`]));
}

/** Whatever failed below is an OffloadError. */
async function explained<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NftError) throw new OffloadError(error.message, error.remedy);
    if (error instanceof IpBatchError || error instanceof CommandError) throw new OffloadError(error.message, 'see `ip route` and `ip link` on the host');
    throw error;
  }
}
