/** `doctor`: what this host has, what is missing, and which modes can run. */
import { command, UsageError } from '../command.js';
import type { OptionSpec } from '../command.js';
import type { Context } from '../context.js';
import type { DoctorCheck, StoreInfo } from '../../control.js';
import type { Mode } from '../../lifecycle/modes.js';
import { FORMAT_NOTE } from '../format/help.js';
import { listingOptions, makePrinter } from '../listing.js';
import type { ListingOptions } from '../listing.js';
import { doctorView } from '../views/node.js';
import { tableOf } from '../views/view.js';
import { readStoreOptions, storeOptions, type StoreOptions } from './cluster-options.js';

interface DoctorOptions extends ListingOptions, StoreOptions {
  readonly mode?: Mode;
  readonly store?: string;
}

const modeOption: OptionSpec = { flags: '--mode <mode>', about: 'exit code 1 when this mode cannot run', choices: ['root', 'rootless', 'sockets'], shown: 'any' };

/** Milliseconds: an agent that does not answer is none that could tell of its store. */
const AGENT_MS = 2000;

export const doctorCommand = command<DoctorOptions>({
  name: 'doctor',
  local: true,
  purpose: 'Check what this host has, what to do about the rest, and which modes can run. Needs no agent. Exit code 1 when no mode can run, or not the one that --mode names.',
  options: [
    modeOption,
    { flags: '--store <url>', about: 'look whether this store answers, and how fast: etcd://HOST:PORT[,HOST:PORT...]', shown: "the running agent's" },
    ...storeOptions,
    ...listingOptions.filter(({ flags }) => !flags.includes('--quiet')),
  ],
  notes: FORMAT_NOTE,
  examples: ['vipmesh doctor', 'vipmesh doctor --mode rootless', 'vipmesh doctor --store etcd://10.0.0.1:2379 --cluster prod'],
  async run(context, _, options) {
    const print = await makePrinter(context, options);
    const { store, mode } = options;
    if (store === undefined && Object.keys(options).some((name) => name.startsWith('store') || name === 'cluster')) throw new UsageError('--cluster and --store-… say how to reach a store', 'add --store etcd://HOST:2379');
    const settings = store === undefined ? undefined : await readStoreOptions(context, '--store', store, options);
    const agentStore = settings === undefined ? await storeOfAgent(context) : undefined;
    const [{ doctor }, { canRun }] = await Promise.all([import('../../doctor/doctor.js'), import('../../doctor/checks.js')]);
    const checks = await doctor({ ...(settings && { store: settings }), ...(agentStore && { agentStore }) });
    context.exitCode = canRun(checks, mode) ? 0 : 1;
    if (options.json === true || options.format !== undefined) return print(doctorView, checks);
    context.write(await doctorText(checks));
  },
});

/** The checks as a table, which modes can run, and what to do. */
export async function doctorText(checks: readonly DoctorCheck[]): Promise<string> {
  const { modesLine, remedyLines } = await import('../../doctor/checks.js');
  const remedies = remedyLines(checks);
  const toDo = remedies.length === 0 ? '' : `\nWhat to do:\n${remedies.map((line) => `  ${line}\n`).join('')}`;
  return `${tableOf(doctorView, checks)}\n${modesLine(checks)}\n${toDo}`;
}

/** Undefined: no agent runs here, as far as can be told. */
async function storeOfAgent({ env, uid }: Context): Promise<StoreInfo | undefined> {
  const [{ AgentClient }, { clientSocket }] = await Promise.all([import('../../api/client.js'), import('../../lifecycle/paths.js')]);
  const asked = new AgentClient(clientSocket({ env, uid })).info().then(
    ({ store }) => store,
    () => undefined,
  );
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), AGENT_MS)));
  return Promise.race([asked, late]).finally(() => clearTimeout(timer));
}
