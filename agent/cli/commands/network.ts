/** `vipmesh network …` */
import { parseLabels } from '../../grammar/attachments.js';
import { parseDriverOptions } from '../../grammar/driver-options.js';
import { byFamily } from '../../grammar/families.js';
import { command } from '../command.js';
import type { GroupSpec } from '../command.js';
import { FORMAT_NOTE } from '../format/help.js';
import { inspectOptions, listingOptions, makePrinter, printObjects } from '../listing.js';
import type { ListingOptions } from '../listing.js';
import { removeEach } from '../remove.js';
import { networkView } from '../views/services.js';
import { byName } from '../views/view.js';

interface CreateOptions {
  readonly driver: 'overlay';
  readonly subnet?: string[];
  readonly gateway?: string[];
  readonly ipv6?: boolean;
  readonly internal?: boolean;
  readonly opt?: string[];
  readonly label?: string[];
}

const create = command<CreateOptions>({
  name: 'create',
  purpose: 'Create an overlay network and print its id.',
  args: [{ name: '<name>', about: 'name of the network' }],
  options: [
    { flags: '--driver <driver>', about: 'kind of network', fallback: 'overlay', choices: ['overlay'] },
    { flags: '--ipv6', about: 'its tasks and VIPs have IPv6 addresses as well' },
    { flags: '--subnet <cidr>', about: 'subnet, such as 10.0.9.0/24; one of each family', many: true, shown: 'the next free /24 of 10.0.0.0/8, /64 of the mesh\'s own fd…::/48' },
    { flags: '--gateway <address>', about: 'the network\'s own address in the subnet; one of each family', many: true, shown: 'its first host address' },
    { flags: '--internal', about: 'its tasks resolve no names beyond the mesh' },
    { flags: '--opt <name>', about: 'encrypted: what goes between nodes is encrypted (repeatable)', many: true },
    { flags: '--label <key=value>', about: 'a label (repeatable)', many: true },
  ],
  examples: ['vipmesh network create overlay1', 'vipmesh network create --subnet 10.0.9.0/24 --internal backend', 'vipmesh network create --ipv6 --subnet fd00:9::/64 dual', 'vipmesh network create --opt encrypted secret'],
  async run(context, [name], { driver, subnet, gateway, ipv6, internal, opt, label }) {
    const [subnets, gateways] = [byFamily('--subnet', subnet ?? []), byFamily('--gateway', gateway ?? [])];
    const client = await context.client();
    const network = await client.createNetwork({
      name: name as string,
      driver,
      ipv6: ipv6 === true,
      internal: internal === true,
      labels: parseLabels(label ?? []),
      ...parseDriverOptions(opt ?? []),
      ...(subnets.ipv4 === undefined ? {} : { subnet: subnets.ipv4 }),
      ...(gateways.ipv4 === undefined ? {} : { gateway: gateways.ipv4 }),
      ...(subnets.ipv6 === undefined ? {} : { subnet6: subnets.ipv6 }),
      ...(gateways.ipv6 === undefined ? {} : { gateway6: gateways.ipv6 }),
    });
    context.write(`${network.id}\n`);
  },
});

const ls = command<ListingOptions>({
  name: 'ls',
  alias: 'list',
  purpose: 'List networks.',
  options: listingOptions,
  notes: FORMAT_NOTE,
  examples: ['vipmesh network ls', "vipmesh network ls --format '{{.Name}}\\t{{.Subnet}}'"],
  async run(context, _, options) {
    const print = await makePrinter(context, options);
    const networks = await (await context.client()).networks();
    print(networkView, networks.sort(byName(({ spec }) => spec.name)));
  },
});

const inspect = command<ListingOptions>({
  name: 'inspect',
  purpose: 'Show all that is known of networks.',
  args: [{ name: '<network...>', about: 'names or ids' }],
  options: inspectOptions,
  notes: FORMAT_NOTE,
  examples: ['vipmesh network inspect overlay1', "vipmesh network inspect --format '$.subnet' overlay1"],
  async run(context, [refs], options) {
    await printObjects(context, options, async () => {
      const client = await context.client();
      return Promise.all((refs as string[]).map(client.network));
    });
  },
});

const rm = command({
  name: 'rm',
  alias: 'remove',
  purpose: 'Remove networks that no service and no task uses.',
  args: [{ name: '<network...>', about: 'names or ids' }],
  examples: ['vipmesh network rm overlay1'],
  async run(context, [refs]) {
    const client = await context.client();
    await removeEach(context, refs as string[], client.removeNetwork);
  },
});

export const networkCommands: GroupSpec = { name: 'network', purpose: 'Manage overlay networks', commands: [create, ls, inspect, rm] };
