/**
 * The driver `ipvs`: marks by iptables, balancing by IPVS (README.md draws it). It runs what ipvs-change.ts has decided, and reads back.
 *
 * After a failure nothing is believed about what is installed: the next `set` reads it back first.
 */
import fs from 'node:fs';
import { deleteEntries, trackedFlows, addEntries } from '../conntrack/tool.js';
import type { NewEntry, TrackedFlow } from '../conntrack/flow.js';
import { removalLines, renderBatch } from '../iptables/chains.js';
import { findXtables, installedXtables, restore, XtablesReader, type XtablesTool } from '../iptables/tool.js';
import { hasIpvs, ipvsBatch, ipvsConnections, ipvsCounts, ipvsServices, ipvsTimeouts, servicesListed, setIpvsTimeouts } from '../ipvs/tool.js';
import { deleteDestination } from '../ipvs/service.js';
import { ipBatch, IpBatchError, setSysctl } from '../netns/links.js';
import type { Namespace } from '../netns/netns.js';
import { CommandError, run } from '../run/runner.js';
import { conflictsOf } from './conflicts.js';
import {
  DEFAULT_MARK_BASE,
  MARK_SPAN,
  OffloadError,
  type DriverOptions,
  type InstalledService,
  type KernelCount,
  type KernelFlow,
  type OffloadDriver,
  type OffloadEndpoint,
  type OffloadPlan,
  type OffloadService,
  type UserspaceFlow,
} from './driver.js';
import { changedServices, faultsOf, incrementalChange, notedServices, Uses, wholeChange, type Change, type Present } from './ipvs-change.js';
import { BLOCK_MASK, blockOf, CHAINS, EXPIRE_NODEST, ipvsTimeoutsOf, NEW, refusal, sysctls, TABLES, type Base } from './ipvs-layout.js';
import { commandsOf } from './ipvs-show.js';
import { connectionsOf } from './kernel-flow.js';
import { changesSince, planWith } from './plans.js';
import { blockLine, readMarkRoutes, TABLE, vipLine, type MarkRoutes } from './policy-route.js';

/** Marks whose flows are forgotten without asking first whether there are any. */
const FEW = 8;

/** With more services than this `touched` would cost as much as it saves. */
const MOST_GLANCED = 1000;

/** What is installed, when that is known. */
interface Installed {
  readonly base: Base;
  readonly services: Map<number, OffloadService>;
  readonly uses: Uses;
}

export class IpvsDriver implements OffloadDriver {
  readonly name = 'ipvs';
  readonly #namespace: Namespace;
  readonly #markBase: number;
  readonly #reader = new XtablesReader(TABLES);
  #tool: XtablesTool | undefined;
  #plan: OffloadPlan | undefined;
  #installed: Installed | undefined;

  constructor(namespace: Namespace, { markBase = DEFAULT_MARK_BASE }: DriverOptions = {}) {
    this.#namespace = namespace;
    this.#markBase = markBase;
  }

  refuses(service: OffloadService): string | undefined {
    return refusal(service, this.#markBase);
  }

  async set(plan: OffloadPlan): Promise<void> {
    const installed = this.#installed;
    const noted = installed && changesSince(this.#plan, plan);
    const changes = installed && (noted ? notedServices(installed.services, noted) : changedServices(installed.services, plan.services));
    for (const service of changes ? changes.map(({ after }) => after) : plan.services) {
      const refused = service && service.phase !== 'finish' ? this.refuses(service) : undefined;
      if (refused !== undefined) throw new OffloadError(`the service cannot be handed to IPVS: ${refused}`);
    }
    this.#plan = plan;
    this.#installed = undefined;
    if (plan.services.length === 0) {
      if (!installed || installed.services.size > 0) await this.#takeAway();
      this.#installed = { base: plan, services: new Map(), uses: new Uses() };
    } else if (installed && changes && installed.services.size > 0 && sameBase(installed.base, plan)) {
      await this.#apply(incrementalChange(changes, installed.uses));
      for (const { before, after } of changes) {
        if (after) installed.services.set(after.mark, after);
        else if (before) installed.services.delete(before.mark);
      }
      this.#installed = installed;
    } else {
      const { present, routes } = await this.#read();
      const uses = Uses.of(plan.services);
      const conflict = conflictsOf(present.tables, routes.others, uses.blocks, (await this.#xtables()).command)[0];
      if (conflict) throw conflict;
      this.#setSysctls(plan);
      await setIpvsTimeouts(this.#namespace, ipvsTimeoutsOf(plan));
      await this.#apply(wholeChange(present, plan));
      this.#installed = { base: plan, services: new Map(plan.services.map((service) => [service.mark, service])), uses };
    }
  }

  touched(): boolean {
    const installed = this.#installed;
    if (!installed || installed.services.size === 0 || installed.services.size > MOST_GLANCED) return false;
    const there = new Set(servicesListed(this.#namespace));
    return [...installed.services.keys()].some((mark) => !there.has(mark));
  }

  async verify(): Promise<string[]> {
    const plan = this.#plan;
    if (!plan || plan.services.length === 0) return [];
    // What cannot be read back is as little known as what is not as it should be.
    const installed = this.#installed;
    this.#installed = undefined;
    const [{ present, routes }, timeouts] = await Promise.all([this.#read(), ipvsTimeouts(this.#namespace)]);
    const { command } = await this.#xtables();
    const wanted = ipvsTimeoutsOf(plan);
    const faults = [
      ...conflictsOf(present.tables, routes.others, Uses.of(plan.services).blocks, command).map(({ message }) => message),
      ...faultsOf(present, plan),
      ...sysctls(plan).filter(({ key, value }) => this.#sysctl(key) !== value).map(({ key, value }) => `${key.replaceAll('/', '.')} is not ${value}`),
    ];
    if (JSON.stringify(timeouts) !== JSON.stringify(wanted)) faults.push('the timeouts of IPVS are not those that were set');
    if (faults.length === 0) this.#installed = installed;
    return faults;
  }

  async keep(flows: readonly UserspaceFlow[]): Promise<void> {
    const { timeouts, balancer } = this.#planned();
    await addEntries(this.#namespace, flows.flatMap((flow): NewEntry[] => {
      const { protocol, client, clientPort, virtual, virtualPort, endpoint, endpointPort, balancerPort } = flow;
      const timeout = protocol === 'tcp' ? timeouts.established : timeouts.udp;
      return [
        { protocol, timeout, source: client, sourcePort: clientPort, destination: virtual, destinationPort: virtualPort },
        { protocol, timeout, source: balancer, sourcePort: balancerPort, destination: endpoint, destinationPort: endpointPort },
      ];
    }));
  }

  async installed(): Promise<readonly InstalledService[]> {
    if (!hasIpvs(this.#namespace)) return [];
    const { present } = await this.#read();
    const rules = present.tables.get('mangle')?.chains.get(NEW)?.rules ?? [];
    const taken = new Set(rules.map(({ rule }) => (rule?.action.kind === 'mark' ? rule.action.value : 0)));
    // There is a rule in any case, unless somebody has flushed them.
    const flushed = rules.length === 0;
    return [...present.services.keys()].map((mark) => ({ mark, takes: flushed || taken.has(mark) }));
  }

  async flows(): Promise<KernelFlow[]> {
    if (!hasIpvs(this.#namespace)) return [];
    const [connections, tracked] = await Promise.all([ipvsConnections(this.#namespace), trackedFlows(this.#namespace)]);
    // IPVS knows its connections by addresses only; which mark one has, and how much it carried, connection tracking knows.
    const byTuple = new Map(tracked.map((flow) => [tupleKey(flow.protocol, ends(flow).client, ends(flow).virtual), flow]));
    return connections.flatMap(({ protocol, client, virtual, destination, state, expires }) => {
      const known = byTuple.get(tupleKey(protocol, client, virtual));
      if (!known || !this.#isOurs(known.mark)) return [];
      return [{ mark: known.mark, protocol, client, virtual, endpoint: destination, seenAs: `${known.reply.destination}:${known.reply.destinationPort}`, state: protocol === 'udp' ? '' : state, expires, bytes: known.bytes }];
    });
  }

  connections(marks: readonly number[], most: number): Promise<KernelFlow[]> {
    return connectionsOf(this.#namespace, marks.map((mark) => [mark, { value: mark, mask: 0xffffffff }] as const), most);
  }

  async counts(): Promise<KernelCount[]> {
    if (!hasIpvs(this.#namespace)) return [];
    return (await ipvsCounts(this.#namespace))
      .filter(({ mark }) => this.#isOurs(mark))
      .map(({ mark, address, port, active, inactive, connections, bytesIn, bytesOut }) => ({
        mark,
        address,
        port,
        flows: active + inactive,
        connections,
        bytes: bytesIn + bytesOut,
      }));
  }

  async end(mark: number, { address, port }: Pick<OffloadEndpoint, 'address' | 'port'>): Promise<KernelFlow[]> {
    const isIt = (one: Pick<OffloadEndpoint, 'address' | 'port'>): boolean => one.address === address && one.port === port;
    const had = (await this.flows()).filter((flow) => flow.mark === mark && (port === 0 ? flow.endpoint.startsWith(`${address}:`) : flow.endpoint === `${address}:${port}`));
    // The kernel itself ends connections that have lost their destination (expire_nodest_conn), but in its own time.
    const service = this.#plan?.services.find((one) => one.mark === mark && one.endpoints.some(isIt));
    if (this.#plan) await this.set(service ? planWith(this.#plan, { ...service, endpoints: service.endpoints.filter((endpoint) => !isIt(endpoint)) }) : this.#plan);
    else if ((await ipvsServices(this.#namespace)).some((one) => one.mark === mark && one.destinations.some(isIt))) {
      await ipvsBatch(this.#namespace, [deleteDestination(mark, { address, port })]);
    }
    const match = { mark: { value: mark, mask: 0xffffffff }, replySource: address };
    if (port === 0) await deleteEntries(this.#namespace, match);
    else for (const protocol of ['tcp', 'udp'] as const) await deleteEntries(this.#namespace, { ...match, replyPort: { protocol, number: port } });
    return had;
  }

  show(mark: number): string[] {
    const plan = this.#plan;
    const service = plan?.services.find((one) => one.mark === mark);
    return plan && service ? commandsOf(plan, service, this.#tool?.command ?? 'iptables') : [];
  }

  async remove(): Promise<void> {
    this.#installed = undefined;
    this.#plan = undefined;
    await this.#takeAway();
  }

  #planned(): OffloadPlan {
    if (!this.#plan) throw new OffloadError('nothing is installed yet');
    return this.#plan;
  }

  #isOurs(mark: number): boolean {
    return mark >= this.#markBase && mark < this.#markBase + MARK_SPAN;
  }

  async #xtables(): Promise<XtablesTool> {
    return (this.#tool ??= await findXtables());
  }

  async #read(): Promise<{ present: Present; routes: MarkRoutes }> {
    const tool = await this.#xtables();
    const [tables, services, routes] = await Promise.all([this.#reader.read(tool, this.#namespace), ipvsServices(this.#namespace), this.#routes()]);
    const ours = services.filter(({ mark }) => this.#isOurs(mark)).map((service) => [service.mark, service] as const);
    return { present: { tables, services: new Map(ours), blocks: routes.blocks, vips: routes.vips }, routes };
  }

  async #routes(): Promise<MarkRoutes> {
    const ip = async (...args: string[]): Promise<string> => {
      try {
        return await run('ip', args, { netns: this.#namespace });
      } catch (error) {
        // A table that nothing was ever put into does not exist.
        if (error instanceof CommandError && /FIB table does not exist/.test(error.stderr)) return '';
        throw error instanceof CommandError ? new OffloadError(`routes cannot be read: ${error.message}`, 'see that iproute2 is installed') : error;
      }
    };
    return readMarkRoutes(...(await Promise.all([ip('-N', '-json', '-4', 'rule', 'show'), ip('-json', '-4', 'route', 'show', 'table', `${TABLE}`)])));
  }

  async #apply(change: Change): Promise<void> {
    await this.#ipvs(change.ipvsFirst, change.moves);
    await this.#ip(change.routesFirst);
    await restore(await this.#xtables(), this.#namespace, renderBatch(change.tables));
    await this.#forget(change.forget);
    await this.#ip(change.routesLast);
    await ipvsBatch(this.#namespace, change.ipvsLast);
  }

  async #ipvs(lines: readonly string[], moves: boolean): Promise<void> {
    if (!moves) return ipvsBatch(this.#namespace, lines);
    setSysctl(this.#namespace, EXPIRE_NODEST, '0');
    try {
      await ipvsBatch(this.#namespace, lines);
    } finally {
      setSysctl(this.#namespace, EXPIRE_NODEST, '1');
    }
  }

  async #ip(lines: readonly string[]): Promise<void> {
    try {
      await ipBatch(this.#namespace, lines, 4);
    } catch (error) {
      throw error instanceof IpBatchError || error instanceof CommandError ? new OffloadError(error.message, 'see `ip rule` and `ip route show table 100`') : error;
    }
  }

  /** What IPVS gave up is tracked no more; this is for what it no longer knew. An entry left would send its flow to the kernel again. */
  async #forget(marks: readonly number[]): Promise<void> {
    let those = new Set(marks);
    if (marks.length > FEW) {
      const tracked = await trackedFlows(this.#namespace);
      those = new Set(tracked.map(({ mark }) => mark).filter((mark) => those.has(mark)));
    }
    for (const mark of those) await deleteEntries(this.#namespace, { mark: { value: mark, mask: 0xffffffff } });
  }

  /** Of both kinds of iptables: whoever put the rules there may have used the other one. */
  async #takeAway(): Promise<void> {
    for (const tool of await this.#allXtables()) {
      const tables = await new XtablesReader(TABLES).read(tool, this.#namespace);
      const batches = (['mangle', 'nat'] as const).map((table) => {
        const present = tables.get(table);
        return { table, lines: present ? removalLines(present, CHAINS[table]) : [] };
      });
      await restore(tool, this.#namespace, renderBatch(batches));
    }
    const { blocks, vips } = await this.#routes();
    const services = hasIpvs(this.#namespace) ? (await ipvsServices(this.#namespace)).filter(({ mark }) => this.#isOurs(mark) || blocks.includes(blockOf(mark))) : [];
    for (const block of new Set([...blocks, ...services.map(({ mark }) => blockOf(mark))])) {
      await deleteEntries(this.#namespace, { mark: { value: block, mask: BLOCK_MASK } });
    }
    await this.#ip([...vips.map((vip) => vipLine('del', vip)), ...blocks.map((block) => blockLine('del', block))]);
    await ipvsBatch(this.#namespace, services.map(({ mark }) => `-D -f ${mark}`));
  }

  async #allXtables(): Promise<XtablesTool[]> {
    const found = await installedXtables(this.#namespace);
    return found.length > 0 ? found : [await this.#xtables()];
  }

  #setSysctls(base: Base): void {
    for (const { key, value } of sysctls(base)) {
      try {
        setSysctl(this.#namespace, key, value);
      } catch (error) {
        throw new OffloadError(`${key.replaceAll('/', '.')} cannot be set to ${value}: ${(error as Error).message}`, 'see that the modules ip_vs and nf_conntrack are loaded, and that the agent runs as root');
      }
    }
  }

  #sysctl(key: string): string | undefined {
    try {
      return this.#namespace.within(() => fs.readFileSync(`/proc/sys/${key}`, 'utf8')).trim();
    } catch {
      return undefined;
    }
  }
}

function sameBase(a: Base, b: Base): boolean {
  return a.subnet === b.subnet && a.balancer === b.balancer && JSON.stringify(a.timeouts) === JSON.stringify(b.timeouts);
}

function ends({ original }: TrackedFlow): { client: string; virtual: string } {
  return { client: `${original.source}:${original.sourcePort}`, virtual: `${original.destination}:${original.destinationPort}` };
}

function tupleKey(protocol: string, client: string, virtual: string): string {
  return `${protocol} ${client} ${virtual}`;
}
