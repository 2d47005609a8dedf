/**
 * What requests must look like, beyond the specs themselves (overlay/model/validate): every complaint names the field,
 * and an unknown key is refused. Each function throws ValidationError.
 */
import {
  attachmentsSchema, check, commandSchema, dnsLabelSchema, envSchema, labelsSchema, networkSpecSchema, serviceSpecSchema,
  validateNetworkSpec, validateReplicas, validateServiceSpec, workdirSchema, z,
} from '../../overlay/model/validate.js';
import type { NetworkSpec, ServiceSpec } from '../../overlay/model/spec.js';
import type { ExecRequest, LogQuery, NodeUpdate, RunRequest, StackRequest } from '../control.js';

export const parseNetworkSpec = (body: unknown): NetworkSpec => validateNetworkSpec(body ?? {});
export const parseServiceSpec = (body: unknown): ServiceSpec => validateServiceSpec(body ?? {});

/** `{ "replicas": 3 }` */
export function parseScale(body: unknown): number {
  const { replicas } = check(z.strictObject({ replicas: z.unknown() }), body ?? {});
  return validateReplicas(replicas);
}

const extent = z.int().min(1).max(65535);

const execShape = {
  command: commandSchema,
  env: envSchema.exactOptional(),
  workdir: workdirSchema.exactOptional(),
  stdin: z.boolean().default(false),
  terminal: z.strictObject({ columns: extent, rows: extent }).exactOptional(),
};

const execSchema: z.ZodType<ExecRequest> = z.strictObject(execShape);
const runSchema: z.ZodType<RunRequest> = z.strictObject({
  ...execShape,
  name: dnsLabelSchema.exactOptional(),
  networks: attachmentsSchema.default([]),
  remove: z.boolean().default(false),
});

export const parseExecRequest = (body: unknown): ExecRequest => check(execSchema, body ?? {});
export const parseRunRequest = (body: unknown): RunRequest => check(runSchema, body ?? {});

const stackSchema: z.ZodType<StackRequest> = z.strictObject({
  networks: z.array(networkSpecSchema).default([]),
  services: z.array(serviceSpecSchema).default([]),
});

export const parseStackRequest = (body: unknown): StackRequest => check(stackSchema, body ?? {});

const nodeUpdateSchema: z.ZodType<NodeUpdate> = z.strictObject({
  availability: z.enum(['active', 'pause', 'drain']).exactOptional(),
  labelsAdd: labelsSchema.exactOptional(),
  labelsRemove: z.array(z.string()).exactOptional(),
});

export const parseNodeUpdate = (body: unknown): NodeUpdate => check(nodeUpdateSchema, body ?? {});

/** From a query string: `?force=true`. */
export function parseForce(query: unknown): boolean {
  return check(z.strictObject({ force: z.enum(['true', 'false']).default('false') }), query ?? {}).force === 'true';
}

const logSchema = z.strictObject({
  tail: z.string().regex(/^[0-9]{1,9}$/, 'is not a whole number of lines').transform(Number).exactOptional(),
  follow: z.enum(['true', 'false']).default('false'),
});

/** From a query string: `?tail=100&follow=true`. */
export function parseLogQuery(query: unknown): LogQuery {
  const { tail, follow } = check(logSchema, query ?? {});
  return { follow: follow === 'true', ...(tail === undefined ? {} : { tail }) };
}
