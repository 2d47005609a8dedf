/** `vipmesh stack …` */
import { readFile } from 'node:fs/promises';
import type { ServiceSummary } from '../../control.js';
import type { AgentClient } from '../../api/client.js';
import { STACK_LABEL } from '../../../overlay/model/spec.js';
import { command, UsageError } from '../command.js';
import type { GroupSpec } from '../command.js';
import { CommandFailure } from '../context.js';
import type { Context } from '../context.js';
import { FORMAT_NOTE } from '../format/help.js';
import { listingOptions, makePrinter } from '../listing.js';
import type { ListingOptions } from '../listing.js';
import { missingTasks, portLines, taskLines, warnOf } from '../problems.js';
import { waitOptions } from '../values.js';
import type { WaitOptions } from '../values.js';
import { serviceView, stackView } from '../views/services.js';
import { taskView } from '../views/tasks.js';
import { byName } from '../views/view.js';

interface DeployOptions extends WaitOptions {
  readonly composeFile?: string;
}

const deploy = command<DeployOptions>({
  name: 'deploy',
  alias: 'up',
  purpose: 'Create the networks of a compose file, create or update its services, and wait until their tasks run.',
  args: [{ name: '<stack>', about: 'name of the stack' }],
  options: [{ flags: '-c, --compose-file <path>', about: "compose file; '-' reads standard input (required)" }, ...waitOptions],
  notes: `Services are named STACK_SERVICE, and SERVICE is an alias on their networks.
These keys of a service are used: command, environment, networks (aliases), ports,
healthcheck, labels, stop_grace_period, working_dir and, under deploy, replicas,
endpoint_mode, restart_policy, labels. Any other key of compose is a warning, an
unknown one an error with its line. Tasks are processes of this host: an image is
not used. 'x-vipmesh: { prefix: false }' keeps names as they are written.

As in Swarm, a service that the file no longer has stays ('vipmesh service rm'
removes it), and a network that exists is not changed.`,
  examples: ['vipmesh stack deploy -c compose.yaml shop'],
  async run(context, [stack], options) {
    const file = options.composeFile;
    if (file === undefined) throw new UsageError('a stack needs a compose file', 'name it with -c, for example -c compose.yaml');
    const { text, name } = await readCompose(file);
    const { parseCompose } = await import('../../compose/compose.js');
    const { request, warnings } = parseCompose(text, { stack: stack as string, file: name, environment: context.env });
    for (const warning of warnings) context.warn(`vipmesh: ${warning}\n`);
    const client = await context.client();
    const { changes } = await client.deployStack(stack as string, request);
    for (const change of changes) context.write(`${change}\n`);
    const names = request.services.map((service) => service.name);
    const updated = names.filter((each) => changes.includes(`service ${each} updated`));
    const versions = new Map(await Promise.all(updated.map(async (each) => [each, (await client.service(each)).version] as const)));
    const { waitForServices } = await import('../wait.js');
    await waitForServices(context, client, names, options, versions);
  },
});

async function readCompose(file: string): Promise<{ text: string; name: string }> {
  if (file !== '-') {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new CommandFailure(`the compose file ${file} cannot be read: ${error.code ?? error.message}`);
    });
    return { text, name: file };
  }
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin) text += chunk as string;
  return { text, name: 'standard input' };
}

const ls = command<ListingOptions>({
  name: 'ls',
  alias: 'list',
  purpose: 'List stacks.',
  options: listingOptions,
  notes: FORMAT_NOTE,
  examples: ['vipmesh stack ls'],
  async run(context, _, options) {
    const print = await makePrinter(context, options);
    print(stackView, await (await context.client()).stacks());
  },
});

const services = command<ListingOptions>({
  name: 'services',
  purpose: 'List the services of a stack.',
  args: [{ name: '<stack>', about: 'name of the stack' }],
  options: listingOptions,
  notes: FORMAT_NOTE,
  examples: ['vipmesh stack services shop'],
  async run(context, [stack], options) {
    const print = await makePrinter(context, options);
    const client = await context.client();
    const [own, networks] = await Promise.all([servicesOf(client, stack as string), client.networks()]);
    print(serviceView(networks), own);
    warnOf(context, options, [...taskLines(own), ...portLines(own)]);
  },
});

const ps = command<ListingOptions & { readonly trunc?: boolean }>({
  name: 'ps',
  purpose: 'List the tasks of a stack.',
  args: [{ name: '<stack>', about: 'name of the stack' }],
  options: [{ flags: '--no-trunc', about: 'do not cut errors short' }, ...listingOptions],
  notes: FORMAT_NOTE,
  examples: ['vipmesh stack ps shop'],
  async run(context, [stack], options) {
    const print = await makePrinter(context, options);
    const client = await context.client();
    const own = await servicesOf(client, stack as string);
    const tasks = (await Promise.all(own.map(async (service) => [...(await client.serviceTasks(service.id)), ...missingTasks([service], options)]))).flat();
    print(taskView(context.wall(), options.trunc === false), tasks);
    warnOf(context, options, portLines(own));
  },
});

async function servicesOf(client: AgentClient, stack: string): Promise<ServiceSummary[]> {
  const own = (await client.services()).filter(({ spec }) => spec.labels[STACK_LABEL] === stack);
  if (own.length === 0) throw new CommandFailure(`no stack '${stack}'`, "see 'vipmesh stack ls'");
  return own.sort(byName(({ spec }) => spec.name));
}

const rm = command({
  name: 'rm',
  alias: 'down',
  purpose: 'Remove stacks: all of their services and networks.',
  args: [{ name: '<stack...>', about: 'names of stacks' }],
  notes: `Nothing is drained: connections to the services end at once.
'vipmesh service scale NAME=0' first lets them go on until they end, or
--drain-timeout does.`,
  examples: ['vipmesh stack rm shop'],
  async run(context: Context, [stacks]) {
    const client = await context.client();
    for (const stack of stacks as string[]) {
      const { changes } = await client.removeStack(stack);
      for (const change of changes) context.write(`${change}\n`);
    }
  },
});

export const stackCommands: GroupSpec = { name: 'stack', purpose: 'Manage stacks of services from compose files', commands: [deploy, ls, ps, services, rm] };
