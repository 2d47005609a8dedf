import test from 'ava';
import type { OffloadBackend } from '../../../../agent/offload/backend.js';
import { Offloader } from '../../../../agent/offload/offloader.js';
import { silentLogger } from '../../../../agent/log.js';
import { projectSnapshot, type LiveTask, type World } from '../../../../agent/reconcile/project.js';
import { ownNamespace, type Namespace } from '../../../../kernel/netns/netns.js';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import { DEFAULT_DEPLOYMENT } from '../../../../overlay/model/updates.js';
import type { NetworkObject, ServiceObject } from '../../../../overlay/model/object.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { NotingDriver } from './noting-driver.js';

const when = '2026-01-01T00:00:00.000Z';
const overlay1: NetworkObject = {
  id: 'n1', spec: { name: 'overlay1', driver: 'overlay', ipv6: false, internal: false, labels: {} }, ingress: false, subnet: '10.0.1.0/24', gateway: '10.0.1.1', balancer: '10.0.1.250', vni: 4097, createdAt: when,
};
const vote: ServiceObject = {
  id: 's1',
  spec: {
    name: 'vote', labels: {}, task: { command: ['vote'], env: {}, stopGracePeriod: 10_000 }, networks: [{ network: 'overlay1', aliases: [] }], replicas: 2, endpointMode: 'vip', ports: [],
    restart: { condition: 'any', delay: 1000 }, balancing: DEFAULT_BALANCING, ...DEFAULT_DEPLOYMENT,
  },
  version: 1, vips: [{ networkId: 'n1', address: '10.0.1.2' }], ports: [], createdAt: when, updatedAt: when,
};

function live(slot: number): LiveTask {
  const task = {
    id: `t${slot}`, name: `vote.${slot}`, serviceId: 's1', slot, spec: vote.spec.task, version: 1, labels: {}, node: 'host1',
    addresses: [{ networkId: 'n1', address: `10.0.1.1${slot}`, interface: 'eth0' }],
    desired: 'running', status: { state: 'running', since: when, health: 'none' }, createdAt: when,
  } as const;
  return { task, phase: 'up', healthy: true, ready: true, listens: true, remote: false };
}

/** An agent after one that was killed, and the driver that knows what that one had installed. */
class Successor {
  readonly driver = new NotingDriver();
  readonly clock = new FakeClock();
  readonly namespace: Namespace = ownNamespace();
  readonly offloader: Offloader;
  changes = 0;
  /** Ends the trials of what this kernel can do. */
  tried: (backend: OffloadBackend) => void = () => undefined;

  constructor() {
    this.driver.left = [{ mark: 0x103, takes: true }];
    const backend = new Promise<OffloadBackend>((resolve) => (this.tried = resolve));
    this.offloader = new Offloader({
      settings: { mode: 'auto', driver: 'auto', after: 5000, markBase: 0x100 },
      backend: () => backend,
      dataplane: { opened: () => 0, silentFlows: () => [], refuse: () => Promise.resolve() },
      markOf: () => Promise.resolve(0x103),
      enter: ({ name }) => `enter ${name}`,
      leftovers: true,
      keepMarks: () => Promise.resolve(),
      onChange: () => void this.changes++,
      clock: this.clock,
      log: silentLogger,
    });
  }

  get works(): OffloadBackend {
    return { open: () => this.driver, schedulers: ['rr', 'wrr'] };
  }

  /** Whether the data plane is to hold segments of flows that it does not know. */
  get holds(): boolean {
    const world: World = { networks: [overlay1], services: [vote], live: [] };
    return this.offloader.note(projectSnapshot(world, 1, () => 0, 1500)).networks[0]?.services[0]?.offloaded === true;
  }

  sync(...slots: readonly number[]): Promise<void> {
    const world: World = { networks: [overlay1], services: [vote], live: slots.map(live) };
    return this.offloader.sync(world, projectSnapshot(world, 1, () => 0, 1500), new Map([['n1', { index: 0, namespace: this.namespace }]]));
  }
}

test('what an earlier agent handed over is shown as it is, not before it is known', async (t) => {
  const next = new Successor();
  const started = next.offloader.start();
  const listed = next.offloader.list();
  await next.sync(1, 2);
  t.deepEqual(next.driver.told, [], 'a pass does not wait for what the kernel can do');
  next.tried(next.works);
  await started;
  await next.sync(1, 2);
  t.like(await listed, { length: 1, 0: { service: 'vote', state: 'offloaded', driver: 'nft', mark: 0x103 } });
  next.offloader.close();
});

test('it follows the endpoints, and is put back, from the first pass on', async (t) => {
  const next = new Successor();
  next.tried(next.works);
  await next.offloader.start();
  await next.sync(1, 2);
  await next.sync(2);
  t.deepEqual(next.driver.told, ['set 259 take 10.0.1.11*1,10.0.1.12*1', 'end 259 10.0.1.11', 'set 259 take 10.0.1.12*1']);
  next.offloader.close();
});

test('as long as nobody knows what an earlier agent handed over, nothing of it is refused', async (t) => {
  const next = new Successor();
  t.true(next.holds, 'from the first snapshot on');
  const started = next.offloader.start();
  await next.sync(1, 2);
  t.deepEqual([next.holds, next.changes], [true, 0]);
  next.tried(next.works);
  await started;
  await next.sync(1, 2);
  t.true(next.holds, 'adopted');
  next.offloader.close();

  const none = new Successor();
  none.driver.left = [];
  none.tried(none.works);
  await none.offloader.start();
  await none.sync(1, 2);
  t.deepEqual([none.holds, none.changes], [false, 1], 'it had none, and the next pass says so');
  none.offloader.close();
});

test('whoever asks is answered, too, when the kernel can do nothing any more, and at the end of the agent', async (t) => {
  const next = new Successor();
  next.tried({ because: 'nft is not there' });
  await next.offloader.start();
  await next.sync(1, 2);
  t.like(await next.offloader.list(), { length: 1, 0: { state: 'userspace', reason: 'nft is not there' } });
  const closed = new Successor();
  const started = closed.offloader.start();
  const listed = closed.offloader.list();
  closed.offloader.close();
  t.deepEqual(await listed, []);
  closed.tried(closed.works);
  await started;
  await closed.sync(1, 2);
  t.deepEqual(closed.driver.told, [], 'nothing is begun after the end');
});
