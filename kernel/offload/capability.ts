/**
 * Whether this node's kernel can do what the driver `ipvs` needs, and if not, what is missing and what helps. It is tried, not
 * looked up: rules and services are made in a network namespace that ends with the process that made them. Modules that the
 * attempt loads stay loaded, as they would with the offload itself.
 */
import fs from 'node:fs';
import { explainConntrack } from '../conntrack/tool.js';
import { renderBatch, chainLines } from '../iptables/chains.js';
import { ruleText, type Rule } from '../iptables/rule.js';
import { explainXtables, findXtables, type XtablesTool } from '../iptables/tool.js';
import { explainIpvs } from '../ipvs/tool.js';
import { moduleState } from '../modules/modules.js';
import { run } from '../run/runner.js';
import { OffloadError, type DriverName, type OffloadScheduler } from './driver.js';
import { mangleChains, natChains } from './ipvs-layout.js';

export interface Lack {
  /** A sentence. */
  readonly reason: string;
  readonly remedy?: string;
}

export interface Capability {
  readonly driver: DriverName;
  /** Empty: the driver works here. */
  readonly lacks: readonly Lack[];
  /** Those that this kernel has. */
  readonly schedulers: readonly OffloadScheduler[];
  /** What is used, for `doctor`: `iptables (nft)`. */
  readonly tools: readonly string[];
}

const SCHEDULERS: readonly OffloadScheduler[] = ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh'];

/** What the probe looks at, so that it can be tried without. */
export interface Surroundings {
  readonly uid: number;
  /** Of /proc/self/uid_map. */
  readonly uidMap: string;
  readonly findXtables: () => Promise<XtablesTool>;
  /** Runs a command in a network namespace that ends with it. */
  readonly trial: (command: string, args: readonly string[], input: string) => Promise<string>;
  readonly moduleState: typeof moduleState;
}

type Trial = Surroundings['trial'];

function here(): Surroundings {
  return {
    uid: process.geteuid?.() ?? -1,
    uidMap: fs.readFileSync('/proc/self/uid_map', 'utf8'),
    findXtables,
    moduleState,
    trial: (command, args, input) => run('unshare', ['--net', command, ...args], { input, silent: command === 'ipvsadm' }),
  };
}

/** Whether root here is root of the machine: the map of the first user namespace is the identity. */
function isInitialUserNamespace(uidMap: string): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(uidMap);
}

/** What the driver `ipvs` lacks here. */
export async function probeIpvs({ uid, uidMap, findXtables: find, trial, moduleState: state }: Surroundings = here()): Promise<Capability> {
  if (uid !== 0) {
    return { driver: 'ipvs', lacks: [{ reason: `this is uid ${uid}, and only root may use IPVS`, remedy: 'run the agent as root' }], schedulers: [], tools: [] };
  }
  const [tables, balancing, tracking] = await Promise.all([probeTables(find, trial, state), probeSchedulers(trial, state), probeConntrack(trial, state)]);
  const lacks = [...tables.lacks, ...balancing.lacks, ...tracking];
  if (lacks.length > 0 && !isInitialUserNamespace(uidMap)) {
    lacks.push({ reason: 'this is a user namespace, and many kernels allow IPVS in the initial one only', remedy: 'run the agent as root, or use --offload-driver nft' });
  }
  return { driver: 'ipvs', lacks, schedulers: balancing.schedulers, tools: tables.tools };
}

async function probeTables(find: Surroundings['findXtables'], trial: Trial, state: typeof moduleState): Promise<{ lacks: Lack[]; tools: string[] }> {
  let tool: XtablesTool;
  try {
    tool = await find();
  } catch (error) {
    return { lacks: [lackOf(error)], tools: [] };
  }
  const name = `${tool.command} (${tool.kind})`;
  const load = (batch: string): Promise<Lack | undefined> => attempt(() => trial(`${tool.command}-restore`, ['--noflush', '-w', '5'], batch), (error) => explainXtables(error, name, batch, state));
  const base = { subnet: '10.0.0.0/8', balancer: '10.0.0.1', timeouts: { established: 7440, closing: 240, udp: 300 } };
  const marks: Rule = { destination: '10.0.0.2/32', protocol: 'tcp', port: 80, syn: true, action: { kind: 'mark', value: 0x100 } };
  const all = [
    { table: 'nat', chains: natChains(base) },
    { table: 'mangle', chains: mangleChains([marks]) },
  ];
  if (!(await load(renderBatch(all.map(({ table, chains }) => ({ table, lines: chainLines(undefined, chains) })))))) return { lacks: [], tools: [name] };
  // Something is missing: which, the rules one by one tell better.
  const lacks: Lack[] = [];
  for (const { table, chains } of all) {
    for (const rule of chains.flatMap(({ members, tail }) => [...members, ...tail])) {
      const lines = [':VIPMESH-NEW - [0:0]', `-A ${table === 'nat' ? 'POSTROUTING' : 'PREROUTING'} ${ruleText(rule)}`];
      const lack = await load(renderBatch([{ table, lines }]));
      if (lack && !lacks.some(({ reason }) => reason === lack.reason)) lacks.push(lack);
    }
  }
  return { lacks, tools: [name] };
}

async function probeSchedulers(trial: Trial, state: typeof moduleState): Promise<{ lacks: Lack[]; schedulers: OffloadScheduler[] }> {
  const load = (names: readonly string[]): Promise<Lack | undefined> => {
    const batch = names.map((name, i) => `-A -f ${i + 1} -s ${name}\n`).join('');
    return attempt(() => trial('ipvsadm', ['-R'], batch), (error) => explainIpvs(error, batch, state));
  };
  const lack = await load(SCHEDULERS);
  if (!lack) return { lacks: [], schedulers: [...SCHEDULERS] };
  const schedulers: OffloadScheduler[] = [];
  for (const name of SCHEDULERS) if (!(await load([name]))) schedulers.push(name);
  // A kernel with some of the schedulers serves the services that want those.
  return { lacks: schedulers.length > 0 ? [] : [lack], schedulers };
}

async function probeConntrack(trial: Trial, state: typeof moduleState): Promise<Lack[]> {
  const lack = await attempt(() => trial('conntrack', ['-L'], ''), (error) => explainConntrack(error, state));
  return lack ? [lack] : [];
}

async function attempt(work: () => Promise<unknown>, explain: (error: unknown) => unknown): Promise<Lack | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return lackOf(explain(error));
  }
}

function lackOf(error: unknown): Lack {
  if (!(error instanceof OffloadError)) throw error;
  return { reason: error.message, ...(error.remedy !== undefined && { remedy: error.remedy }) };
}
