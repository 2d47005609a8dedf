/** What one asks of this node itself: `flows`, `status`, `version`. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PacketIo } from '../../../proxy/dataplane/handle.js';
import type { AgentInfo, FlowSummary, StoreInfo } from '../../control.js';
import { parseDuration } from '../../../overlay/model/duration.js';
import { command, UsageError } from '../command.js';
import type { CommandSpec } from '../command.js';
import { humanDuration } from '../io/units.js';
import { FORMAT_NOTE } from '../format/help.js';
import { listingOptions, makePrinter, objectOptions, printObject } from '../listing.js';
import type { ListingOptions } from '../listing.js';
import { programVersion } from '../version.js';
import { flowView } from '../views/node.js';

interface FlowsOptions extends ListingOptions {
  /** Name or id. */
  readonly service?: string;
  readonly watch?: boolean;
  readonly interval?: number;
}

/** Milliseconds. */
const SHORTEST_INTERVAL = 100;

function parseInterval(text: string): number {
  const interval = parseDuration(text);
  if (interval < SHORTEST_INTERVAL) throw new UsageError(`'${text}' is too short: the agent is asked every ${SHORTEST_INTERVAL}ms at most`);
  return interval;
}

export const flowsCommand = command<FlowsOptions>({
  name: 'flows',
  purpose: 'List the connections that are balanced right now: client, virtual address, the endpoint chosen.',
  options: [
    { flags: '--service <service>', about: 'only those of this service, by its name or id' },
    { flags: '--watch', about: 'show them again and again until Ctrl-C' },
    { flags: '--interval <duration>', about: 'between two looks, at least 100ms', parse: parseInterval, shown: '1s' },
    ...listingOptions.filter(({ flags }) => !flags.includes('--quiet')),
  ],
  notes: `IN counts bytes from the client, OUT bytes toward it. PATH is tun for a virtual
address, relay for a published port, kernel for what was offloaded. Of a flow in the
kernel neither these bytes nor its age are known, and that of a published port has
the balancer's address on the ingress network as its VIP.\n\n${FORMAT_NOTE}`,
  examples: ['vipmesh flows --watch', 'vipmesh flows --service vote', "vipmesh flows --format '{{.Client}} {{.Endpoint}}'"],
  async run(context, _, options) {
    const print = await makePrinter(context, options);
    const client = await context.client();
    const service = options.service === undefined ? undefined : (await client.service(options.service)).spec.name;
    const wanted = async (): Promise<FlowSummary[]> => (await client.flows()).filter((flow) => service === undefined || flow.service === service);
    if (options.watch !== true) return print(flowView, await wanted());
    const signal = context.interrupted();
    while (!signal.aborted) {
      const flows = await wanted();
      if (context.stdoutIsTerminal) context.write('\u001b[H\u001b[2J');
      print(flowView, flows);
      await sleep(options.interval ?? 1000, undefined, { signal }).catch(() => undefined);
    }
  },
});

export const statusCommand = command<ListingOptions>({
  name: 'status',
  purpose: 'Say whether an agent runs, and what it is doing. Exit code 1 when there is none.',
  options: objectOptions,
  notes: FORMAT_NOTE,
  examples: ['vipmesh status', "vipmesh status --format '{{.Pid}}'"],
  async run(context, _, options) {
    const client = await context.client();
    if (options.json === true || options.format !== undefined) return printObject(context, options, () => client.info());
    context.write(statusText(await client.info(), context.wall()));
  },
});

/** `wall` in milliseconds since the epoch. */
export function statusText(info: AgentInfo, wall: number): string {
  const lines: [string, string][] = [
    ['Agent', `${info.name} (${info.nodeId}), version ${info.version}, mode ${info.mode}, pid ${info.pid}`],
    ['Up for', humanDuration(wall - Date.parse(info.startedAt)).toLowerCase()],
    ['Socket', info.socket],
    ['State', info.stateDirectory],
    ['Store', storeText(info.store, wall)],
    ['Networks', String(info.networks)],
    ['Services', String(info.services)],
    ['Tasks', `${info.tasksRunning} running of ${info.tasksDesired} wanted`],
    ['Flows', `${info.flows}, up to ${info.maxFlows}`],
    ...(info.packetIo === undefined ? [] : ([['Workers', String(info.workers)], ['I/O', packetIoText(info.packetIo)]] satisfies [string, string][])),
    ...(info.dns === undefined ? [] : [['DNS', `${info.dns} (dig @${info.dns.replace(':', ' -p ')} NAME)`] satisfies [string, string]]),
    ...(info.vxlan === undefined ? [] : [['VXLAN', info.vxlan === 'kernel' ? 'of the kernel' : 'in userspace; networks cannot be encrypted here'] satisfies [string, string]]),
    ...(info.uplink === undefined ? [] : [['Uplink', uplinkText(info.uplink)] satisfies [string, string]]),
    ...(info.offloadProblem === undefined ? [] : [['Offload', `none: ${info.offloadProblem}`] satisfies [string, string]]),
  ];
  if (info.problems.length > 0) lines.push(['Problems', String(info.problems.length)]);
  for (const { about, message, since } of info.problems) lines.push(['', `${about}, for ${humanDuration(wall - Date.parse(since)).toLowerCase()}: ${message}`]);
  const counters = Object.entries(info.counters).filter(([, count]) => count > 0);
  if (counters.length > 0) lines.push(['Counters', '']);
  const text = lines.map(([name, value]) => `${(name === '' ? '' : `${name}:`).padEnd(11)}${value}`.trimEnd() + '\n').join('');
  const widest = Math.max(0, ...counters.map(([name]) => name.length));
  return text + counters.map(([name, count]) => `  ${name.padEnd(widest)}  ${count}\n`).join('');
}

function storeText({ kind, cluster, members, latency, unreachableSince, problem }: StoreInfo, wall: number): string {
  if (kind === 'embedded') return 'embedded, of this host alone';
  const where = `${kind} at ${(members ?? []).join(', ')}, cluster ${cluster ?? ''}`;
  if (unreachableSince !== undefined) return `${where}: OUT OF REACH for ${humanDuration(wall - Date.parse(unreachableSince)).toLowerCase()}; tasks and traffic go on, nothing can be changed. ${problem ?? ''}`.trimEnd();
  return `${where}${latency === undefined ? '' : `: answers in ${Math.max(1, Math.round(latency))} ms`}`;
}

function uplinkText({ state, program, problem = '', restarts }: NonNullable<AgentInfo['uplink']>): string {
  if (state === 'none') return `none, tasks reach their networks alone: ${problem}`;
  const again = restarts > 0 ? `, started again ${restarts} time${restarts === 1 ? '' : 's'}` : '';
  if (state === 'up') return `${program ?? ''}${again}`;
  return state === 'starting' ? `${program ?? ''}, starting` : `${program ?? ''}, DOWN${again}: ${problem}`;
}

function packetIoText({ kind, because }: PacketIo): string {
  return because === undefined ? kind : `${kind} (io_uring: ${because})`;
}

export const versionCommand: CommandSpec = command<ListingOptions>({
  name: 'version',
  local: true,
  purpose: 'Print the version.',
  options: [],
  examples: ['vipmesh version'],
  async run(context) {
    context.write(`vipmesh ${await programVersion()}\n`);
  },
});
