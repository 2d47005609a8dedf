/** `vipmesh service update`: the whole new spec, computed from the present one. */
import { isDeepStrictEqual } from 'node:util';
import { formatPort, parseExposed, parsePort } from '../../../overlay/model/port.js';
import type { ExposedPort, NetworkAttachment, PortSpec, ServiceSpec } from '../../../overlay/model/spec.js';
import type { ServiceInput } from '../../api/inputs.js';
import { parseAttachment, parseLabels, parsePairs } from '../../grammar/attachments.js';
import { command, UsageError } from '../command.js';
import { CommandFailure } from '../context.js';
import { waitOptions } from '../values.js';
import type { WaitOptions } from '../values.js';
import { balancingOf, balancingOptions } from './balancing-options.js';
import type { BalancingOptions } from './balancing-options.js';
import { changedDeployment, placementChanges, policyOptions } from './deployment-options.js';
import type { DeploymentChanges } from './deployment-options.js';
import { commandWords, healthCheckOf, restartOf, taskOptions } from './service-options.js';
import type { TaskOptions } from './service-options.js';

export interface UpdateOptions extends TaskOptions, BalancingOptions, DeploymentChanges, WaitOptions {
  readonly resume?: boolean;
  readonly envAdd?: readonly string[];
  readonly envRm?: readonly string[];
  readonly publishAdd?: readonly PortSpec[];
  readonly publishRm?: readonly PortSpec[];
  readonly portAdd?: readonly ExposedPort[];
  readonly portRm?: readonly ExposedPort[];
  readonly networkAdd?: readonly NetworkAttachment[];
  readonly networkRm?: readonly string[];
  readonly labelAdd?: readonly string[];
  readonly labelRm?: readonly string[];
}

/** Pure. What is to be removed must be there: throws CommandFailure otherwise; UsageError for options that conflict. */
export function updatedInput(spec: ServiceSpec, options: UpdateOptions, words: readonly string[], environment: Readonly<Record<string, string | undefined>>): ServiceInput {
  const { healthcheck: before, ...task } = spec.task;
  const healthcheck = healthCheckOf(options, before);
  const { replicas, endpointMode, workdir, stopGracePeriod } = options;
  return {
    ...spec,
    labels: { ...without(spec.labels, options.labelRm ?? [], 'label'), ...parseLabels(options.labelAdd ?? []) },
    task: {
      ...task,
      env: { ...without(task.env, options.envRm ?? [], 'environment variable'), ...parsePairs(options.envAdd ?? [], environment) },
      ...(words.length === 0 ? {} : { command: words }),
      ...(workdir === undefined ? {} : { workdir }),
      ...(healthcheck === undefined ? {} : { healthcheck }),
      ...(stopGracePeriod === undefined ? {} : { stopGracePeriod }),
    },
    networks: changedNetworks(spec, options),
    ports: changedPorts(spec.ports, options),
    ...(options.portAdd || options.portRm ? { expose: changedExposed(spec.expose ?? [], options) } : {}),
    restart: restartOf(options, spec.restart) ?? spec.restart,
    balancing: balancingOf(options, replicas ?? spec.replicas, spec.balancing) ?? spec.balancing,
    ...changedDeployment(spec, options),
    ...(replicas === undefined ? {} : { replicas }),
    ...(endpointMode === undefined ? {} : { endpointMode }),
  };
}

function without(pairs: Readonly<Record<string, string>>, names: readonly string[], what: string): Record<string, string> {
  for (const name of names) if (!Object.hasOwn(pairs, name)) throw new CommandFailure(`the service has no ${what} '${name}'`);
  return Object.fromEntries(Object.entries(pairs).filter(([name]) => !names.includes(name)));
}

/** An attachment that is added again replaces the one there was: its aliases are the new ones. */
function changedNetworks(spec: ServiceSpec, { networkAdd = [], networkRm = [] }: UpdateOptions): NetworkAttachment[] {
  for (const name of networkRm) {
    if (!spec.networks.some(({ network }) => network === name)) throw new CommandFailure(`the service is not on network '${name}'`);
  }
  const gone = [...networkRm, ...networkAdd.map(({ network }) => network)];
  return [...spec.networks.filter(({ network }) => !gone.includes(network)), ...networkAdd];
}

/** `--publish-rm` names a port by its target (`80`, `53/udp`), and by its published port where one is given. */
function changedPorts(ports: readonly PortSpec[], { publishAdd = [], publishRm = [] }: UpdateOptions): PortSpec[] {
  let kept = [...ports];
  for (const wanted of publishRm) {
    const matches = (port: PortSpec): boolean =>
      port.target === wanted.target && port.protocol === wanted.protocol && (wanted.published === undefined || wanted.published === port.published);
    if (!kept.some(matches)) {
      const remedy = kept.length === 0 ? undefined : `it publishes ${kept.map(formatPort).join(', ')}; name a port by its target, the number after the colon`;
      throw new CommandFailure(`the service publishes no port ${formatPort(wanted)}`, remedy);
    }
    kept = kept.filter((port) => !matches(port));
  }
  return [...kept, ...publishAdd.filter((port) => !kept.some((other) => isDeepStrictEqual(other, port)))];
}

function changedExposed(ports: readonly ExposedPort[], { portAdd = [], portRm = [] }: UpdateOptions): ExposedPort[] {
  const missing = portRm.find((wanted) => !ports.some((port) => isDeepStrictEqual(port, wanted)));
  if (missing) throw new CommandFailure(`the service has no port ${missing.port}/${missing.protocol} that is not published`);
  const kept = ports.filter((port) => !portRm.some((other) => isDeepStrictEqual(other, port)));
  return [...kept, ...portAdd.filter((port) => !kept.some((other) => isDeepStrictEqual(other, port)))];
}

export const serviceUpdate = command<UpdateOptions>({
  name: 'update',
  purpose: 'Change a service. Its tasks are replaced, one after the other, when what they run has changed.',
  args: [
    { name: '<service>', about: 'name or id' },
    { name: '[command...]', about: 'a new command, after --' },
  ],
  options: [
    { flags: '--env-add <key=value>', about: 'add or change a variable (repeatable)', many: true },
    { flags: '--env-rm <key>', about: 'remove a variable (repeatable)', many: true },
    { flags: '--publish-add <port>', about: 'publish a port, as in service create (repeatable)', many: true, parse: parsePort },
    { flags: '--publish-rm <target>', about: 'no longer publish this port of the tasks: 80, 53/udp (repeatable)', many: true, parse: parsePort },
    { flags: '--port-add <port>', about: 'a further port that its tasks listen to, as --port of service create (repeatable)', many: true, parse: parseExposed },
    { flags: '--port-rm <port>', about: 'no longer name this one (repeatable)', many: true, parse: parseExposed },
    { flags: '--network-add <network>', about: 'attach to a network, or name=NETWORK,alias=NAME; a network it has gets the new aliases (repeatable)', many: true, parse: parseAttachment },
    { flags: '--network-rm <network>', about: 'leave a network (repeatable)', many: true },
    { flags: '--label-add <key=value>', about: 'add or change a label (repeatable)', many: true },
    { flags: '--label-rm <key>', about: 'remove a label (repeatable)', many: true },
    ...taskOptions(false),
    ...placementChanges,
    ...balancingOptions(false),
    ...policyOptions(false),
    { flags: '--resume', about: 'go on with an update that was paused' },
    ...waitOptions,
  ],
  notes: `A task is stopped, and drained first, before the one that replaces it starts.
Meanwhile new connections go to the other tasks. A service of one task takes none
until its flows have ended or --drain-timeout is over: scale it to 2 before, or use
--update-order start-first.

One that ends within the monitored time fails the update, which is then paused: mend
it with another update, or go back with 'vipmesh service rollback'. With
--update-failure-action rollback it goes back by itself.`,
  examples: ['vipmesh service update --env-add LEVEL=debug vote', 'vipmesh service update --publish-rm 80 --publish-add 9090:80 vote', 'vipmesh service update --endpoint-weight 2=0 vote', 'vipmesh service update --update-order start-first --update-parallelism 2 vote -- /usr/bin/vote --new'],
  async run(context, [ref, words], options) {
    const input = (spec: ServiceSpec): ServiceInput => updatedInput(spec, options, commandWords(words), context.env);
    if (Object.keys(options).every((name) => NOT_A_CHANGE.has(name)) && commandWords(words).length === 0 && options.healthcheck !== false) {
      throw new UsageError('nothing to change', "name what is to change, for example --replicas 3; see 'vipmesh service update --help'");
    }
    const client = await context.client();
    const before = await client.service(ref as string);
    const service = await client.updateService(before.id, input(before.spec));
    context.write(`${ref as string}\n`);
    const { waitForServices } = await import('../wait.js');
    await waitForServices(context, client, [service.id], options, new Map([[service.id, service.version]]));
  },
});

const NOT_A_CHANGE = new Set(['detach', 'timeout', 'socket', 'stateDir', 'healthcheck']);
