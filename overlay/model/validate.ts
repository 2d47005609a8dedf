/**
 * Unknown JSON in, complete specs out: the one place where user input is checked and defaults are filled in. All problems
 * are collected into one ValidationError. The only file that imports zod; `z` and `check` are for others who validate
 * (the API's own requests), so that every complaint reads the same. Names are judged in names.ts, subnets in subnets.ts,
 * messages made in issues.ts. What only the store can know (taken names, free ports) is checked where it is allocated.
 */
import { z } from 'zod';
import { isIpv4 } from '../../proxy/net/addr.js';
import {
  AFFINITIES, conflicts, DEFAULT_BALANCING, LONGEST_AFFINITY, LONGEST_PERIOD, MAX_WEIGHT, OFFLOAD_MODES, PREFERENCES, SCHEDULERS, secondsProblem, TIMEOUT_RULES, timeoutProblem,
} from './balancing.js';
import { formatDuration, parseDuration } from './duration.js';
import type { Issue } from './errors.js';
import { ValidationError } from './errors.js';
import { describeIssue, pathText } from './issues.js';
import { labelProblem, networkNameProblem, networkRefProblem } from './names.js';
import { DEFAULT_PLACEMENT, formatConstraint, formatPreference, parseConstraint, parsePreference } from './placement.js';
import { formatPort, portsOverlap, proxyProtocolProblem } from './port.js';
import type { BalancingSpec, FlowTimeouts, NetworkAttachment, NetworkSpec, PlacementSpec, PortSpec, RollbackPolicy, ServiceSpec, TaskSpec, UpdatePolicy } from './spec.js';
import { gateway6Problem, gatewayProblem, subnet6Problem, subnetProblem, withoutIpv6 } from './subnets.js';
import { DEFAULT_ROLLBACK, DEFAULT_UPDATE, globalProblems, ROLLBACK_FAILURE_ACTIONS, SERVICE_MODES, UPDATE_FAILURE_ACTIONS, UPDATE_ORDERS } from './updates.js';

export { z };

/** For rules across fields: they run beside other problems too, so their values may be of any kind. */
const ALWAYS = { when: () => true };

export const MAX_REPLICAS = 1000;

/** Applies a schema. Throws a ValidationError with every problem, each message naming field, value and remedy. */
export function check<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const issues: Issue[] = result.error.issues.map((issue) => ({ path: pathText(issue.path), message: describeIssue(issue, input) }));
  throw new ValidationError(issues);
}

export function validateNetworkSpec(input: unknown): NetworkSpec {
  return check(networkSpecSchema, input);
}

export function validateServiceSpec(input: unknown): ServiceSpec {
  return check(serviceSpecSchema, input);
}

export function validateTaskSpec(input: unknown): TaskSpec {
  return check(taskSpecSchema, input);
}

/** 0 to 1000. Throws ValidationError. */
export function validateReplicas(input: unknown): number {
  return check(z.strictObject({ replicas: replicasSchema }), { replicas: input }).replicas;
}

/** A string that `problem` finds nothing wrong with. */
function textSchema(problem: (text: string) => string | undefined) {
  return z.string().superRefine((text, context) => {
    const message = problem(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
}

/** Milliseconds, or Docker's duration text. */
export function durationSchema(minimum = 0) {
  return z.union([z.number(), z.string()]).transform((value, context): number =>
    parsed(context, () => {
      const milliseconds = typeof value === 'number' ? value : parseDuration(value);
      if (Number.isSafeInteger(milliseconds) && milliseconds >= minimum) return milliseconds;
      throw new ValidationError(`${value} is not a duration of at least ${minimum} ms: use whole milliseconds, or text such as 10s`);
    }),
  );
}

/** Text that `parse` takes, in the form in which specs hold it. */
function canonicalSchema(parse: (text: string) => string) {
  return z.string().transform((text, context): string => parsed(context, () => parse(text)));
}

/** What a parser complains of is an issue. */
function parsed<T>(context: z.RefinementCtx, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
    return z.NEVER;
  }
}

/** The fields of what may not be an object at all. */
function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function itemsOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function noNul(text: string): string | undefined {
  return text.includes('\0') ? 'contains a NUL byte, which a process cannot be given: remove it' : undefined;
}

export const labelsSchema = z.record(z.string(), z.string());

/** A name of a service, a one-off task, or an alias. */
export const dnsLabelSchema = textSchema(labelProblem);

export const commandSchema = z
  .array(textSchema(noNul))
  .min(1, 'is empty: give the program to run and its arguments')
  .refine((command) => command[0] !== '', 'starts with an empty string: the first element is the program to run');

export const envSchema = z.record(z.string(), z.string()).superRefine((env, context) => {
  for (const [name, value] of Object.entries(fieldsOf(env))) {
    if (name === '' || name.includes('=') || name.includes('\0')) {
      context.addIssue({ code: 'custom', path: [name], message: `'${name.replaceAll('\0', '\\0')}' is not a variable's name: it must not be empty nor contain '=' or NUL` });
    } else if (typeof value === 'string' && value.includes('\0')) context.addIssue({ code: 'custom', path: [name], message: noNul(value) ?? '' });
  }
}, ALWAYS);

export const workdirSchema = textSchema((path) => (path.startsWith('/') ? noNul(path) : `'${path}' is not an absolute path: begin it with '/'`));

export const networkSpecSchema: z.ZodType<NetworkSpec> = z
  .strictObject({
    name: textSchema(networkNameProblem),
    driver: z.literal('overlay').default('overlay'),
    subnet: textSchema(subnetProblem).exactOptional(),
    gateway: z.string().exactOptional(),
    ipv6: z.boolean().default(false),
    subnet6: textSchema(subnet6Problem).exactOptional(),
    gateway6: z.string().exactOptional(),
    encrypted: z.boolean().exactOptional(),
    internal: z.boolean().default(false),
    labels: labelsSchema.default({}),
  })
  .superRefine((spec, context) => {
    const { gateway, subnet, ipv6, subnet6, gateway6 } = fieldsOf(spec);
    const complain = (field: string, message: string | undefined): void => {
      if (message !== undefined) context.addIssue({ code: 'custom', path: [field], message });
    };
    if (typeof gateway === 'string') complain('gateway', gatewayProblem(gateway, typeof subnet === 'string' ? subnet : undefined));
    if (ipv6 !== true) {
      if (typeof subnet6 === 'string') complain('subnet6', withoutIpv6(subnet6));
      else if (typeof gateway6 === 'string') complain('gateway6', withoutIpv6(gateway6));
    } else if (typeof gateway6 === 'string') complain('gateway6', gateway6Problem(gateway6, typeof subnet6 === 'string' ? subnet6 : undefined));
  }, ALWAYS);

const replicasSchema = z.int().min(0).max(MAX_REPLICAS);

export const healthCheckSchema = z.strictObject({
  command: commandSchema,
  interval: durationSchema(1).default(30_000),
  timeout: durationSchema(1).default(30_000),
  retries: z.int().min(1).default(3),
  startPeriod: durationSchema().default(0),
});

export const taskSpecSchema: z.ZodType<TaskSpec> = z.strictObject({
  command: commandSchema,
  env: envSchema.default({}),
  workdir: workdirSchema.exactOptional(),
  healthcheck: healthCheckSchema.exactOptional(),
  stopGracePeriod: durationSchema().default(10_000),
});

const attachmentSchema = z.strictObject({
  network: textSchema(networkRefProblem),
  aliases: z.array(dnsLabelSchema).default([]),
});

/** The networks of a service or a one-off task, each at most once. */
export const attachmentsSchema: z.ZodType<readonly NetworkAttachment[]> = z.array(attachmentSchema).superRefine((attachments, context) => {
  const networks = itemsOf(attachments).map((attachment) => fieldsOf(attachment)['network']);
  networks.forEach((network, index) => {
    if (typeof network !== 'string' || networks.indexOf(network) === index) return;
    context.addIssue({ code: 'custom', path: [index, 'network'], message: `'${network}' is named twice: name each network once` });
  });
}, ALWAYS);

const portNumberSchema = z.int().min(1).max(65535);

const portSchema = z
  .strictObject({
    published: portNumberSchema.exactOptional(),
    target: portNumberSchema,
    protocol: z.enum(['tcp', 'udp']).default('tcp'),
    mode: z.enum(['ingress', 'host']).default('ingress'),
    address: textSchema((text) => (isIpv4(text) ? undefined : `'${text}' is not an IPv4 address of this host, such as 127.0.0.1`)).exactOptional(),
    proxyProtocol: z.enum(['v2']).exactOptional(),
  })
  .superRefine((port, context) => {
    const message = proxyProtocolProblem(port);
    if (message !== undefined) context.addIssue({ code: 'custom', path: ['proxyProtocol'], message });
  })
  .transform(({ address, ...port }): PortSpec => (address === undefined || address === '0.0.0.0' ? port : { ...port, address }));

const portsSchema = z.array(portSchema).superRefine((ports, context) => {
  ports.forEach((port, index) => {
    const earlier = ports.slice(0, index).find((other) => portsOverlap(other, port));
    if (earlier) context.addIssue({ code: 'custom', path: [index], message: `${formatPort(port)} publishes the same port as ${formatPort(earlier)}: publish each port once` });
  });
});

const exposeSchema = z.array(z.strictObject({ port: portNumberSchema, protocol: z.enum(['tcp', 'udp']).default('tcp') })).superRefine((ports, context) => {
  ports.forEach(({ port, protocol }, index) => {
    if (!ports.slice(0, index).some((other) => other.port === port && other.protocol === protocol)) return;
    context.addIssue({ code: 'custom', path: [index], message: `${port}/${protocol} is named twice: name each port once` });
  });
});

const restartSchema = z.strictObject({
  condition: z.enum(['any', 'on-failure', 'none']).default('any'),
  delay: durationSchema().default(1000),
  maxAttempts: z.int().min(1).exactOptional(),
});

/** A duration that `problem` finds nothing wrong with. */
function boundedDuration(problem: (milliseconds: number) => string | undefined) {
  return durationSchema().superRefine((milliseconds, context) => {
    const message = problem(milliseconds);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
}

/** At most a day, and nothing that `problem` finds wrong. */
function period(problem: (milliseconds: number) => string | undefined = () => undefined) {
  return boundedDuration((milliseconds) =>
    milliseconds > LONGEST_PERIOD ? `${formatDuration(milliseconds)} is more than ${formatDuration(LONGEST_PERIOD)}: use ${formatDuration(LONGEST_PERIOD)} or less` : problem(milliseconds),
  );
}

function ejectForProblem(milliseconds: number): string | undefined {
  return milliseconds === 0 ? '0s is no time at all: to eject nothing, eject after 0 failures (--eject-after 0)' : undefined;
}

function affinityTimeoutProblem(milliseconds: number): string | undefined {
  if (milliseconds >= 1000 && milliseconds <= LONGEST_AFFINITY) return secondsProblem(milliseconds);
  return `${formatDuration(milliseconds)} is not from 1s to ${formatDuration(LONGEST_AFFINITY)}: choose a time in between`;
}

function timeoutSchema(name: keyof FlowTimeouts) {
  return boundedDuration((milliseconds) => timeoutProblem(name, milliseconds)).default(TIMEOUT_RULES[name].fallback);
}

const timeoutsSchema: z.ZodType<FlowTimeouts> = z.strictObject({
  established: timeoutSchema('established'),
  transitory: timeoutSchema('transitory'),
  closed: timeoutSchema('closed'),
  udp: timeoutSchema('udp'),
  icmp: timeoutSchema('icmp'),
});

const weightSchema = z.int().min(0).max(MAX_WEIGHT);

const slotWeightsSchema = z.record(z.string(), weightSchema).superRefine((weights, context) => {
  for (const slot of Object.keys(fieldsOf(weights))) {
    if (/^[1-9][0-9]{0,3}$/.test(slot) && Number(slot) <= MAX_REPLICAS) continue;
    context.addIssue({ code: 'custom', path: [slot], message: `'${slot}' is not the number of a replica: use 1 to ${MAX_REPLICAS}` });
  }
}, ALWAYS);

/** Counts of connections: no endpoint can have more flows than the largest flow table. */
const MAX_COUNT = 2 ** 24;

const balancingSchema: z.ZodType<BalancingSpec> = z.strictObject({
  scheduler: z.enum(SCHEDULERS).default(DEFAULT_BALANCING.scheduler),
  weight: weightSchema.default(DEFAULT_BALANCING.weight),
  slotWeights: slotWeightsSchema.default({}),
  affinity: z.enum(AFFINITIES).default(DEFAULT_BALANCING.affinity),
  affinityTimeout: boundedDuration(affinityTimeoutProblem).default(DEFAULT_BALANCING.affinityTimeout),
  prefer: z.enum(PREFERENCES).default(DEFAULT_BALANCING.prefer),
  slowStart: period().default(DEFAULT_BALANCING.slowStart),
  maxConns: z.int().min(0).max(MAX_COUNT).default(DEFAULT_BALANCING.maxConns),
  ejectAfter: z.int().min(0).max(MAX_COUNT).default(DEFAULT_BALANCING.ejectAfter),
  ejectFor: period(ejectForProblem).default(DEFAULT_BALANCING.ejectFor),
  timeouts: timeoutsSchema.default(DEFAULT_BALANCING.timeouts),
  drainTimeout: durationSchema().exactOptional(),
  offload: z.enum(OFFLOAD_MODES).exactOptional(),
});

/** Each once. */
function listOf(parse: (text: string) => string, what: string) {
  return z.array(canonicalSchema(parse)).superRefine((texts, context) => {
    const twice = texts.find((text, index) => texts.indexOf(text) !== index);
    if (twice !== undefined) context.addIssue({ code: 'custom', message: `${what} '${twice}' is given twice: give it once` });
  });
}

const placementSchema: z.ZodType<PlacementSpec> = z.strictObject({
  constraints: listOf((text) => formatConstraint(parseConstraint(text)), 'constraint').default([]),
  preferences: listOf((text) => formatPreference(parsePreference(text)), 'preference').default([]),
});

const policyShape = {
  parallelism: z.int().min(0).max(MAX_REPLICAS).default(DEFAULT_UPDATE.parallelism),
  delay: durationSchema().default(DEFAULT_UPDATE.delay),
  order: z.enum(UPDATE_ORDERS).default(DEFAULT_UPDATE.order),
  monitor: durationSchema().default(DEFAULT_UPDATE.monitor),
  maxFailureRatio: z.number().min(0).max(1).default(DEFAULT_UPDATE.maxFailureRatio),
};

const updateSchema: z.ZodType<UpdatePolicy> = z.strictObject({ ...policyShape, failureAction: z.enum(UPDATE_FAILURE_ACTIONS).default(DEFAULT_UPDATE.failureAction) });
const rollbackSchema: z.ZodType<RollbackPolicy> = z.strictObject({ ...policyShape, failureAction: z.enum(ROLLBACK_FAILURE_ACTIONS).default(DEFAULT_ROLLBACK.failureAction) });

export const serviceSpecSchema: z.ZodType<ServiceSpec> = z
  .strictObject({
    name: dnsLabelSchema,
    labels: labelsSchema.default({}),
    task: taskSpecSchema,
    networks: attachmentsSchema.default([]),
    mode: z.enum(SERVICE_MODES).default('replicated'),
    replicas: replicasSchema.default(1),
    placement: placementSchema.default(DEFAULT_PLACEMENT),
    update: updateSchema.default(DEFAULT_UPDATE),
    rollback: rollbackSchema.default(DEFAULT_ROLLBACK),
    endpointMode: z.enum(['vip', 'dnsrr']).default('vip'),
    ports: portsSchema.default([]),
    expose: exposeSchema.exactOptional(),
    restart: restartSchema.default({ condition: 'any', delay: 1000 }),
    balancing: balancingSchema.default(DEFAULT_BALANCING),
  })
  .superRefine(({ balancing, endpointMode, ports }, context) => {
    for (const { path, message } of conflicts(balancing, endpointMode, ports)) context.addIssue({ code: 'custom', path: ['balancing', path], message });
  })
  .superRefine((spec, context) => {
    for (const { path, message } of globalProblems(spec)) context.addIssue({ code: 'custom', path: path.split('.'), message });
  })
  .superRefine((spec, context) => {
    const { endpointMode, ports } = fieldsOf(spec);
    if (endpointMode !== 'dnsrr') return;
    itemsOf(ports).forEach((port, index) => {
      const { mode, target } = fieldsOf(port);
      if (mode !== 'ingress') return;
      const message = `target port ${String(target)} is published in mode ingress, which needs a virtual IP that endpoint mode dnsrr does not have: use mode=host, or endpoint mode vip`;
      context.addIssue({ code: 'custom', path: ['ports', index, 'mode'], message });
    });
  }, ALWAYS);
