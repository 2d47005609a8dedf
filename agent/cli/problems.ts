/**
 * What does not work of services, as lines beside a listing: on stderr, since what is on stdout is a table that scripts read. Why a service
 * has fewer tasks than it should is a row of `service ps`, where its tasks would be.
 */
import type { ServiceSummary, TaskSummary } from '../control.js';
import type { Context } from './context.js';
import type { ListingOptions } from './listing.js';

/** `service web: port 9000/tcp is not served on node host2: …` */
export function portLines(services: readonly Pick<ServiceSummary, 'spec' | 'portProblems'>[]): string[] {
  return services.flatMap(({ spec, portProblems = [] }) => portProblems.map(({ node, port, message }) => `service ${spec.name}: ${port} is not served on node ${node}: ${message}`));
}

/** `service web: no suitable node …` */
export function taskLines(services: readonly Pick<ServiceSummary, 'spec' | 'problem'>[]): string[] {
  return services.flatMap(({ spec, problem }) => (problem === undefined ? [] : [`service ${spec.name}: ${problem}`]));
}

/** Beside a table; what asks for JSON or a format has them in the objects. */
export function warnOf(context: Pick<Context, 'warn'>, options: ListingOptions, lines: readonly string[]): void {
  if (options.json === true || options.quiet === true || options.format !== undefined) return;
  for (const line of lines) context.warn(`vipmesh: ${line}\n`);
}

/** Why a service has fewer tasks than it should, in the shape of a task that waits: it has no id, no slot and no node. */
export function missingTasks(services: readonly ServiceSummary[], options: ListingOptions): TaskSummary[] {
  if (options.quiet === true) return [];
  return services.flatMap(({ id, spec, version, updatedAt, problem }): TaskSummary[] => {
    if (problem === undefined) return [];
    const status = { state: 'pending', since: updatedAt, health: 'none', message: problem } as const;
    return [{ id: '', name: spec.name, serviceId: id, slot: 0, spec: spec.task, version, labels: {}, node: '', addresses: [], desired: 'running', status, createdAt: updatedAt }];
  });
}
