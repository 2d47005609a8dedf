/**
 * Tasks in the store: made with an address on each of their networks, marked as they go through their states, removed.
 * When a task ends its addresses are released in the same transaction; its record stays, for `service ps` and the logs.
 * Whoever runs tasks therefore takes a task's sandbox down before it marks the task as ended.
 */
import type { Context } from '../model/context.js';
import { timestamp } from '../model/context.js';
import { AddressPoolError, NameTakenError, NotFoundError, TaskEndedError } from '../model/errors.js';
import type { NetworkObject, ServiceObject, TaskAddress, TaskObject, TaskStatus } from '../model/object.js';
import type { Labels, NetworkAttachment, TaskSpec } from '../model/spec.js';
import { initialHealth, isEnded } from '../model/task-state.js';
import { allocateAddresses, releaseAddresses } from '../network/addresses.js';
import { needsIngress, resolveAttachments } from '../network/attachments.js';
import type { Owned } from '../store/keys.js';
import { nameKey, serviceKey, taskKey } from '../store/keys.js';
import type { Store } from '../store/store.js';
import type { Transaction } from '../store/transaction.js';
import { transact } from '../store/transaction.js';

/** Where a new task of a service is to be. */
export interface Place {
  /** 0 for a task of a global service, which is known by its node. */
  readonly slot: number;
  /** Host name of the node that is to run it. */
  readonly node: string;
}

/**
 * A new task of a service, `pending`, made from what the service says now. Throws NotFoundError, AddressPoolError.
 * @param slot as in Place @param node as in Place
 */
export async function createTask(store: Store, serviceId: string, slot: number, context: Context, node = context.node): Promise<TaskObject> {
  const [task] = await makeTasks(store, serviceId, [{ slot, node }], context);
  return task as TaskObject;
}

/**
 * Several, as createTask makes one, with few commits, since each costs the store a write to its disk. When one cannot be made, those
 * before it have been: throws then what createTask throws.
 */
export async function createTasks(store: Store, serviceId: string, places: readonly Place[], context: Context): Promise<void> {
  const networks = (await store.get<ServiceObject>(serviceKey(serviceId)))?.value.spec.networks.length ?? 0;
  // Each takes a key and, on each of its networks and on ingress, two addresses at most.
  const atOnce = Math.max(1, Math.floor(MAX_KEYS / (1 + 2 * (networks + 1))));
  for (let at = 0; at < places.length; at += atOnce) {
    const some = places.slice(at, at + atOnce);
    try {
      await makeTasks(store, serviceId, some, context);
    } catch (error) {
      if (!(error instanceof AddressPoolError) || some.length === 1) throw error;
      for (const place of some) await makeTasks(store, serviceId, [place], context);
    }
  }
}

/** Of tasks in one transaction, of which etcd takes 128 with all that goes with them. */
const MAX_KEYS = 100;

/** All or none. */
function makeTasks(store: Store, serviceId: string, places: readonly Place[], context: Context): Promise<TaskObject[]> {
  return transact(store, async (transaction) => {
    const service = await transaction.get<ServiceObject>(serviceKey(serviceId));
    if (!service) throw new NotFoundError('service', serviceId);
    const { spec, version } = service;
    const networks = await resolveAttachments(transaction, spec.networks, needsIngress(spec));
    const tasks: TaskObject[] = [];
    for (const { slot, node } of places) {
      const id = context.newId();
      const task = newTask(context, {
        id,
        name: `${spec.name}.${slot === 0 ? node : slot}.${id}`,
        node,
        serviceId,
        slot,
        version,
        spec: spec.task,
        labels: spec.labels,
        addresses: await joinAll(transaction, id, networks.map((network) => ({ network }))),
      });
      transaction.create(taskKey(id), task);
      tasks.push(task);
    }
    return tasks;
  });
}

export interface OneOff {
  /** Absent: `run.<id>`. */
  readonly name?: string;
  readonly task: TaskSpec;
  readonly networks: readonly NetworkAttachment[];
  readonly labels?: Labels;
  /** Forgotten when it ends, in the very commit that says so: whoever is killed then leaves no record behind. */
  readonly removeAtEnd?: boolean;
}

/** A task of no service. Throws NameTakenError (another one-off task has the name), NotFoundError, AddressPoolError. */
export function createOneOffTask(store: Store, oneOff: OneOff, context: Context): Promise<TaskObject> {
  return transact(store, async (transaction) => {
    const id = context.newId();
    if (oneOff.name !== undefined) {
      if ((await transaction.get(nameKey('task', oneOff.name))) !== undefined) throw new NameTakenError('task', oneOff.name);
      transaction.create(nameKey('task', oneOff.name), { owner: taskKey(id) } satisfies Owned);
    }
    const networks = await resolveAttachments(transaction, oneOff.networks, false);
    const task = newTask(context, {
      id,
      node: context.node,
      name: oneOff.name ?? `run.${id}`,
      slot: 0,
      version: 0,
      spec: oneOff.task,
      labels: oneOff.labels ?? {},
      ...(oneOff.removeAtEnd === true && { removeAtEnd: true }),
      addresses: await joinAll(transaction, id, networks.map((network, index) => ({ network, aliases: oneOff.networks[index]?.aliases ?? [] }))),
    });
    transaction.create(taskKey(id), task);
    return task;
  });
}

/**
 * Notes what is observed of a task. A new `state` begins now and forgets the earlier state's pid, exit code, message and
 * health unless they are given again (what has ended keeps its last health); in the same state, what is not given stays.
 * A task with `removeAtEnd` is forgotten when it ends. Throws NotFoundError, and TaskEndedError when the task has ended already.
 */
export function markTask(store: Store, id: string, observed: Partial<Omit<TaskStatus, 'since'>>, context: Context): Promise<TaskObject> {
  return transact(store, async (transaction) => {
    const old = await readTask(transaction, id);
    if (isEnded(old)) throw new TaskEndedError(old.name, old.status.state);
    const task: TaskObject = { ...old, status: nextStatus(old, observed, context) };
    if (isEnded(task) && task.removeAtEnd === true) await forget(transaction, old);
    else {
      transaction.put(taskKey(id), task);
      if (isEnded(task)) for (const address of task.addresses) releaseAddresses(transaction, address);
    }
    return task;
  });
}

/**
 * Asks for a task to stop. What has ended, or is asked already, stays as it is. Throws NotFoundError.
 * @param message why, where that is not seen by looking at the task
 */
export function stopTask(store: Store, id: string, message?: string): Promise<TaskObject> {
  return transact(store, async (transaction) => {
    const old = await readTask(transaction, id);
    if (isEnded(old) || old.desired === 'shutdown') return old;
    const task: TaskObject = { ...old, desired: 'shutdown', ...(message !== undefined && { status: { ...old.status, message } }) };
    transaction.put(taskKey(id), task);
    return task;
  });
}

/** Forgets a task and releases what it has; its process must be gone. A task that is not there is no error. */
export function removeTask(store: Store, id: string): Promise<void> {
  return transact(store, async (transaction) => {
    const task = await transaction.get<TaskObject>(taskKey(id));
    if (task) await forget(transaction, task);
  });
}

async function forget(transaction: Transaction, task: TaskObject): Promise<void> {
  const key = taskKey(task.id);
  // An ended task's addresses may be another's by now.
  if (!isEnded(task)) for (const address of task.addresses) releaseAddresses(transaction, address);
  if (task.serviceId === undefined && (await transaction.get<Owned>(nameKey('task', task.name)))?.owner === key) transaction.delete(nameKey('task', task.name));
  transaction.delete(key);
}

async function readTask(transaction: Transaction, id: string): Promise<TaskObject> {
  const task = await transaction.get<TaskObject>(taskKey(id));
  if (!task) throw new NotFoundError('task', id);
  return task;
}

type Made = Omit<TaskObject, 'desired' | 'status' | 'createdAt'>;

function newTask(context: Context, made: Made): TaskObject {
  const now = timestamp(context);
  return { ...made, desired: 'running', status: { state: 'pending', since: now, health: initialHealth(made.spec) }, createdAt: now };
}

/** eth0, eth1, … in the order of the networks. */
async function joinAll(transaction: Transaction, id: string, joins: readonly { network: NetworkObject; aliases?: readonly string[] }[]): Promise<TaskAddress[]> {
  const addresses: TaskAddress[] = [];
  for (const { network, aliases } of joins) {
    const allocated = await allocateAddresses(transaction, network, taskKey(id));
    addresses.push({ networkId: network.id, ...allocated, interface: `eth${addresses.length}`, ...(aliases === undefined ? {} : { aliases }) });
  }
  return addresses;
}

function nextStatus(task: TaskObject, observed: Partial<Omit<TaskStatus, 'since'>>, context: Context): TaskStatus {
  const { state = task.status.state } = observed;
  if (state === task.status.state) return { ...task.status, ...observed };
  const { pid, listens } = task.status;
  // Running and stopping are the same process, at the same health; what has ended had its health last.
  const sameProcess = (state === 'running' && task.status.state === 'starting') || state === 'stopping';
  const health = sameProcess || isEnded({ status: { ...task.status, state } }) ? task.status.health : initialHealth(task.spec);
  const carried = { health, ...(sameProcess && pid !== undefined && { pid }), ...(sameProcess && listens && { listens }) };
  return { ...carried, ...observed, state, since: timestamp(context) };
}
