/** `vipmesh up` and `vipmesh down`. What they do is in agent/lifecycle. */
import { parseDuration } from '../../../overlay/model/duration.js';
import type { PacketIoChoice } from '../../dataplane/packet-io.js';
import type { ReadyAgent } from '../../lifecycle/messages.js';
import type { ModeRequest } from '../../lifecycle/modes.js';
import type { UplinkChoice } from '../../uplink/programs.js';
import type { LogFormat, LogLevel } from '../../log.js';
import type { DriverName } from '../../../kernel/offload/driver.js';
import type { OffloadMode } from '../../../overlay/model/spec.js';
import { command, UsageError } from '../command.js';
import type { OptionSpec } from '../command.js';
import type { Context } from '../context.js';
import { wholeNumber } from '../values.js';
import { programVersion } from '../version.js';
import { clusterOptions, LOCAL_STORE, readClusterOptions, type ClusterOptions } from './cluster-options.js';

/** What agent/dataplane/start.ts can build. */
const MAX_WORKERS = 8;
const MAX_FLOWS = 2 ** 24;
/** Longer waits are 'never'. */
const MAX_OFFLOAD_AFTER_MS = 24 * 3_600_000;

/** Room below for the mark of userspace's own flows, and above for all marks of a node. */
const LARGEST_MARK_BASE = 0x7fff0000;

function parseMarkBase(text: string): number {
  const base = /^(0x[0-9a-f]+|[1-9][0-9]*)$/i.test(text) ? Number(text) : NaN;
  if (!(base >= 256 && base <= LARGEST_MARK_BASE) || base % 256 !== 0) throw new UsageError(`'${text}' is not a multiple of 256 from 0x100 to 0x${LARGEST_MARK_BASE.toString(16)}`);
  return base;
}

/** A flow's mark in nftables holds more than the service's (kernel/offload/nft-layout.ts). */
async function checkMarkBase(base: number): Promise<void> {
  const { NFT_LARGEST_MARK_BASE: largest } = await import('../../../kernel/offload/nft-layout.js');
  if (base > largest) throw new UsageError(`--mark-base: 0x${base.toString(16)} is too large for --offload-driver nft`, `choose at most 0x${largest.toString(16)}`);
}

function parseAfter(text: string): number {
  const after = parseDuration(text);
  if (after > MAX_OFFLOAD_AFTER_MS) throw new UsageError(`'${text}' is longer than 24h: to offload nothing, use --offload never`);
  return after;
}

interface UpOptions extends ClusterOptions {
  readonly mode: ModeRequest;
  readonly detach?: boolean;
  readonly demo?: boolean;
  readonly stateDir?: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly workers?: number;
  readonly maxFlows?: number;
  readonly packetIo: PacketIoChoice;
  readonly dnsPort?: number;
  readonly offload: OffloadMode;
  readonly offloadDriver: 'auto' | DriverName;
  readonly offloadAfter?: number;
  readonly markBase?: number;
  readonly uplink: UplinkChoice;
}

/** Shown here, known to agent/lifecycle/paths.ts. */
const stateDirOption: OptionSpec = {
  flags: '--state-dir <path>',
  about: 'where state is kept; every command for an agent with one of its own needs it too',
  shown: '$XDG_STATE_HOME/vipmesh, /var/lib/vipmesh for root',
};

export const upCommand = command<UpOptions>({
  name: 'up',
  local: true,
  purpose: 'Start an agent on this host, in the foreground unless told otherwise.',
  options: [
    { flags: '--mode <mode>', about: 'root: in the host\'s namespaces; rootless: in a user namespace; sockets: in none, by sockets on loopback; auto: the first of these that this host can run', choices: ['auto', 'root', 'rootless', 'sockets'], fallback: 'auto' },
    { flags: '-d, --detach', about: 'return when it runs; it goes on in the background, with a log in the state directory' },
    { flags: '--demo', about: 'deploy a small stack to look at, and say what to try' },
    stateDirOption,
    ...clusterOptions,
    { flags: '--workers <n>', about: 'threads that balance packets, and as many that relay published ports, up to 8', parse: wholeNumber(1, MAX_WORKERS), shown: 'by the number of processors' },
    { flags: '--max-flows <n>', about: 'connections that can be balanced at a time; each worker has its part of them; about 90 bytes each', parse: wholeNumber(1, MAX_FLOWS), shown: '262144' },
    { flags: '--packet-io <kind>', about: 'how packets get to the workers; auto: io_uring where the kernel has it and allows it', choices: ['auto', 'io_uring', 'poll'], fallback: 'auto' },
    { flags: '--offload <mode>', about: 'whether the kernel balances services that do not say themselves; auto: once their flows are stable; always: as soon as their endpoints are', choices: ['auto', 'always', 'never'], fallback: 'auto' },
    { flags: '--offload-driver <driver>', about: 'ipvs: iptables marks and IPVS; nft: nftables; auto: the first that this kernel can do', choices: ['auto', 'ipvs', 'nft'], fallback: 'auto' },
    { flags: '--offload-after <duration>', about: "for how long a service's endpoints are to be unchanged before that, at most 24h", parse: parseAfter, shown: '5s' },
    { flags: '--mark-base <mark>', about: 'first packet mark of those that the kernel tells services by; a multiple of 256, with nft at most 0xf0000', parse: parseMarkBase, shown: '0x100' },
    { flags: '--dns-port <port>', about: 'mode sockets: local port of the name server', parse: wholeNumber(1, 65_535), shown: '10053' },
    { flags: '--uplink <program>', about: 'how tasks of a rootless agent reach the outside; auto: pasta, else slirp4netns, else not at all', choices: ['auto', 'pasta', 'slirp4netns', 'none'], fallback: 'auto' },
    { flags: '--log-level <level>', about: 'how much is logged', choices: ['trace', 'debug', 'info', 'warn', 'error', 'silent'], fallback: 'info' },
    { flags: '--log-format <format>', about: 'lines for people or for programs', choices: ['human', 'json'], fallback: 'human' },
  ],
  notes: `Ctrl-C, or 'vipmesh down' elsewhere, stops the agent and all of its tasks. Networks
and services are kept in the state directory, and the next start brings them
back; on the host nothing else is left. Tasks run with the agent's rights.

When a worker's part of --max-flows is taken, a new flow takes another's place: of
one that is closed, opening, closing, or idle UDP or ICMP; when there is none, of
the connection that is next to time out, which is reset on both sides.`,
  examples: ['vipmesh up --demo', 'vipmesh up --mode rootless --detach', 'vipmesh up --store etcd://10.0.0.1:2379 --cluster prod --advertise 10.0.0.1 --detach'],
  async run(context, _, options) {
    const { mode, detach, demo, stateDir, logLevel, logFormat, workers, maxFlows, packetIo, offload, offloadDriver, offloadAfter, markBase, dnsPort, uplink } = options;
    if (offloadDriver === 'nft' && markBase !== undefined) await checkMarkBase(markBase);
    const cluster = await readClusterOptions(context, options);
    const { up } = await import('../../lifecycle/up.js');
    context.outliveReader();
    context.exitCode = await up({
      mode,
      detach: detach === true,
      logLevel,
      logFormat,
      dataplane: {
        packetIo,
        ...(workers === undefined ? {} : { workers }),
        ...(maxFlows === undefined ? {} : { maxFlows }),
        ...(dnsPort === undefined ? {} : { dnsPort }),
        offload: { mode: offload, driver: offloadDriver, ...(offloadAfter === undefined ? {} : { after: offloadAfter }), ...(markBase === undefined ? {} : { markBase }) },
      },
      uplink,
      version: await programVersion(),
      ...(stateDir === undefined ? {} : { stateDir }),
      ...(cluster ? { cluster } : { leavesCluster: options.store === LOCAL_STORE }),
      ready: async (agent) => {
        await (demo === true ? startDemo(context, agent, detach === true) : announce(context, agent, detach === true, cluster?.cluster));
        if (detach === true && offloadDriver !== 'auto') await warnOfDriver(context, agent, offloadDriver);
      },
    });
  },
});

async function announce(context: Context, agent: ReadyAgent, detached: boolean, cluster: string | undefined): Promise<void> {
  const how = detached ? `stop it with 'vipmesh down${agent.stateOption}', its log is ${agent.log}` : 'stop it with Ctrl-C';
  context.write(`vipmesh agent '${agent.name}' is up (mode ${agent.mode}, pid ${agent.pid}, socket ${agent.socket}): ${how}\n`);
  if (cluster === undefined) return;
  const { AgentClient } = await import('../../api/client.js');
  const others = (await new AgentClient(agent.socket).nodes()).map(({ hostname }) => hostname).filter((name) => name !== agent.name);
  const beside = others.length > 3 ? `${others.length} others` : others.join(', ');
  context.write(others.length === 0 ? `it is the first node of cluster '${cluster}'\n` : `it is a node of cluster '${cluster}', beside ${beside}\n`);
}

/** In the foreground the agent's log is there to be read. */
async function warnOfDriver(context: Context, agent: ReadyAgent, driver: DriverName): Promise<void> {
  const { AgentClient } = await import('../../api/client.js');
  const { offloadProblem } = await new AgentClient(agent.socket).info();
  if (offloadProblem !== undefined) context.warn(`vipmesh: --offload-driver ${driver} does not work here, services stay in userspace: ${offloadProblem}\n  'vipmesh doctor' says which driver does; without --offload-driver the first of them is taken\n`);
}

async function startDemo(context: Context, agent: ReadyAgent, detached: boolean): Promise<void> {
  const [{ AgentClient }, { demoStack, DEMO_STACK }, { demoWelcome }, { waitForServices }, { clientSocket }] = await Promise.all([
    import('../../api/client.js'),
    import('../../demo/stack.js'),
    import('../../demo/welcome.js'),
    import('../wait.js'),
    import('../../lifecycle/paths.js'),
  ]);
  const client = new AgentClient(agent.socket);
  const stack = demoStack(agent.mode);
  await client.deployStack(DEMO_STACK, stack);
  await waitForServices(context, client, stack.services.map(({ name }) => name), {});
  const [services, networks, tasks] = await Promise.all([client.services(), client.networks(), client.tasks()]);
  const found = clientSocket({ env: context.env, uid: context.uid }) === agent.socket;
  context.write(demoWelcome({ agent, detached, services, networks, tasks, wall: context.wall(), ...(found ? {} : { socket: agent.socket }) }));
}

interface DownOptions {
  readonly stateDir?: string;
  readonly timeout?: number;
}

export const downCommand = command<DownOptions>({
  name: 'down',
  local: true,
  purpose: 'Stop the agent and all of its tasks; clean up after one that died.',
  options: [stateDirOption, { flags: '--timeout <duration>', about: 'how long to wait for its end', parse: parseDuration, shown: '60s' }],
  examples: ['vipmesh down'],
  async run(context, _, { stateDir, timeout }) {
    const { down } = await import('../../lifecycle/down.js');
    await down({
      timeout: timeout ?? 60_000,
      progress: (line) => context.warn(`${line}\n`),
      ...(stateDir === undefined ? {} : { stateDir }),
    });
  },
});
