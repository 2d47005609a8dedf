/** `vipmesh task …` */
import { command } from '../command.js';
import type { GroupSpec } from '../command.js';
import { FORMAT_NOTE } from '../format/help.js';
import { inspectOptions, listingOptions, makePrinter, printObjects } from '../listing.js';
import type { ListingOptions } from '../listing.js';
import { logOptions, printLogs } from '../logs.js';
import type { LogOptions } from '../logs.js';
import { removeEach } from '../remove.js';
import { TASK_REF } from '../values.js';
import { taskView } from '../views/tasks.js';
import { byName } from '../views/view.js';

const ls = command<ListingOptions & { readonly trunc?: boolean }>({
  name: 'ls',
  alias: 'list',
  purpose: 'List all tasks: those of services and one-off runs.',
  options: [{ flags: '--no-trunc', about: 'do not cut errors short' }, ...listingOptions],
  notes: FORMAT_NOTE,
  examples: ['vipmesh task ls', 'vipmesh task ls -q'],
  async run(context, _, options) {
    const print = await makePrinter(context, options);
    const tasks = await (await context.client()).tasks();
    print(taskView(context.wall(), options.trunc === false), tasks.sort(byName(({ name }) => name)));
  },
});

const inspect = command<ListingOptions>({
  name: 'inspect',
  purpose: 'Show all that is known of tasks.',
  args: [{ name: '<task...>', about: TASK_REF }],
  options: inspectOptions,
  notes: FORMAT_NOTE,
  examples: ["vipmesh task inspect --format '$.addresses[*].address' vote.1"],
  async run(context, [refs], options) {
    await printObjects(context, options, async () => {
      const client = await context.client();
      return Promise.all((refs as string[]).map(client.task));
    });
  },
});

const logs = command<LogOptions>({
  name: 'logs',
  purpose: 'Show what a task has written.',
  args: [{ name: '<task>', about: TASK_REF }],
  options: logOptions,
  examples: ['vipmesh task logs -f vote.1'],
  async run(context, [ref], options) {
    const client = await context.client();
    await printLogs(context, options, false, (query, signal) => client.taskLogs(ref as string, query, signal));
  },
});

const rm = command({
  name: 'rm',
  alias: 'remove',
  purpose: 'Forget tasks that have ended; stop them first where they run. A service replaces what it loses.',
  args: [{ name: '<task...>', about: TASK_REF }],
  examples: ['vipmesh task rm 3f2a9c0d1b7e'],
  async run(context, [refs]) {
    const client = await context.client();
    await removeEach(context, refs as string[], client.removeTask);
  },
});

export const taskCommands: GroupSpec = { name: 'task', purpose: 'Look at tasks', commands: [ls, inspect, logs, rm] };
