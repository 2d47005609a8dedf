/** The options of `service create` and `service update` about balancing, and what they come to. */
import { OFFLOAD_MODES, PREFERENCES, SCHEDULERS, slotProblem } from '../../../overlay/model/balancing.js';
import { parseDuration } from '../../../overlay/model/duration.js';
import { ValidationError } from '../../../overlay/model/errors.js';
import type { BalancingSpec, FlowTimeouts, OffloadMode } from '../../../overlay/model/spec.js';
import type { BalancingInput } from '../../api/inputs.js';
import type { Affinity, Weight } from '../../grammar/balancing.js';
import { combineWeights, parseAffinity, parseTimeouts, parseWeight } from '../../grammar/balancing.js';
import { UsageError } from '../command.js';
import type { OptionSpec } from '../command.js';
import { wholeNumber } from '../values.js';

/** Names of options as the parser makes them. Durations are milliseconds. */
export interface BalancingOptions {
  readonly scheduler?: BalancingSpec['scheduler'];
  readonly endpointWeight?: readonly Weight[];
  readonly affinity?: Affinity;
  readonly prefer?: BalancingSpec['prefer'];
  readonly slowStart?: number;
  readonly maxConns?: number;
  readonly ejectAfter?: number;
  readonly ejectFor?: number;
  readonly flowTimeout?: readonly Partial<FlowTimeouts>[];
  readonly drainTimeout?: number | 'default';
  readonly offload?: OffloadMode | 'default';
}

function parseEjectFor(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === 0) throw new ValidationError(`'${text}' is no time at all: to eject nothing, use --eject-after 0`);
  return milliseconds;
}

const parseDrainTimeout = (text: string): number | 'default' => (text === 'default' ? text : parseDuration(text));

/** @param defaults whether the help shows what applies when an option is left out (not so for an update) */
export function balancingOptions(defaults: boolean): OptionSpec[] {
  const shown = (text: string): { shown?: string } => (defaults ? { shown: text } : {});
  return [
    { flags: '--scheduler <name>', about: 'rr: in turn; lc: least connections; wrr, wlc: the same by weight; sh, mh: by client address', choices: SCHEDULERS, ...shown('rr') },
    { flags: '--endpoint-weight <weight>', about: 'WEIGHT of every replica, or SLOT=WEIGHT of one; 0 to 65535, 0 takes no new flow (repeatable)', many: true, parse: parseWeight, ...shown('1') },
    { flags: '--affinity <kind>', about: 'none, or client-ip[,timeout=3h]: a client stays with its endpoint, until so long (1s to 24h) after its last flow began', parse: parseAffinity, ...shown('none') },
    { flags: '--prefer <which>', about: "local: this node's endpoints, as long as one of them takes flows", choices: PREFERENCES, ...shown('none') },
    { flags: '--slow-start <duration>', about: 'in which a new endpoint comes to its full share', parse: parseDuration, ...shown('0s') },
    { flags: '--max-conns <n>', about: 'flows that an endpoint may have at once, 0 for any number', parse: wholeNumber(0), ...shown('0') },
    { flags: '--eject-after <n>', about: 'connect failures in a row after which an endpoint gets no new flow for a while, 0 for never', parse: wholeNumber(0), ...shown('5') },
    { flags: '--eject-for <duration>', about: 'how long, times how often it was; up to 24h', parse: parseEjectFor, ...shown('30s') },
    {
      flags: '--flow-timeout <name=duration>',
      about: 'silence after which a flow ends: established=7440s, transitory=240s (both from 10s), closed=10s (from 1s), udp=300s (from 120s), icmp=60s (from 60s); up to 8000s (repeatable, or separated by commas)',
      many: true,
      parse: parseTimeouts,
    },
    {
      flags: '--drain-timeout <duration>',
      about: `how long the flows of a task may go on that is to stop, before it gets SIGTERM${defaults ? '' : '; default: the stop grace period'}`,
      parse: parseDrainTimeout,
      ...shown('the stop grace period'),
    },
    {
      flags: '--offload <mode>',
      about: "auto: the kernel balances it once its flows are stable; always: as soon as its endpoints are; never; default: as 'vipmesh up --offload' says",
      choices: [...OFFLOAD_MODES, 'default'],
      ...shown('default'),
    },
  ];
}

/**
 * What results from `before` and the options: undefined when neither says anything. Throws UsageError for the weight of a
 * replica that is not one of `replicas`.
 */
export function balancingOf(options: BalancingOptions, replicas: number, before?: BalancingSpec): BalancingInput | undefined {
  const { scheduler, endpointWeight = [], affinity, prefer, slowStart, maxConns, ejectAfter, ejectFor, flowTimeout = [], drainTimeout, offload } = options;
  const problem = slotProblem({ slotWeights: combineWeights(endpointWeight).slotWeights ?? {} }, replicas);
  if (problem !== undefined) throw new UsageError(`--endpoint-weight: ${problem}`);
  const changes: BalancingInput = {
    ...(scheduler === undefined ? {} : { scheduler }),
    ...combineWeights(endpointWeight, before),
    ...affinity,
    ...(prefer === undefined ? {} : { prefer }),
    ...(slowStart === undefined ? {} : { slowStart }),
    ...(maxConns === undefined ? {} : { maxConns }),
    ...(ejectAfter === undefined ? {} : { ejectAfter }),
    ...(ejectFor === undefined ? {} : { ejectFor }),
    ...(flowTimeout.length === 0 ? {} : { timeouts: Object.assign({}, before?.timeouts, ...flowTimeout) as Partial<FlowTimeouts> }),
    ...(typeof drainTimeout === 'number' ? { drainTimeout } : {}),
    ...(offload === undefined || offload === 'default' ? {} : { offload }),
  };
  const { drainTimeout: drainBefore, affinityTimeout, offload: offloadBefore, ...rest } = before ?? {};
  const kept: BalancingInput = {
    ...rest,
    // Without affinity its time-out means nothing: it is the default's again.
    ...(affinityTimeout === undefined || affinity?.affinity === 'none' ? {} : { affinityTimeout }),
    ...(drainBefore === undefined || drainTimeout === 'default' ? {} : { drainTimeout: drainBefore }),
    ...(offloadBefore === undefined || offload === 'default' ? {} : { offload: offloadBefore }),
  };
  const all = { ...kept, ...changes };
  return Object.keys(all).length === 0 ? undefined : all;
}
