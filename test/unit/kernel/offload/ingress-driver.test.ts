import test from 'ava';
import type { Prolonged, Remembered } from '../../../../kernel/conntrack/netlink.js';
import type { InstalledService, KernelFlow, OffloadDriver, OffloadPlan, OffloadPort, OffloadService } from '../../../../kernel/offload/driver.js';
import { portText } from '../../../../kernel/offload/host-rules.js';
import { IngressDriver } from '../../../../kernel/offload/ingress-driver.js';

/** The sandbox's driver and the host, noting in one list what each is told. */
class World {
  readonly told: string[] = [];
  left: InstalledService[] = [];
  sent: OffloadPort[] = [];
  ended: KernelFlow[] = [];
  /** By protocol and client. */
  asked = new Map<string, string>();
  faults: string[] = [];
  forgets: number | undefined;
  tracked = 0;
  readonly sandbox: OffloadDriver = {
    name: 'nft',
    refuses: () => undefined,
    set: ({ services }) => this.#note(`sandbox ${services.map(({ mark, phase }) => `${mark} ${phase}`).join(', ')}`),
    touched: () => false,
    verify: () => Promise.resolve([]),
    keep: () => this.#note('sandbox keeps'),
    installed: () => Promise.resolve(this.left),
    flows: () => Promise.resolve([]),
    connections: (marks, most) => Promise.resolve(this.ended.filter(({ mark }) => marks.includes(mark)).slice(0, most)),
    counts: () => Promise.resolve([]),
    end: () => Promise.resolve(this.ended),
    show: (mark) => [`sandbox ${mark}`],
    remove: () => this.#note('sandbox removed'),
  };
  readonly driver = new IngressDriver(this.sandbox, {
    set: (ports) => this.#note(`host ${ports.map(portText).join(', ')}`),
    touched: () => false,
    verify: () => Promise.resolve(this.faults.splice(0)),
    sent: () => Promise.resolve(this.sent),
    remember: (entries) => this.#note(`host remembers ${entries.map(entryText).join(', ')}`),
    forgetsAfter: () => this.forgets,
    sandboxFlows: () => this.tracked,
    end: (clients) => this.#note(`host ends ${[...clients].join(', ')}`).then(() => this.asked),
    asked: (port, most) => this.#note(`host is asked about ${port}, ${most}`).then(() => this.asked),
    forget: (ports) => (ports.length === 0 ? Promise.resolve() : this.#note(`host forgets ${ports.map(portText).join(', ')}`)),
    show: (port) => [`host ${portText(port)}`],
    remove: () => this.#note('host removed'),
  });

  #note(line: string): Promise<void> {
    this.told.push(line.trim());
    return Promise.resolve();
  }

  async set(...services: OffloadService[]): Promise<string[]> {
    await this.driver.set(plan(services));
    return this.told.splice(0);
  }
}

function entryText(entry: Remembered | Prolonged): string {
  const [what, { source, sourcePort, destination, destinationPort }] = 'reply' in entry ? ['replies', entry.reply] : ['all', entry.original];
  return `${what} ${source}:${sourcePort} ${destination}:${destinationPort} ${entry.seconds}`;
}

function plan(services: readonly OffloadService[]): OffloadPlan {
  return { subnet: '10.0.0.0/24', balancer: '10.0.0.2', timeouts: { established: 7440, closing: 240, udp: 120 }, services };
}

function web(phase: OffloadService['phase'], number = 8080): OffloadService {
  return { mark: number, address: '10.0.0.2', port: { protocol: 'tcp', number }, scheduler: 'rr', affinity: 0, maxConnections: 0, phase, endpoints: [{ address: '10.0.0.5', port: 80, weight: 1 }] };
}

test('the sandbox takes first, then the host sends; the way back is the other way round', async (t) => {
  const world = new World();
  t.deepEqual(await world.set(web('watch')), ['sandbox 8080 watch', 'host']);
  t.deepEqual(await world.set(web('take')), ['sandbox 8080 take', 'host *:8080/tcp']);
  t.deepEqual(await world.set(web('finish')), ['host', 'sandbox 8080 finish', 'host']);
  t.deepEqual(await world.set(), ['sandbox', 'host removed', 'host forgets *:8080/tcp']);
});

test('of two ports only the one that goes is no longer sent', async (t) => {
  const world = new World();
  await world.set(web('take'), web('take', 8081));
  t.deepEqual(await world.set(web('take')), ['host *:8080/tcp', 'sandbox 8080 take', 'host *:8080/tcp', 'host forgets *:8081/tcp']);
});

test('what an earlier agent left is taken over as far as it is sent, and the rest is no longer sent before anything else', async (t) => {
  const world = new World();
  world.left = [{ mark: 8080, takes: true }];
  t.deepEqual(await world.driver.installed(), [{ mark: 8080, takes: true }], 'also when the host sends nothing: somebody may have flushed its rules');
  world.sent = [{ protocol: 'tcp', number: 8080 }, { protocol: 'tcp', number: 9 }];
  t.deepEqual(await world.driver.installed(), [{ mark: 8080, takes: true }]);
  t.deepEqual(await world.set(web('take')), ['host *:8080/tcp', 'sandbox 8080 take', 'host *:8080/tcp', 'host forgets *:9/tcp']);
});

test('after a fault the host is asked what it sends', async (t) => {
  const world = new World();
  await world.set(web('take'));
  world.faults = ['table ip vipmesh-ingress is gone'];
  t.deepEqual(await world.driver.verify(), ['table ip vipmesh-ingress is gone']);
  world.sent = [{ protocol: 'udp', number: 7 }];
  t.deepEqual(await world.set(web('take')), ['host', 'sandbox 8080 take', 'host *:8080/tcp']);
  t.deepEqual(await world.driver.verify(), []);
});

test('flows of the relay are kept on the host, and those of an endpoint that ended are forgotten there', async (t) => {
  const world = new World();
  await world.set(web('take'));
  await world.driver.keep([{ protocol: 'udp', client: '192.0.2.2', clientPort: 5000, virtual: '192.0.2.1', virtualPort: 53, endpoint: '10.0.0.5', endpointPort: 53, balancerPort: 0 }]);
  const session = { mark: 8080, protocol: 'udp', client: '192.0.2.2:5000', virtual: '10.0.0.2:53', endpoint: '10.0.0.5:53', seenAs: '10.0.0.2:5000', state: '', expires: 77, bytes: 0 } as const;
  await world.driver.prolong([session, { ...session, protocol: 'tcp' }]);
  world.ended = [{ mark: 8080, protocol: 'tcp', client: '192.0.2.2:5001', virtual: '10.0.0.2:8080', endpoint: '10.0.0.5:80', seenAs: '10.0.0.2:5000', state: 'ESTABLISHED', expires: 1, bytes: 0 }];
  world.asked.set('tcp 192.0.2.2:5001', '192.0.2.1:8080');
  t.deepEqual(await world.driver.end(8080, { address: '10.0.0.5', port: 80 }), [{ ...world.ended[0]!, asked: '192.0.2.1:8080' }]);
  t.deepEqual(world.told, ['host remembers all 192.0.2.2:5000 192.0.2.1:53 120', 'host remembers replies 10.0.0.2:53 192.0.2.2:5000 77', 'host ends tcp 192.0.2.2:5001']);
  t.deepEqual([world.driver.show(8080), world.driver.showHost(8080), world.driver.showHost(1)], [['sandbox 8080'], ['host *:8080/tcp'], []]);
});

test('whose connections a port has: as the sandbox says, and what they asked, as the host says', async (t) => {
  const world = new World();
  await world.set(web('take'), web('take', 8081));
  const flow = (mark: number, port: number): KernelFlow => ({ mark, protocol: 'tcp', client: `192.0.2.2:${port}`, virtual: `10.0.0.2:${mark}`, endpoint: '10.0.0.5:80', seenAs: `10.0.0.2:${port}`, state: 'ESTABLISHED', expires: 1, bytes: 0 });
  world.ended = [flow(8080, 5001), flow(8081, 5002), flow(8081, 5003)];
  world.asked = new Map([['tcp 192.0.2.2:5001', '192.0.2.1:8080']]);
  t.deepEqual(await world.driver.connections([8080, 8081, 9], 2), [{ ...flow(8080, 5001), asked: '192.0.2.1:8080' }, flow(8081, 5002)]);
  t.deepEqual(world.told, ['host is asked about 8080, 2', 'host is asked about 8081, 2']);
});

test('a host that forgets UDP flows sooner than userspace does is to be reminded', async (t) => {
  const world = new World();
  world.forgets = 30;
  t.is(world.driver.forgetsAfter(), undefined, 'nothing is sent yet');
  await world.set(web('take'));
  t.is(world.driver.forgetsAfter(), 30);
  world.forgets = 120;
  t.is(world.driver.forgetsAfter(), undefined);
  t.true(world.driver.hasFewFlows);
  world.tracked = 100_000;
  t.false(world.driver.hasFewFlows);
});
