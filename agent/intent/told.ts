/**
 * What users are told beside what they asked for: published ports that some node does not serve, and what was done before a failure.
 */
import type { NodeObject } from '../../overlay/model/object.js';
import type { ServiceSummary } from '../control.js';

/** Published ports of a service that some node does not serve. */
export function portProblemsOf(service: string, nodes: readonly NodeObject[]): NonNullable<ServiceSummary['portProblems']> {
  return nodes.flatMap(({ hostname, problems = [] }) => problems.flatMap(({ about, message, service: whose }) => (whose === service ? [{ node: hostname, port: about, message }] : [])));
}

/** The failure of a stack's deployment, which says too what of the stack was made before it. @param changes as of a StackResult */
export function withChanges(error: unknown, stack: string, changes: readonly string[]): unknown {
  const done = changes.filter((change) => !change.endsWith(' unchanged'));
  if (!(error instanceof Error) || done.length === 0) return error;
  error.message += `\nbefore that: ${done.join(', ')}; this stays: deploy again when the cause is mended, or remove it with 'vipmesh stack rm ${stack}'`;
  return error;
}
