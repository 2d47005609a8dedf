import test from 'ava';
import type { Candidate } from '../../../../agent/offload/candidates.js';
import { SandboxOffload } from '../../../../agent/offload/sandbox-offload.js';
import { silentLogger } from '../../../../agent/log.js';
import { OffloadError, type KernelFlow } from '../../../../kernel/offload/driver.js';
import { formatIpv4, parseIpv4 } from '../../../../proxy/net/addr.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { NotingDriver } from './noting-driver.js';

const AFTER = 5000;
const BOTH = [1, 2];

function vote(endpoints: readonly number[], change: Partial<Candidate> = {}): Candidate {
  return {
    id: 'vote1',
    serviceId: 'vote1',
    service: 'vote',
    networkId: 'n1',
    mode: 'always',
    obstacle: undefined,
    vip: parseIpv4('10.0.1.2'),
    taking: endpoints.map((n) => `task${n}`),
    held: true,
    wanted: { address: '10.0.1.2', scheduler: 'rr', affinity: 0, maxConnections: 0, endpoints: endpoints.map((n) => ({ address: `10.0.1.1${n}`, port: 0, weight: 1 })) },
    ...change,
  };
}

class Sandbox {
  readonly driver = new NotingDriver();
  readonly clock = new FakeClock();
  readonly offload: SandboxOffload;
  /** Flows whose sides are to be told. */
  readonly ended: KernelFlow[] = [];
  /** What the data plane is to hold, whenever it changed. */
  readonly told: string[] = [];
  /** Milliseconds of silence of which userspace was asked for flows. */
  readonly silences: number[] = [];
  obstacle: string | undefined;
  markOf = (_serviceId: string): Promise<number> => Promise.resolve(0x103);

  constructor(leftovers = false) {
    const silent = { protocol: 'udp', client: '10.0.1.9', clientPort: 5000, virtual: '10.0.1.2', virtualPort: 53, endpoint: '10.0.1.11', endpointPort: 53, balancerPort: 5000 } as const;
    this.offload = new SandboxOffload(
      this.driver,
      { network: 'overlay1', subnet: '10.0.1.0/24', balancer: '10.0.1.250' },
      {
        userspace: { opened: () => 0, silentFlows: (_, silence) => Promise.resolve(void this.silences.push(silence)).then(() => [silent]), obstacle: () => this.obstacle },
        markOf: ({ id }) => this.markOf(id),
        leftovers, after: AFTER, markBase: 0x100, schedulers: ['rr', 'wrr'], clock: this.clock, log: silentLogger,
        onEnded: (flows) => {
          this.ended.push(...flows);
          return Promise.resolve();
        },
        onHeld: () => this.told.push([...this.offload.held].map(formatIpv4).join(' ')),
      },
    );
  }

  get state(): string | undefined {
    return this.offload.services[0]?.memory.state;
  }

  get reason(): string | undefined {
    return this.offload.services[0]?.memory.reason;
  }

  /** A second after the other. */
  async seconds(count: number): Promise<void> {
    for (let second = 0; second < count; second++) {
      this.clock.advance(1000);
      await this.offload.tick();
    }
  }

  static async offloaded(): Promise<Sandbox> {
    const sandbox = new Sandbox();
    await sandbox.offload.apply([vote(BOTH)]);
    await sandbox.seconds(7);
    sandbox.driver.told.length = 0;
    return sandbox;
  }
}

test('watched, then taken with the flows of userspace kept there; nothing is said twice', async (t) => {
  const sandbox = new Sandbox();
  await sandbox.offload.apply([vote(BOTH)]);
  await sandbox.seconds(4);
  t.deepEqual([sandbox.state, sandbox.driver.told], ['userspace', []]);
  await sandbox.seconds(1);
  t.deepEqual([sandbox.state, sandbox.driver.told], ['arming', ['set 259 watch 10.0.1.11*1,10.0.1.12*1']]);
  t.deepEqual(sandbox.offload.show('vote1'), ['# 259']);
  await sandbox.seconds(1);
  t.is(sandbox.state, 'offloaded');
  await sandbox.seconds(10);
  await sandbox.offload.apply([vote(BOTH)]);
  t.deepEqual(sandbox.driver.told, ['set 259 watch 10.0.1.11*1,10.0.1.12*1', 'keep 10.0.1.9 5000', 'set 259 take 10.0.1.11*1,10.0.1.12*1']);
});

test('flows are kept that said nothing since the kernel watches, however long it took to begin', async (t) => {
  const sandbox = new Sandbox();
  const { driver, clock, offload } = sandbox;
  const set = driver.set.bind(driver);
  driver.set = (plan) => {
    clock.advance(3000);
    return set(plan);
  };
  await offload.apply([vote(BOTH)]);
  await sandbox.seconds(5);
  t.is(sandbox.state, 'arming');
  clock.advance(100);
  await offload.tick();
  t.deepEqual([sandbox.state, sandbox.silences], ['offloaded', [100]]);
});

test('an endpoint that goes has its flows ended before the others are told', async (t) => {
  const { offload, driver } = await Sandbox.offloaded();
  const draining = vote([2], { wanted: { ...vote(BOTH).wanted, endpoints: [{ address: '10.0.1.11', port: 0, weight: 0 }, { address: '10.0.1.12', port: 0, weight: 1 }] } });
  await offload.apply([draining]);
  await offload.apply([vote([2])]);
  t.deepEqual(driver.told, ['set 259 take 10.0.1.11*0,10.0.1.12*1', 'end 259 10.0.1.11', 'set 259 take 10.0.1.12*1']);
});

test('taken back: what the kernel has goes on to its end, and then nothing is left', async (t) => {
  const sandbox = await Sandbox.offloaded();
  sandbox.driver.kernelCounts = [{ mark: 0x103, address: '10.0.1.11', port: 0, flows: 1, connections: 1, bytes: 0 }];
  await sandbox.offload.apply([vote(BOTH, { mode: 'never' })]);
  await sandbox.seconds(5);
  t.is(sandbox.state, 'draining');
  sandbox.driver.kernelCounts = [];
  await sandbox.seconds(1);
  t.deepEqual([sandbox.state, sandbox.driver.told], ['userspace', ['set 259 finish 10.0.1.11*1,10.0.1.12*1', 'connections 259', 'set', 'remove']]);
  t.deepEqual(sandbox.offload.show('vote1'), []);
});

test('a service that is removed is removed from the kernel', async (t) => {
  const { offload, driver, ended } = await Sandbox.offloaded();
  const flow = { mark: 0x103, protocol: 'tcp', client: '10.0.1.9:5000', virtual: '10.0.1.2:80', endpoint: '10.0.1.11:80', seenAs: '10.0.1.250:5000', state: 'ESTABLISHED', expires: 7000, bytes: 1 } as const;
  driver.established = [flow];
  await offload.apply([]);
  t.deepEqual(driver.told, ['connections 259', 'set', 'remove']);
  t.deepEqual(offload.services, []);
  t.deepEqual(ended, [flow], 'both sides are told when it is gone');
});

test('a service whose connections cannot be listed is removed all the same', async (t) => {
  const { offload, driver, ended } = await Sandbox.offloaded();
  driver.connections = () => Promise.reject(new OffloadError('conntrack is not installed'));
  await offload.apply([]);
  t.deepEqual([driver.told, ended], [['set', 'remove'], []]);
});

test('what somebody took away is put back, and is no reason to go', async (t) => {
  const sandbox = await Sandbox.offloaded();
  sandbox.driver.problems = ['the table vipmesh is gone'];
  await sandbox.seconds(2);
  t.deepEqual([sandbox.state, sandbox.driver.told], ['offloaded', ['set 259 take 10.0.1.11*1,10.0.1.12*1']]);
});

test('what cannot be put back is taken back to userspace, with its reason, and tried again later', async (t) => {
  const sandbox = await Sandbox.offloaded();
  sandbox.driver.problems = ['gone'];
  sandbox.driver.failure = new OffloadError('nft is not there', "install the package 'nftables'");
  await sandbox.seconds(2);
  t.deepEqual([sandbox.state, sandbox.reason], ['userspace', "nft is not there: install the package 'nftables'"]);
  sandbox.driver.failure = undefined;
  await sandbox.seconds(3);
  t.is(sandbox.state, 'userspace');
  await sandbox.seconds(5);
  t.is(sandbox.state, 'offloaded');
});

test('a scheduler that this kernel has not, and a mark that cannot be had', async (t) => {
  const sandbox = new Sandbox();
  await sandbox.offload.apply([vote(BOTH, { wanted: { ...vote(BOTH).wanted, scheduler: 'wlc' } })]);
  await sandbox.seconds(10);
  t.deepEqual([sandbox.state, sandbox.reason], ['userspace', 'this kernel has no scheduler wlc for nft']);

  const markless = new Sandbox();
  markless.markOf = () => Promise.reject(new Error('all are taken'));
  await markless.offload.apply([vote(BOTH)]);
  await markless.seconds(10);
  t.deepEqual([markless.state, markless.reason, markless.driver.told], ['userspace', 'it has no packet mark', []]);
});

test('what an earlier agent left is taken over; what nobody wants of it is taken away', async (t) => {
  const sandbox = new Sandbox(true);
  sandbox.driver.left = [{ mark: 0x103, takes: true }, { mark: 0x104, takes: true }];
  await sandbox.offload.apply([vote(BOTH)]);
  t.deepEqual([sandbox.state, sandbox.driver.told], ['offloaded', ['set 259 take 10.0.1.11*1,10.0.1.12*1']]);
  const unwanted = new Sandbox(true);
  unwanted.driver.left = [{ mark: 0x104, takes: true }];
  await unwanted.offload.apply([]);
  t.deepEqual(unwanted.driver.told, ['set', 'remove']);
});

test('the data plane is told before the kernel takes flows, and holds its tongue for some seconds after', async (t) => {
  const sandbox = new Sandbox();
  await sandbox.offload.apply([vote(BOTH, { held: false })]);
  await sandbox.seconds(10);
  t.deepEqual([sandbox.state, sandbox.told, sandbox.driver.told], ['arming', ['10.0.1.2'], ['set 259 watch 10.0.1.11*1,10.0.1.12*1']]);
  await sandbox.offload.apply([vote(BOTH)]);
  await sandbox.seconds(1);
  t.is(sandbox.state, 'offloaded');
  await sandbox.offload.apply([vote(BOTH, { mode: 'never' })]);
  await sandbox.seconds(1);
  t.is(sandbox.state, 'userspace');
  await sandbox.seconds(3);
  t.deepEqual(sandbox.told, ['10.0.1.2']);
  await sandbox.seconds(2);
  t.deepEqual(sandbox.told, ['10.0.1.2', '']);
});

test('of many services the driver is told the one that changed, and nothing when none did', async (t) => {
  const sandbox = new Sandbox();
  sandbox.markOf = (serviceId) => Promise.resolve(0x100 + Number(serviceId));
  const one = (id: number, endpoints: readonly number[]): Candidate => {
    const { wanted } = vote(endpoints);
    return vote(endpoints, { id: `${id}`, serviceId: `${id}`, wanted: { ...wanted, address: `10.0.1.${100 + id}` } });
  };
  const all = (changed?: Candidate): Candidate[] => [0, 1, 2].map((id) => (changed?.serviceId === `${id}` ? changed : one(id, BOTH)));
  await sandbox.offload.apply(all());
  await sandbox.seconds(7);
  t.deepEqual(sandbox.offload.services.map(({ memory }) => memory.state), ['offloaded', 'offloaded', 'offloaded']);
  sandbox.driver.noted.length = 0;
  await sandbox.offload.apply(all(one(1, [2])));
  await sandbox.offload.apply(all(one(1, [2])));
  await sandbox.offload.apply(all(one(1, [2])).slice(1));
  await sandbox.seconds(3);
  t.deepEqual(sandbox.driver.noted, [[0x101], [0x100]]);
  t.is(sandbox.offload.services.length, 2);
});

test('what an earlier agent was taking back goes on to its end', async (t) => {
  const sandbox = new Sandbox(true);
  sandbox.driver.left = [{ mark: 0x103, takes: false }];
  sandbox.driver.kernelCounts = [{ mark: 0x103, address: '10.0.1.11', port: 0, flows: 1, connections: 1, bytes: 0 }];
  await sandbox.offload.apply([vote(BOTH, { mode: 'never' })]);
  await sandbox.seconds(5);
  t.deepEqual([sandbox.state, sandbox.driver.told], ['draining', ['set 259 finish 10.0.1.11*1,10.0.1.12*1']]);
  sandbox.driver.kernelCounts = [];
  await sandbox.seconds(1);
  t.deepEqual([sandbox.state, sandbox.driver.told.slice(1)], ['userspace', ['connections 259', 'set', 'remove']]);
});

test('what a glance shows is put back at once; what could not be put back is not tried at every glance', async (t) => {
  const sandbox = await Sandbox.offloaded();
  await sandbox.offload.glance();
  t.deepEqual(sandbox.driver.told, []);
  sandbox.driver.problems = ['the table vipmesh is gone'];
  await sandbox.offload.glance();
  t.deepEqual([sandbox.state, sandbox.driver.told], ['offloaded', ['set 259 take 10.0.1.11*1,10.0.1.12*1']]);
  sandbox.driver.problems = ['gone', 'gone', 'gone', 'gone'];
  sandbox.driver.failure = new OffloadError('the kernel is busy');
  const looks = (): number => 4 - sandbox.driver.problems.length;
  sandbox.driver.verify = () => Promise.resolve(sandbox.driver.problems.splice(0, 1));
  await sandbox.offload.glance();
  await sandbox.offload.glance();
  t.is(looks(), 1);
});
