/** `vipmesh service …`, but for create and update, which have files of their own. */
import type { TaskObject } from '../../../overlay/model/object.js';
import { command, UsageError } from '../command.js';
import type { GroupSpec } from '../command.js';
import { FORMAT_NOTE } from '../format/help.js';
import { inspectOptions, listingOptions, makePrinter, printObjects } from '../listing.js';
import type { ListingOptions } from '../listing.js';
import { logOptions, printLogs } from '../logs.js';
import type { LogOptions } from '../logs.js';
import { missingTasks, portLines, taskLines, warnOf } from '../problems.js';
import { removeEach } from '../remove.js';
import { parseScaleTarget, waitOptions } from '../values.js';
import type { WaitOptions } from '../values.js';
import { serviceView } from '../views/services.js';
import { isWanted, taskView } from '../views/tasks.js';
import { byName } from '../views/view.js';
import { serviceCreate } from './service-create.js';
import { serviceUpdate } from './service-update.js';

const ls = command<ListingOptions>({
  name: 'ls',
  alias: 'list',
  purpose: 'List services: how many tasks run of how many wanted, the virtual address, published ports.',
  options: listingOptions,
  notes: FORMAT_NOTE,
  examples: ['vipmesh service ls', "vipmesh service ls --format '{{.Name}}\\t{{.Replicas}}'"],
  async run(context, _, options) {
    const print = await makePrinter(context, options);
    const client = await context.client();
    const [services, networks] = await Promise.all([client.services(), client.networks()]);
    print(serviceView(networks), services.sort(byName(({ spec }) => spec.name)));
    warnOf(context, options, [...taskLines(services), ...portLines(services)]);
  },
});

const ps = command<ListingOptions & { readonly trunc?: boolean; readonly running?: boolean }>({
  name: 'ps',
  purpose: 'List the tasks of services, newest first within a slot, ended ones included.',
  args: [{ name: '[service...]', about: 'names or ids; without any, all services' }],
  options: [{ flags: '--running', about: 'without tasks that have ended or are stopping' }, { flags: '--no-trunc', about: 'do not cut errors short' }, ...listingOptions],
  notes: `A service that cannot have all of its tasks has a row without an id: ERROR is why.\n\n${FORMAT_NOTE}`,
  examples: ['vipmesh service ps vote', "vipmesh service ps vote --format '{{.Name}}\\t{{.Address}}\\t{{.CurrentState}}'"],
  async run(context, [refs], options) {
    const print = await makePrinter(context, options);
    const client = await context.client();
    const wanted = refs as string[];
    const services = wanted.length > 0 ? await Promise.all(wanted.map(client.service)) : (await client.services()).sort(byName(({ spec }) => spec.name));
    const tasks = (await Promise.all(services.map(async (service) => [...(await client.serviceTasks(service.id)), ...missingTasks([service], options)]))).flat();
    print(taskView(context.wall(), options.trunc === false), tasks.filter((task: TaskObject) => options.running !== true || isWanted(task)));
    warnOf(context, options, portLines(services));
  },
});

const inspect = command<ListingOptions>({
  name: 'inspect',
  purpose: 'Show all that is known of services.',
  args: [{ name: '<service...>', about: 'names or ids' }],
  options: inspectOptions,
  notes: FORMAT_NOTE,
  examples: ['vipmesh service inspect vote', "vipmesh service inspect --format '$.vips[0].address' vote", "vipmesh service inspect --format '{{range .Vips}}{{.Address}} {{end}}' vote"],
  async run(context, [refs], options) {
    await printObjects(context, options, async () => {
      const client = await context.client();
      return Promise.all((refs as string[]).map(client.service));
    });
  },
});

const scale = command<WaitOptions>({
  name: 'scale',
  purpose: 'Set how many tasks services have, and wait until they run.',
  args: [{ name: '<service=replicas...>', about: 'for example vote=5' }],
  options: waitOptions,
  examples: ['vipmesh service scale vote=5', 'vipmesh service scale vote=5 client=2'],
  async run(context, [texts], options) {
    const targets = (texts as string[]).map(parseScaleTarget);
    if (new Set(targets.map(({ ref }) => ref)).size < targets.length) throw new UsageError('a service is named twice');
    const client = await context.client();
    for (const { ref, replicas } of targets) {
      await client.scaleService(ref, replicas);
      context.write(`${ref} scaled to ${replicas}\n`);
    }
    const { waitForServices } = await import('../wait.js');
    await waitForServices(context, client, targets.map(({ ref }) => ref), options);
  },
});

const rollback = command<WaitOptions>({
  name: 'rollback',
  purpose: 'Take a service back to what it was before its last update.',
  args: [{ name: '<service>', about: 'name or id' }],
  options: waitOptions,
  notes: `Tasks that still run what was before stay; the others are replaced as the
--rollback options of service create say. An update that was never completed is
passed over; how many tasks there are stays as it is. Another rollback undoes it.`,
  examples: ['vipmesh service rollback vote'],
  async run(context, [ref], options) {
    const client = await context.client();
    const service = await client.rollBackService(ref as string);
    context.write(`${ref as string}\n`);
    const { waitForServices } = await import('../wait.js');
    await waitForServices(context, client, [service.id], options);
  },
});

const logs = command<LogOptions>({
  name: 'logs',
  purpose: 'Show what the tasks of a service have written.',
  args: [{ name: '<service>', about: 'name or id' }],
  options: logOptions,
  examples: ['vipmesh service logs --tail 20 vote', 'vipmesh service logs -f vote'],
  async run(context, [ref], options) {
    const client = await context.client();
    const [tasks, { name }] = await Promise.all([client.serviceTasks(ref as string), client.info()]);
    const elsewhere = [...new Set(tasks.map(({ node }) => node))].filter((node) => node !== name).sort();
    if (elsewhere.length > 0) context.warn(`vipmesh: only what tasks on this node, ${name}, have written; for the others repeat the command on ${elsewhere.join(', ')}\n`);
    await printLogs(context, options, true, (query, signal) => client.serviceLogs(ref as string, query, signal));
  },
});

const rm = command({
  name: 'rm',
  alias: 'remove',
  purpose: 'Remove services: their tasks are stopped, their addresses freed.',
  args: [{ name: '<service...>', about: 'names or ids' }],
  notes: `Nothing is drained: with the virtual address, connections to the service end at
once. 'vipmesh service scale NAME=0' first lets them go on until they end, or
--drain-timeout does.`,
  examples: ['vipmesh service rm vote'],
  async run(context, [refs]) {
    const client = await context.client();
    await removeEach(context, refs as string[], client.removeService);
  },
});

export const serviceCommands: GroupSpec = {
  name: 'service',
  purpose: 'Manage services',
  commands: [serviceCreate, ls, ps, inspect, scale, serviceUpdate, rollback, logs, rm],
};
