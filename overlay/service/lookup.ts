/**
 * From what a user types to the object meant: an id, a name, a service's name within its stack, or the beginning of an id
 * (4 digits or more), tried in this order. A task that lives is found by SERVICE.SLOT as well. What fits several objects is
 * an error that names them.
 */
import { AmbiguousError, NotFoundError, ServiceNotTaskError } from '../model/errors.js';
import type { ObjectKind } from '../model/errors.js';
import type { NetworkObject, ServiceObject, TaskObject } from '../model/object.js';
import { STACK_SERVICE_LABEL } from '../model/spec.js';
import { isEnded } from '../model/task-state.js';
import { NETWORKS, SERVICES, TASKS } from '../store/keys.js';
import type { Store } from '../store/store.js';

const ID_PREFIX = /^[0-9a-f]{4,}$/;

interface Candidate {
  readonly id: string;
  readonly name: string;
  /** A name that others may have as well. */
  readonly shortName?: string | undefined;
}

/** Throws NotFoundError, AmbiguousError. */
export async function findNetwork(store: Pick<Store, 'list'>, ref: string): Promise<NetworkObject> {
  const networks = await listObjects<NetworkObject>(store, NETWORKS);
  return resolve('network', ref, networks, ({ id, spec }) => ({ id, name: spec.name }));
}

/** Throws NotFoundError, AmbiguousError. */
export async function findService(store: Pick<Store, 'list'>, ref: string): Promise<ServiceObject> {
  const services = await listObjects<ServiceObject>(store, SERVICES);
  return resolve('service', ref, services, ({ id, spec }) => ({ id, name: spec.name, shortName: spec.labels[STACK_SERVICE_LABEL] }));
}

/** Throws NotFoundError, AmbiguousError, and ServiceNotTaskError for the name of a service. */
export async function findTask(store: Pick<Store, 'list'>, ref: string): Promise<TaskObject> {
  const tasks = await listObjects<TaskObject>(store, TASKS);
  try {
    return resolve('task', ref, tasks, ({ id, name }) => ({ id, name }));
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
  }
  const live = tasks.filter((task) => !isEnded(task));
  const inSlot = live.filter((task) => slotNames(task).includes(ref));
  if (inSlot.length > 0) return resolve('task', ref, inSlot, ({ id, name }) => ({ id, name, shortName: ref }));
  const service = await findService(store, ref).catch((error: unknown) => {
    if (error instanceof NotFoundError || error instanceof AmbiguousError) return undefined;
    throw error;
  });
  if (service === undefined) throw new NotFoundError('task', ref);
  throw new ServiceNotTaskError(ref, live.filter(({ serviceId }) => serviceId === service.id).map(({ name }) => name).sort());
}

/** `vote.2` of `vote.2.<id>`, `vote.<node>` where it is global, and the same by the service's name within its stack. None for a one-off task. */
function slotNames({ id, name, serviceId, slot, node, labels }: TaskObject): string[] {
  if (serviceId === undefined) return [];
  const short = labels[STACK_SERVICE_LABEL];
  return [name.slice(0, -`.${id}`.length), ...(short === undefined ? [] : [`${short}.${slot === 0 ? node : slot}`])];
}

/** Every object whose key begins with `prefix` (NETWORKS, SERVICES, TASKS, NODES), in the order of their ids. */
export async function listObjects<T>(store: Pick<Store, 'list'>, prefix: string): Promise<T[]> {
  return (await store.list<T>(prefix)).entries.map(({ value }) => value);
}

/** The choice by itself. Throws NotFoundError, AmbiguousError. */
export function resolve<T>(kind: ObjectKind, ref: string, objects: readonly T[], describe: (object: T) => Candidate): T {
  const fits: ((candidate: Candidate) => boolean)[] = [
    ({ id }) => id === ref,
    ({ name }) => name === ref,
    ({ shortName }) => shortName === ref,
    ({ id }) => ID_PREFIX.test(ref) && id.startsWith(ref),
  ];
  for (const fit of fits) {
    const found = objects.filter((object) => fit(describe(object)));
    const [only] = found;
    if (found.length > 1) throw new AmbiguousError(kind, ref, found.map(describe).map(({ id, name }) => `${name} (${id})`));
    if (only !== undefined) return only;
  }
  throw new NotFoundError(kind, ref);
}
