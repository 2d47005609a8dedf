/**
 * What every OffloadDriver must do, on a real kernel, beside a real userspace balancer. `offloadContract` runs all of it in
 * one process, in one sandbox, and gives each case the sandbox without the driver; on any test host (test/support/host.ts), or
 * in a guest of test/vm. What drivers differ in is DriverFacts.
 */
import assert from 'node:assert/strict';
import type { Namespace } from '../../kernel/netns/netns.js';
import { OffloadError, type OffloadDriver, type OffloadEndpoint, type OffloadPlan, type OffloadScheduler, type OffloadService, type OpenDriver } from '../../kernel/offload/driver.js';
import { BALANCER, CLIENTS, ENDPOINTS, OffloadNet, PATIENCE, PORT, PORT_VIP, SUBNET, VIP, type EndpointId } from '../support/offload-net.js';
import { pollUntil } from '../support/poll-until.js';

export interface DriverFacts {
  readonly open: OpenDriver;
  /** Those that it takes, rr among them. */
  readonly schedulers: readonly OffloadScheduler[];
  /** All that is installed in the sandbox by whomever, in so much detail that what is put in once more shows. */
  installed(namespace: Namespace): Promise<string>;
  /** What another tool does that flushes everything. */
  flush(namespace: Namespace): Promise<void>;
  /** Installs something of another tool, which has no effect on traffic. */
  installForeign(namespace: Namespace): Promise<void>;
  /** What is installed of that, as text. */
  foreign(namespace: Namespace): Promise<string>;
}

const MARK = 0x103;
const PORT_MARK = 0x104;
const TIMEOUTS = { established: 7440, closing: 240, udp: 300 };

type Weights = Partial<Record<EndpointId, number>>;

function endpoints(weights: Weights, port = 0): OffloadEndpoint[] {
  return Object.entries(weights).map(([id, weight]) => ({ address: ENDPOINTS[id as EndpointId], port, weight }));
}

function service(phase: OffloadService['phase'], weights: Weights, changes: Partial<OffloadService> = {}): OffloadService {
  return { mark: MARK, address: VIP, scheduler: 'rr', affinity: 0, maxConnections: 0, endpoints: endpoints(weights), phase, ...changes };
}

function plan(...services: readonly OffloadService[]): OffloadPlan {
  return { subnet: SUBNET, balancer: BALANCER, timeouts: TIMEOUTS, services };
}

const BOTH: Weights = { a: 1, b: 1 };

interface Case {
  readonly net: OffloadNet;
  readonly driver: OffloadDriver;
  readonly facts: DriverFacts;
  readonly sandbox: Namespace;
  /** Through `watch`, as the agent does it, and verified. */
  readonly take: (...services: readonly OffloadService[]) => Promise<void>;
}

type Check = (on: Case) => Promise<void>;

function count(order: string): Record<string, number> {
  return Object.fromEntries([...new Set(order)].sort().map((id) => [id, [...order].filter((one) => one === id).length]));
}

/** Whose flow it is, by the client's address and port. */
async function ownerOf({ net, driver }: Case, client: string): Promise<string> {
  const kernel = (await driver.flows()).some((flow) => flow.client === client);
  const userspace = net.dataplane.flows().some((flow) => flow.client === client && flow.protocol !== 'icmp');
  return [kernel ? 'kernel' : '', userspace ? 'userspace' : ''].filter((owner) => owner !== '').join(' and ') || 'nobody';
}

const addressOf = (localPort: number, client: keyof typeof CLIENTS = 'client'): string => `${CLIENTS[client]}:${localPort}`;

const checks: Record<string, Check> = {
  'watch takes nothing, take takes new flows in turn, and userspace sees no packet of them': async (on) => {
    const { net, driver } = on;
    assert.deepEqual(await driver.installed(), []);
    await driver.set(plan(service('watch', BOTH)));
    assert.deepEqual(await driver.installed(), [{ mark: MARK, takes: false }]);
    const watched = await net.connect();
    assert.equal(await ownerOf(on, addressOf(watched.localPort)), 'userspace');
    await watched.end();
    await driver.set(plan(service('take', BOTH)));
    assert.deepEqual(await driver.verify(), []);
    await net.connect().then((stream) => stream.end());
    const before = net.packets;
    const order = await net.picks(6);
    assert.ok(['ababab', 'bababa'].includes(order), order);
    const stream = await net.connect();
    await stream.exchange(300_000);
    assert.match(stream.seenAs, new RegExp(`^${BALANCER}:`), 'endpoints see the balancer');
    assert.equal(await ownerOf(on, addressOf(stream.localPort)), 'kernel');
    assert.equal(net.packets, before, 'packets that visited userspace');
    const hairpin = [await net.picks(1, { from: 'a' }), await net.picks(1, { from: 'a' })].sort().join('');
    assert.equal(hairpin, 'ab', 'a task reaches itself through the VIP as well');
  },

  'weights, and none for weight 0': async (on) => {
    const { net, driver, take, facts } = on;
    if (facts.schedulers.includes('wrr')) {
      await take(service('take', { a: 300, b: 100 }, { scheduler: 'wrr' }));
      assert.deepEqual(count(await net.picks(8)), { a: 6, b: 2 });
    }
    await take(service('take', BOTH));
    const streams = [await net.connect(), await net.connect()];
    const kept = streams.find(({ by }) => by === 'a') ?? assert.fail('none at a');
    kept.start();
    await driver.set(plan(service('take', { a: 0, b: 1 })));
    assert.equal(await net.picks(4), 'bbbb');
    await kept.flows();
    await kept.stop();
    await driver.set(plan(service('take', { a: 0, b: 0 })));
    assert.match(await net.picks(1), /[ab]/, 'with nobody to take them, new flows are for userspace to decide on');
  },

  'TCP streams before, during and after go on without a gap': async (on) => {
    const { net, driver } = on;
    const idle = await net.connect();
    const before = (await net.connect()).start();
    await before.flows();
    await driver.set(plan(service('watch', BOTH)));
    const watched = (await net.connect()).start();
    await driver.set(plan(service('take', BOTH)));
    const taken = (await net.connect()).start();
    for (const stream of [before, watched, taken]) await stream.flows();
    const owners = await Promise.all([before, watched, taken].map((stream) => ownerOf(on, addressOf(stream.localPort))));
    assert.deepEqual(owners, ['userspace', 'userspace', 'kernel']);
    await driver.set(plan(service('finish', BOTH)));
    const after = (await net.connect()).start();
    for (const stream of [before, watched, taken, after]) await stream.flows();
    assert.equal(await ownerOf(on, addressOf(after.localPort)), 'userspace');
    assert.equal(await ownerOf(on, addressOf(taken.localPort)), 'kernel');
    // To the kernel again, while it has a flow yet.
    await driver.set(plan(service('watch', BOTH)));
    await driver.set(plan(service('take', BOTH)));
    await idle.exchange();
    for (const stream of [before, watched, taken, after]) {
      await stream.flows();
      await stream.stop();
    }
    await driver.set(plan());
    assert.equal(await taken.breaks(), 'ECONNRESET', 'a service that is missing is gone with its flows');
    await before.exchange();
    assert.deepEqual(await driver.flows(), []);
  },

  'UDP flows stay with their endpoint, also those that were never answered': async (on) => {
    const { net, driver } = on;
    const [talks, quiet, idle, idleQuiet] = [0, 1, 2, 3].map(() => net.datagrams()) as [Datagrams, Datagrams, Datagrams, Datagrams];
    const at = [await talks.ask(), await quiet.tell(), await idle.ask(), await idleQuiet.tell()];
    await driver.set(plan(service('watch', BOTH)));
    assert.deepEqual([await talks.ask(), await quiet.tell()], at.slice(0, 2));
    await driver.keep(await net.userspaceFlows(talks.port, quiet.port, idle.port, idleQuiet.port));
    await driver.set(plan(service('take', BOTH)));
    const stay = async (when: string): Promise<void> => {
      // More than there are endpoints: one that had a turn each time would show.
      for (let i = 0; i < 3; i++) assert.deepEqual([await talks.ask(), await quiet.tell(), await idle.ask(), await idleQuiet.tell()], at, when);
    };
    await stay('taken');
    const [taken, takenQuiet] = [net.datagrams(), net.datagrams()];
    const takenAt = [await taken.ask(), await takenQuiet.tell()];
    const owners = await Promise.all([talks, quiet, idle, idleQuiet, taken, takenQuiet].map(({ port }) => ownerOf(on, addressOf(port))));
    assert.deepEqual(owners, ['userspace', 'userspace', 'userspace', 'userspace', 'kernel', 'kernel']);
    await driver.set(plan(service('finish', BOTH)));
    await stay('finishing');
    for (let i = 0; i < 3; i++) assert.deepEqual([await taken.ask(), await takenQuiet.tell()], takenAt, 'those of the kernel');
    const after = net.datagrams();
    await after.ask();
    assert.equal(await ownerOf(on, addressOf(after.port)), 'userspace');
  },

  'a port toward an endpoint that a silent flow of userspace has is not given away': async (on) => {
    const { net, driver } = on;
    await net.serve({ a: 1 });
    const silent = await net.connect();
    await driver.set(plan(service('watch', { a: 1 })));
    await driver.keep(await net.userspaceFlows(silent.localPort));
    await driver.set(plan(service('take', { a: 1 })));
    // Its own port is the same: without more, both would be one connection to the endpoint.
    const same = await net.connect({ from: 'other', localPort: silent.localPort });
    assert.equal(await ownerOf(on, addressOf(same.localPort, 'other')), 'kernel');
    assert.notEqual(same.seenAs, silent.seenAs);
    await same.exchange();
    await silent.exchange();
    await same.exchange();
  },

  'an endpoint comes and goes, and its flows are ended': async (on) => {
    const { net, driver, take } = on;
    await take(service('take', BOTH));
    const stay = (await net.connect()).start();
    await net.serve({ c: 1, a: 1, b: 1 });
    await driver.set(plan(service('take', { c: 1, a: 1, b: 1 })));
    assert.deepEqual(count(await net.picks(6)), { a: 2, b: 2, c: 2 });
    const three = [await net.connect(), await net.connect(), await net.connect()];
    const doomed = three.find(({ by }) => by === 'c') ?? assert.fail('none at c');
    const clients = [net.datagrams(), net.datagrams(), net.datagrams()];
    const heardBy = [];
    for (const client of clients) heardBy.push(await client.ask());
    const atC = clients[heardBy.indexOf('c')] ?? assert.fail('no datagram at c');

    const counted = (await driver.counts()).find(({ address }) => address === ENDPOINTS.c);
    assert.ok(counted && counted.mark === MARK && counted.flows >= 2, JSON.stringify(counted));
    await net.serve(BOTH);
    await driver.set(plan(service('take', { c: 0, a: 1, b: 1 })));
    const ended = await driver.end(MARK, { address: ENDPOINTS.c, port: 0 });
    for (const client of [addressOf(doomed.localPort), addressOf(atC.port)]) {
      const found = ended.find((flow) => flow.client === client) ?? assert.fail(`${client} is not among those that ended`);
      assert.deepEqual([found.mark, found.virtual, found.endpoint], [MARK, `${VIP}:${PORT}`, `${ENDPOINTS.c}:${PORT}`]);
    }
    await driver.set(plan(service('take', BOTH)));
    assert.equal(await doomed.breaks(), 'ECONNRESET');
    assert.match(await atC.ask(), /[ab]/, 'another endpoint');
    assert.deepEqual(count(await net.picks(4)), { a: 2, b: 2 });
    await stay.flows();
    await stay.stop();
    assert.equal((await driver.flows()).some((flow) => flow.endpoint.startsWith(`${ENDPOINTS.c}:`)), false);
  },

  'the flows of the kernel are listed': async (on) => {
    const { net, driver, take } = on;
    await take(service('take', BOTH));
    const stream = await net.connect();
    const client = net.datagrams();
    await stream.exchange();
    const by = await client.ask();
    const flows = await driver.flows();
    const tcp = flows.find((flow) => flow.client === addressOf(stream.localPort)) ?? assert.fail('the stream');
    assert.deepEqual(
      { ...tcp, expires: 0, bytes: 0 },
      { mark: MARK, protocol: 'tcp', client: tcp.client, virtual: `${VIP}:${PORT}`, endpoint: `${ENDPOINTS[stream.by as EndpointId]}:${PORT}`, seenAs: stream.seenAs, state: 'ESTABLISHED', expires: 0, bytes: 0 },
    );
    assert.ok(tcp.expires > TIMEOUTS.established - 600 && tcp.expires <= TIMEOUTS.established, `expires in ${tcp.expires} s`);
    const udp = flows.find((flow) => flow.client === addressOf(client.port)) ?? assert.fail('the datagrams');
    assert.deepEqual([udp.protocol, udp.endpoint, udp.state], ['udp', `${ENDPOINTS[by as EndpointId]}:${PORT}`, '']);
    assert.ok(udp.expires > TIMEOUTS.udp - 200 && udp.expires <= TIMEOUTS.udp, `expires in ${udp.expires} s`);
    assert.ok(driver.show(MARK).length > 0);
    assert.deepEqual(driver.show(PORT_MARK), []);
  },

  'the same plan changes nothing, nor does another driver that begins with it': async (on) => {
    const { net, driver, take, facts, sandbox } = on;
    await take(service('take', BOTH));
    const stream = (await net.connect()).start();
    const installed = await facts.installed(sandbox);
    await driver.set(plan(service('take', BOTH)));
    assert.equal(await facts.installed(sandbox), installed);
    const next = facts.open(sandbox);
    assert.deepEqual(await next.installed(), [{ mark: MARK, takes: true }]);
    await next.set(plan(service('take', BOTH)));
    assert.equal(await facts.installed(sandbox), installed);
    assert.deepEqual(await next.verify(), []);
    await stream.flows();
    // One that finds a service which is on its way back.
    await next.set(plan(service('finish', BOTH)));
    const later = facts.open(sandbox);
    assert.deepEqual(await later.installed(), [{ mark: MARK, takes: false }]);
    await later.set(plan(service('finish', BOTH)));
    assert.deepEqual(await later.verify(), []);
    assert.equal((await later.counts()).reduce((sum, { flows }) => sum + flows, 0), 1);
    await stream.flows();
    // One that finds a service that it does not want, and wants another.
    const last = facts.open(sandbox);
    await last.set(plan(service('take', BOTH, { mark: PORT_MARK, address: PORT_VIP })));
    assert.deepEqual(await last.verify(), []);
    await assert.rejects(stream.stop().then(() => stream.exchange()));
    assert.match(await net.picks(2, { address: PORT_VIP }), /ab|ba/);
  },

  'what was flushed is noticed and mended, and userspace serves meanwhile': async (on) => {
    const { net, driver, take, facts, sandbox } = on;
    await take(service('take', BOTH));
    await facts.flush(sandbox);
    assert.notDeepEqual(await driver.verify(), []);
    const meanwhile = await net.connect();
    assert.equal(await ownerOf(on, addressOf(meanwhile.localPort)), 'userspace');
    await driver.set(plan(service('take', BOTH)));
    assert.deepEqual(await driver.verify(), []);
    const again = await net.connect();
    assert.equal(await ownerOf(on, addressOf(again.localPort)), 'kernel');
    await again.exchange();
  },

  'a published port is mapped, beside others of its address': async (on) => {
    const { net, take } = on;
    const tcp = service('take', {}, { mark: PORT_MARK, address: PORT_VIP, port: { protocol: 'tcp', number: 8080 }, endpoints: endpoints(BOTH, PORT) });
    const udp = { ...tcp, mark: PORT_MARK + 1, port: { protocol: 'udp' as const, number: 5300 } };
    await take(tcp, udp);
    assert.match(await net.picks(2, { address: PORT_VIP, port: 8080 }), /ab|ba/);
    assert.match(await net.datagrams('client', PORT_VIP, 5300).ask(), /[ab]/);
    await assert.rejects(net.connect({ address: PORT_VIP, port: PORT }), { code: 'ECONNREFUSED' }, 'another port is userspace, which has nobody there');
  },

  'other tools keep what they installed, and nothing of ours is left': async (on) => {
    const { net, driver, take, facts, sandbox } = on;
    const clean = await facts.installed(sandbox);
    await facts.installForeign(sandbox);
    const foreign = await facts.foreign(sandbox);
    await take(service('take', BOTH));
    await driver.set(plan(service('finish', BOTH)));
    await driver.set(plan());
    assert.equal(await facts.foreign(sandbox), foreign);
    await take(service('take', BOTH), service('take', BOTH, { mark: PORT_MARK, address: PORT_VIP }));
    assert.notEqual(await facts.installed(sandbox), clean);
    const stream = await net.connect();
    await facts.open(sandbox).remove();
    await facts.open(sandbox).remove();
    assert.equal(await facts.foreign(sandbox), foreign);
    assert.equal(await stream.breaks(), 'ECONNRESET');
    const after = await net.connect();
    assert.equal(await ownerOf(on, addressOf(after.localPort)), 'userspace');
    await facts.flush(sandbox);
    await pollUntil('it is as it was', async () => (await facts.installed(sandbox)) === clean, PATIENCE);
  },

  'what cannot be taken is refused, with a reason': async (on) => {
    const { driver, facts } = on;
    for (const scheduler of ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh'] as const) {
      const one = service('watch', BOTH, { scheduler });
      const reason = driver.refuses(one);
      assert.equal(reason === undefined, facts.schedulers.includes(scheduler), `${scheduler}: ${reason}`);
      if (reason !== undefined) await assert.rejects(driver.set(plan(one)), OffloadError);
    }
  },
};

type Datagrams = ReturnType<OffloadNet['datagrams']>;

/** Names of all cases. */
export const CASES: readonly string[] = Object.keys(checks);

/** Runs all cases, or those whose name has `only` in it or is among them; rejects with all that failed. */
export async function offloadContract(facts: DriverFacts, only: string | readonly string[] = ''): Promise<void> {
  const net = await OffloadNet.create();
  const failures: string[] = [];
  try {
    for (const [name, check] of Object.entries(checks).filter(([title]) => (typeof only === 'string' ? title.includes(only) : only.includes(title)))) {
      const sandbox = net.sandbox.namespace;
      const driver = facts.open(sandbox);
      const take = async (...services: readonly OffloadService[]): Promise<void> => {
        await driver.set(plan(...services.map((one): OffloadService => ({ ...one, phase: 'watch' }))));
        await driver.set(plan(...services));
        assert.deepEqual(await driver.verify(), []);
      };
      const began = performance.now();
      try {
        await check({ net, driver, facts, sandbox, take });
        process.stdout.write(`${name}: ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
      } catch (error) {
        failures.push(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      }
      await net.rest();
      await facts.open(sandbox).remove();
    }
  } finally {
    await net.close();
  }
  assert.ok(failures.length === 0, failures.join('\n\n'));
}
