/** `vipmesh service create` */
import { parseExposed, parsePort } from '../../../overlay/model/port.js';
import type { ExposedPort, NetworkAttachment, PortSpec } from '../../../overlay/model/spec.js';
import type { ServiceInput } from '../../api/inputs.js';
import { parseAttachment, parseLabels, parsePairs, withAliases } from '../../grammar/attachments.js';
import { command, UsageError } from '../command.js';
import { waitOptions } from '../values.js';
import type { WaitOptions } from '../values.js';
import { balancingOf, balancingOptions } from './balancing-options.js';
import type { BalancingOptions } from './balancing-options.js';
import { deploymentOf, placementOptions, policyOptions } from './deployment-options.js';
import type { DeploymentOptions } from './deployment-options.js';
import { commandWords, healthCheckOf, restartOf, taskOptions } from './service-options.js';
import type { TaskOptions } from './service-options.js';

export interface CreateOptions extends TaskOptions, BalancingOptions, DeploymentOptions, WaitOptions {
  readonly name?: string;
  readonly network?: readonly NetworkAttachment[];
  readonly publish?: readonly PortSpec[];
  readonly port?: readonly ExposedPort[];
  readonly env?: readonly string[];
  readonly label?: readonly string[];
  readonly alias?: readonly string[];
}

/** Pure. `environment` is where `--env KEY` without a value takes it from. Throws UsageError, ValidationError. */
export function createInput(options: CreateOptions, words: readonly string[], environment: Readonly<Record<string, string | undefined>>): ServiceInput {
  if (options.name === undefined) throw new UsageError('a service needs --name');
  if (words.length === 0) throw new UsageError('a service needs a command', "write it after '--', for example: -w /srv/www -- python3 -m http.server 80");
  const networks = options.network ?? [];
  if (options.alias !== undefined && networks.length === 0) throw new UsageError('--alias needs a --network to be an alias on');
  const healthcheck = healthCheckOf(options);
  const restart = restartOf(options);
  const { replicas, endpointMode, workdir, stopGracePeriod } = options;
  const balancing = balancingOf(options, replicas ?? 1);
  return {
    name: options.name,
    labels: parseLabels(options.label ?? []),
    task: {
      command: words,
      env: parsePairs(options.env ?? [], environment),
      ...(workdir === undefined ? {} : { workdir }),
      ...(healthcheck === undefined ? {} : { healthcheck }),
      ...(stopGracePeriod === undefined ? {} : { stopGracePeriod }),
    },
    networks: withAliases(networks, options.alias ?? []),
    ports: options.publish ?? [],
    ...(options.port === undefined ? {} : { expose: options.port }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(endpointMode === undefined ? {} : { endpointMode }),
    ...(restart === undefined ? {} : { restart }),
    ...(balancing === undefined ? {} : { balancing }),
    ...deploymentOf(options),
  };
}

export const serviceCreate = command<CreateOptions>({
  name: 'create',
  purpose: 'Create a service, print its id and wait until its tasks run.',
  args: [{ name: '[command...]', about: 'what each task runs, after --' }],
  passThrough: true,
  options: [
    { flags: '--name <name>', about: 'name of the service, also in DNS (required)' },
    { flags: '--network <network>', about: 'a network to attach to, or name=NETWORK,alias=NAME (repeatable)', many: true, parse: parseAttachment },
    { flags: '--alias <name>', about: 'a further DNS name on all of its networks (repeatable)', many: true },
    { flags: '-p, --publish <port>', about: 'HOST:TASK, as 8080:80, 5300:53/udp, 127.0.0.1:8080:80, or 80 for a free host port; or published=8080,target=80,protocol=tcp,mode=ingress|host; ,proxy-protocol=v2 tells tasks who the client is (repeatable)', many: true, parse: parsePort },
    { flags: '--port <port>', about: 'a port that its tasks listen to, as 8000 or 53/udp, beside those that are published: mode sockets has to know them, elsewhere a virtual address has every port (repeatable)', many: true, parse: parseExposed },
    { flags: '-e, --env <key=value>', about: 'a variable; KEY alone takes its value from your environment (repeatable)', many: true },
    { flags: '-l, --label <key=value>', about: 'a label (repeatable)', many: true },
    ...taskOptions(true),
    ...placementOptions,
    ...balancingOptions(true),
    ...policyOptions(true),
    ...waitOptions,
  ],
  notes: `A task is a process of this host, without an image: it sees the host's files with
the agent's rights, and starts in / unless -w says where.

In a cluster a task goes to a node that is up, active and fulfils all constraints:
to the one with the fewest tasks of this service, then with the fewest of all. Nodes
get labels by 'vipmesh node update --label-add'. With a --placement-pref its values
get as many tasks each, however many nodes they have.`,
  examples: [
    'vipmesh service create --name web --network overlay1 --replicas 3 -p 8080:80 -w /srv/www -- python3 -m http.server 80',
    'vipmesh service create --name api --network overlay1 --replicas 3 --scheduler wlc --endpoint-weight 1=5 --max-conns 200 -- /usr/bin/api',
    'vipmesh service create --name cache --network overlay1 --replicas 4 --constraint node.labels.disk==ssd --placement-pref spread=node.labels.zone -- /usr/bin/cache',
    'vipmesh service create --name probe --network overlay1 --mode global -- /usr/bin/probe',
    'vipmesh service create --name shop --network overlay1 --replicas 3 --update-order start-first --update-failure-action rollback -- /usr/bin/shop',
    "vipmesh service create --name db --network overlay1 --endpoint-mode dnsrr --health-cmd 'test -S /run/db.sock' -- /usr/bin/db",
  ],
  async run(context, [words], options) {
    const input = createInput(options, commandWords(words), context.env);
    const client = await context.client();
    const service = await client.createService(input);
    context.write(`${service.id}\n`);
    const { waitForServices } = await import('../wait.js');
    await waitForServices(context, client, [service.id], options);
  },
});
