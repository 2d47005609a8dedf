/** `vipmesh node …`: the nodes of the cluster, of which one that is alone has but itself. */
import { parseLabels } from '../../grammar/attachments.js';
import type { NodeUpdate } from '../../control.js';
import { command, UsageError } from '../command.js';
import type { GroupSpec } from '../command.js';
import { FORMAT_NOTE } from '../format/help.js';
import { inspectOptions, listingOptions, makePrinter, printObjects } from '../listing.js';
import type { ListingOptions } from '../listing.js';
import { removeEach } from '../remove.js';
import { nodeView } from '../views/node.js';
import { byName } from '../views/view.js';

const ls = command<ListingOptions>({
  name: 'ls',
  alias: 'list',
  purpose: 'List nodes.',
  options: listingOptions,
  notes: FORMAT_NOTE,
  examples: ['vipmesh node ls', "vipmesh node ls --format '{{.Hostname}} {{.Status}}'"],
  async run(context, _, options) {
    const print = await makePrinter(context, options);
    print(nodeView, (await (await context.client()).nodes()).sort(byName(({ hostname }) => hostname)));
  },
});

const inspect = command<ListingOptions>({
  name: 'inspect',
  purpose: 'Show all that is known of nodes.',
  args: [{ name: '<node...>', about: 'host names or ids' }],
  options: inspectOptions,
  notes: FORMAT_NOTE,
  examples: ['vipmesh node inspect host1', "vipmesh node inspect --format '$.labels' host1"],
  async run(context, [refs], options) {
    await printObjects(context, options, async () => {
      const client = await context.client();
      return Promise.all((refs as string[]).map(client.node));
    });
  },
});

/** A key alone is more often a value forgotten than one that is to be empty, and no constraint would find it. */
function parseLabelWithValue(text: string): string {
  if (!text.includes('=')) throw new UsageError(`'${text}' has no value: write KEY=VALUE, or '${text}=' for an empty one`);
  return text;
}

interface UpdateOptions {
  readonly availability?: NonNullable<NodeUpdate['availability']>;
  readonly labelAdd?: string[];
  readonly labelRm?: string[];
}

const update = command<UpdateOptions>({
  name: 'update',
  purpose: 'Change whether a node gets tasks, and its labels.',
  args: [{ name: '<node>', about: 'its host name or id' }],
  options: [
    { flags: '--availability <availability>', about: 'active: it gets tasks; pause: it keeps those that it has; drain: they go to other nodes', choices: ['active', 'pause', 'drain'] },
    { flags: '--label-add <key=value>', about: 'add or change a label (repeatable); services ask for it by --constraint node.labels.KEY==VALUE', many: true, parse: parseLabelWithValue },
    { flags: '--label-rm <key>', about: 'remove a label (repeatable)', many: true },
  ],
  examples: ['vipmesh node update --availability drain host2', 'vipmesh node update --label-add zone=a host1'],
  async run(context, [ref], { availability, labelAdd, labelRm }) {
    if (availability === undefined && labelAdd === undefined && labelRm === undefined) throw new UsageError('nothing to change', "see 'vipmesh node update --help'");
    const client = await context.client();
    const { hostname } = await client.updateNode(ref as string, {
      ...(availability !== undefined && { availability }),
      ...(labelAdd && { labelsAdd: parseLabels(labelAdd) }),
      ...(labelRm && { labelsRemove: labelRm }),
    });
    context.write(`${hostname}\n`);
  },
});

const rm = command<{ readonly force?: boolean }>({
  name: 'rm',
  alias: 'remove',
  purpose: 'Forget nodes that are down and will not be back.',
  args: [{ name: '<node...>', about: 'host names or ids' }],
  options: [{ flags: '-f, --force', about: 'though tasks may still run there: they count as ended, and their addresses are given to others' }],
  notes: `A node that is up is not forgotten: stop its agent first. One that was only cut off
from the store, and comes back, is a node of the cluster again, with the same id,
but without labels and active; it ends the tasks that it still has.`,
  examples: ['vipmesh node rm host3', 'vipmesh node rm --force 0e8740c62476'],
  async run(context, [refs], { force }) {
    const client = await context.client();
    await removeEach(context, refs as string[], (ref) => client.removeNode(ref, force === true));
  },
});

export const nodeCommands: GroupSpec = { name: 'node', purpose: 'Manage nodes', commands: [ls, inspect, update, rm] };
