/** What is decided about services is carried out, in the store. */
import test, { type ExecutionContext } from 'ava';
import { silentLogger } from '../../../../agent/log.js';
import { Mirror } from '../../../../agent/reconcile/mirror.js';
import { Orchestrator } from '../../../../agent/reconcile/orchestrator.js';
import type { ServiceObject, TaskObject } from '../../../../overlay/model/object.js';
import { parsePort } from '../../../../overlay/model/port.js';
import type { ServiceSpec } from '../../../../overlay/model/spec.js';
import { DEFAULT_UPDATE } from '../../../../overlay/model/updates.js';
import type { PlacementNode } from '../../../../overlay/service/placement.js';
import { createService, removeService, updateService } from '../../../../overlay/service/services.js';
import { markTask } from '../../../../overlay/service/tasks.js';
import type { Store } from '../../../../overlay/store/store.js';
import { pollUntil } from '../../../support/poll-until.js';
import { meshStore, serviceSpec, taskSpec, type TestContext } from '../../overlay/fixtures.js';
import { placementNode } from '../../overlay/service/small-world.js';

class Cluster {
  nodes: PlacementNode[] = [placementNode('a'), placementNode('b')];
  readonly mirror: Mirror;
  readonly orchestrator: Orchestrator;

  private constructor(
    readonly store: Store,
    readonly context: TestContext,
    t: ExecutionContext,
  ) {
    const following = new AbortController();
    this.mirror = new Mirror(store, context.clock, () => this.orchestrator.request(), (error) => t.fail(String(error)));
    this.orchestrator = new Orchestrator({ store }, this.mirror, { placementNodes: () => this.nodes }, context, silentLogger);
    t.teardown(async () => {
      following.abort();
      await this.orchestrator.close();
    });
    this.started = this.mirror.start(following.signal);
  }

  private readonly started: Promise<void>;

  static async start(t: ExecutionContext): Promise<Cluster> {
    const { store, context } = await meshStore(t);
    const cluster = new Cluster(store, context, t);
    await cluster.started;
    return cluster;
  }

  tasks(what: string, count: number, fits: (task: TaskObject) => boolean): Promise<TaskObject[]> {
    return pollUntil(what, () => {
      const found = [...this.mirror.tasks.values()].filter(fits);
      return Promise.resolve(found.length === count ? found.sort((a, b) => a.slot - b.slot) : undefined);
    });
  }

  service(what: string, id: string, fits: (service: ServiceObject) => boolean): Promise<ServiceObject> {
    return pollUntil(what, () => {
      const found = this.mirror.services.get(id);
      return Promise.resolve(found && fits(found) ? found : undefined);
    });
  }

  mark(task: TaskObject | undefined, state: 'running' | 'failed' | 'shutdown'): Promise<TaskObject> {
    return markTask(this.store, task?.id ?? '', { state }, this.context);
  }
}

const isPending = ({ status, desired }: TaskObject): boolean => status.state === 'pending' && desired === 'running';
const ROLLBACK: Partial<ServiceSpec> = { update: { ...DEFAULT_UPDATE, failureAction: 'rollback' } };
const other = { ...taskSpec, command: ['other'] };

test('tasks are made on the nodes that were chosen, and those of a node that is down are told why they are to stop', async (t) => {
  const cluster = await Cluster.start(t);
  const { store, context } = cluster;
  await createService(store, serviceSpec('vote', { replicas: 3 }), context);
  t.deepEqual((await cluster.tasks('three tasks', 3, isPending)).map(({ node }) => node), ['a', 'b', 'a']);
  cluster.nodes = [placementNode('a'), placementNode('b', { up: false, downSince: context.clock.wall() - 60_000 })];
  cluster.orchestrator.request();
  const [lost] = await cluster.tasks('one is told to stop', 1, ({ desired }) => desired === 'shutdown');
  t.like(lost, { node: 'b', slot: 2, status: { message: 'node b is down' } });
  t.true((await cluster.tasks('another is there', 3, isPending)).every(({ node }) => node === 'a'));
});

test('an update that fails is rolled back, and says why', async (t) => {
  const cluster = await Cluster.start(t);
  const { store, context } = cluster;
  const { id } = await createService(store, serviceSpec('vote', ROLLBACK), context);
  await cluster.mark((await cluster.tasks('a task', 1, isPending))[0], 'running');
  await updateService(store, id, serviceSpec('vote', { ...ROLLBACK, task: other }), context);
  await cluster.mark((await cluster.tasks('it is to stop', 1, ({ desired }) => desired === 'shutdown'))[0], 'shutdown');
  const [next] = await cluster.tasks('its successor', 1, isPending);
  await cluster.mark(next, 'failed');
  const back = await cluster.service('it is rolled back', id, ({ updateStatus }) => updateStatus?.state === 'rollback_started');
  t.deepEqual(back.spec.task, taskSpec);
  t.is(back.updateStatus?.message, `${next?.name} ended (failed)`);
});

test('one that cannot be rolled back is paused, and says why not', async (t) => {
  const cluster = await Cluster.start(t);
  const { store, context } = cluster;
  const { id } = await createService(store, serviceSpec('vote', { ...ROLLBACK, ports: [parsePort('8080:80')] }), context);
  await cluster.mark((await cluster.tasks('a task', 1, isPending))[0], 'running');
  await updateService(store, id, serviceSpec('vote', { ...ROLLBACK, task: other }), context);
  const thief = await createService(store, serviceSpec('thief', { ports: [parsePort('8080:80')], replicas: 0 }), context);
  await cluster.mark((await cluster.tasks('it is to stop', 1, ({ desired }) => desired === 'shutdown'))[0], 'shutdown');
  await cluster.mark((await cluster.tasks('its successor', 1, isPending))[0], 'failed');
  const { updateStatus, spec } = await cluster.service('it is paused', id, (service) => service.updateStatus?.state === 'paused');
  t.regex(updateStatus?.message ?? '', /^vote\.1\.\w+ ended \(failed\); it cannot be rolled back: port 8080\/tcp is already published by service 'thief'/);
  t.deepEqual(spec.task, other);
  await removeService(store, thief.id);
});
