/**
 * What can go wrong with what a user asks for: one class per cause, each with a stable `name`. A message names the cause
 * and, where there is one, the remedy. The agent maps `code` to its API; nothing here knows of HTTP.
 *
 * Two families need no class of their own at the caller: every ConflictError (something else has it, or still uses it)
 * and every ModelError.
 */

export type ModelErrorCode = 'invalid' | 'not-found' | 'conflict' | 'unavailable';

export abstract class ModelError extends Error {
  abstract readonly code: ModelErrorCode;
}

/** One thing wrong with an input. `path` is such as `ports[0].target`, or '' for the whole. */
export interface Issue {
  readonly path: string;
  /** A sentence by itself: field, value, remedy. */
  readonly message: string;
}

/** The input is wrong, however the system stands. */
export class ValidationError extends ModelError {
  override readonly name = 'ValidationError';
  readonly code = 'invalid';
  readonly issues: readonly Issue[];

  constructor(issues: readonly Issue[] | string) {
    const list = typeof issues === 'string' ? [{ path: '', message: issues }] : issues;
    super(list.map((issue) => issue.message).join('\n'));
    this.issues = list;
  }
}

export type ObjectKind = 'network' | 'service' | 'task' | 'node';

export class NotFoundError extends ModelError {
  override readonly name = 'NotFoundError';
  readonly code = 'not-found';
  constructor(
    readonly kind: ObjectKind,
    readonly ref: string,
  ) {
    super(`no ${kind} '${ref}'`);
  }
}

/** A task was asked for by the name of a service that has several, or none that lives. */
export class ServiceNotTaskError extends ModelError {
  override readonly name = 'ServiceNotTaskError';
  readonly code = 'not-found';
  constructor(
    readonly ref: string,
    /** Names of its tasks that have not ended. */
    readonly tasks: readonly string[],
  ) {
    super(`'${ref}' is a service${tasks.length === 0 ? ', and none of its tasks runs' : `: name one of its tasks: ${listed(tasks)}`}`);
  }
}

/** A reference that fits several objects. */
export class AmbiguousError extends ModelError {
  override readonly name = 'AmbiguousError';
  readonly code = 'conflict';
  constructor(
    readonly kind: ObjectKind,
    readonly ref: string,
    readonly candidates: readonly string[],
  ) {
    super(`'${ref}' fits ${candidates.length} ${kind}s: ${listed(candidates)}; use a longer id or the full name`);
  }
}

/** Something else already has what was asked for, or still uses what was to go. */
export abstract class ConflictError extends ModelError {
  readonly code = 'conflict';
}

export class NameTakenError extends ConflictError {
  override readonly name = 'NameTakenError';
  constructor(kind: ObjectKind, taken: string) {
    super(`a ${kind} named '${taken}' exists already: choose another name or remove that one first`);
  }
}

export class PortTakenError extends ConflictError {
  override readonly name = 'PortTakenError';
  constructor(
    port: string,
    readonly holder: string,
  ) {
    super(`port ${port} is already published by service '${holder}': publish another port, or on another address`);
  }
}

export class SubnetTakenError extends ConflictError {
  override readonly name = 'SubnetTakenError';
  constructor(subnet: string, other: string, holder: string) {
    super(`subnet ${subnet} overlaps ${other} of network '${holder}': choose another with --subnet, or leave it out`);
  }
}

/** An object that others use cannot be removed. */
export class InUseError extends ConflictError {
  override readonly name = 'InUseError';
  constructor(
    what: string,
    readonly users: readonly string[],
    remedy: string,
  ) {
    super(`${what} is in use by ${listed(users)}: ${remedy}`);
  }
}

/** A service that was never updated has no previous spec. */
export class NoPreviousSpecError extends ConflictError {
  override readonly name = 'NoPreviousSpecError';
  constructor(service: string) {
    super(`service '${service}' has not been updated: there is nothing to go back to`);
  }
}

/** A node that is up cannot be forgotten: it would say at once that it is there. */
export class NodeUpError extends ConflictError {
  override readonly name = 'NodeUpError';
  constructor(hostname: string) {
    super(`node '${hostname}' is up: stop its agent first (vipmesh down, on that host)`);
  }
}

/** What a node had on a network is another's by now. */
export class AddressesTakenError extends ConflictError {
  override readonly name = 'AddressesTakenError';
  constructor(network: string) {
    super(`this node's addresses on network '${network}' are another's by now`);
  }
}

/** A task that has ended stays ended: it is replaced by another, never run again. */
export class TaskEndedError extends ConflictError {
  override readonly name = 'TaskEndedError';
  constructor(task: string, state: string) {
    super(`task '${task}' has ended (${state}) and cannot change any more`);
  }
}

/** The ingress network carries published ports: it cannot be removed, nor joined by name. */
export class ReservedNetworkError extends ConflictError {
  override readonly name = 'ReservedNetworkError';
  constructor(action: string) {
    super(`the ingress network cannot be ${action}: it carries published ports, and services with such ports join it by themselves`);
  }
}

/** No free address, subnet, VNI or port is left. The message names the pool and its size. */
export class AddressPoolError extends ModelError {
  override readonly name = 'AddressPoolError';
  readonly code = 'unavailable';
}

/** The store changed under a transaction on every attempt. Nothing was written. */
export class ContentionError extends ModelError {
  override readonly name = 'ContentionError';
  readonly code = 'unavailable';
  constructor(attempts: number) {
    super(`the store changed under this request ${attempts} times in a row: try again`);
  }
}

/** `a, b and 3 more` */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, 10).join(', ');
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown;
}
