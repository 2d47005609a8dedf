/** `vipmesh offload`: what the kernel balances, and why it does not balance the rest. */
import type { OffloadMode } from '../../../overlay/model/spec.js';
import type { AgentClient } from '../../api/client.js';
import type { OffloadRecord } from '../../control.js';
import { command } from '../command.js';
import type { CommandSpec, GroupSpec } from '../command.js';
import type { Context } from '../context.js';
import { FORMAT_NOTE } from '../format/help.js';
import { inspectOptions, listingOptions, makePrinter, printObjects } from '../listing.js';
import type { ListingOptions } from '../listing.js';
import { offloadView } from '../views/offload.js';

interface LsOptions extends ListingOptions {
  /** Name or id. */
  readonly service?: string;
}

const offloadLs = command<LsOptions>({
  name: 'ls',
  alias: 'list',
  purpose: 'List every service on every network, and every published port, with its state: userspace, arming, offloaded or draining.',
  options: [{ flags: '--service <service>', about: 'only those of this service, by its name or id' }, ...listingOptions.filter(({ flags }) => !flags.includes('--quiet'))],
  notes: `OPENED counts the connections that userspace opened to the present endpoints, KERNEL
those that the kernel has now (with IPVS closed ones, too, until it forgets them,
some two minutes later). What is not offloaded says why. A PORT is a published one;
other rows are virtual addresses.\n\n${FORMAT_NOTE}`,
  examples: ['vipmesh offload ls', 'vipmesh offload ls --service vote', "vipmesh offload ls --format '{{.Service}} {{.State}} {{.Reason}}'"],
  async run(context, _, options) {
    const print = await makePrinter(context, options);
    const client = await context.client();
    const only = options.service === undefined ? undefined : (await client.service(options.service)).id;
    const records = (await client.offloads()).filter(({ serviceId }) => only === undefined || serviceId === only);
    print(offloadView(context.wall()), records);
    if (options.json !== true && options.format === undefined) await noteResets(context, client, records);
  },
});

/** Whoever has connections in the kernel should know what they miss. */
async function noteResets(context: Context, client: Pick<AgentClient, 'info'>, records: readonly OffloadRecord[]): Promise<void> {
  if (!records.some(({ state }) => state === 'offloaded' || state === 'draining')) return;
  const { resetsProblem } = await client.info();
  if (resetsProblem === undefined) return;
  context.warn(`\nWhen a task ends, its idle clients in the kernel are not told, and wait until they send something or\ntheir own time-outs end: ${resetsProblem} (vipmesh doctor says what helps)\n`);
}

const offloadShow = command<ListingOptions>({
  name: 'show',
  args: [{ name: '<service>', about: 'name or id' }],
  purpose: 'Print what is installed in the kernel for a service, as commands that do it by hand.',
  options: inspectOptions.map((option) => (option.flags === '--json' ? { ...option, about: 'print a JSON array with one object for each network, and one for the host' } : option)),
  notes: `An object has .Network, .Commands, .Place of what is on the host, and .Enter of
a sandbox: the command that carries out another in there. Marks are hexadecimal
as in 'vipmesh offload ls'; with nftables a flow's mark is the service's with three
digits more, which are its turn. ipvsadm takes decimal ones only.\n\n${FORMAT_NOTE}`,
  examples: ['vipmesh offload show vote', "vipmesh offload show vote --format '{{.Network}}: {{join .Commands \"; \"}}'"],
  async run(context, [ref], options) {
    const service = ref as string;
    const client = await context.client();
    if (options.json === true || options.format !== undefined) return printObjects(context, options, () => client.offloadCommands(service));
    const shown = await client.offloadCommands(service);
    if (shown.length === 0) {
      const { id } = await client.service(service);
      const listed = (await client.offloads()).some(({ serviceId }) => serviceId === id);
      return context.warn(
        listed
          ? `nothing of service '${service}' is in the kernel: 'vipmesh offload ls' says why\n`
          : `nothing of service '${service}' is in the kernel: it has no virtual address and no published port, so nothing of it is balanced\n`,
      );
    }
    context.write(shown.map(({ network, place, enter, commands }) => `# ${place === 'host' ? 'on the host' : `in the sandbox of network ${network}: ${enter ?? ''} sh`}\n${commands.map((line) => `${line}\n`).join('')}`).join('\n'));
  },
});

/** `enable` and `disable`: the service's own mode, whatever the node's is. */
function setMode(name: string, mode: OffloadMode, purpose: string): CommandSpec {
  return command({
    name,
    args: [{ name: '<service>', about: 'name or id' }],
    purpose,
    options: [],
    notes: "'vipmesh service update --offload default SERVICE' leaves it to the node again.",
    examples: [`vipmesh offload ${name} vote`],
    async run(context, [ref]) {
      const client = await context.client();
      const { id, spec } = await client.service(ref as string);
      await client.updateService(id, { ...spec, balancing: { ...spec.balancing, offload: mode } });
      context.write(`${spec.name}\n`);
    },
  });
}

export const offloadCommands: GroupSpec = {
  name: 'offload',
  purpose: 'Look at what the kernel balances',
  commands: [
    offloadLs,
    offloadShow,
    setMode('enable', 'always', 'Let the kernel balance a service as soon as its endpoints are stable.'),
    setMode('disable', 'never', 'Keep a service in userspace; its flows in the kernel go on to their end.'),
  ],
};
