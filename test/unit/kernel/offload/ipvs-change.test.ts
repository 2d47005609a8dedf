import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import type { OffloadEndpoint, OffloadPlan, OffloadService } from '../../../../kernel/offload/driver.js';
import { changedServices, faultsOf, incrementalChange, Uses, wholeChange, type Change } from '../../../../kernel/offload/ipvs-change.js';
import { blockOf, NEW } from '../../../../kernel/offload/ipvs-layout.js';
import { ModelKernel } from './model-kernel.js';

const BASE = { subnet: '10.0.1.0/24', balancer: '10.0.1.250', timeouts: { established: 7440, closing: 240, udp: 300 } };
const plan = (services: readonly OffloadService[]): OffloadPlan => ({ ...BASE, services });

const endpoint = (last: number, weight = 1): OffloadEndpoint => ({ address: `10.0.1.${last}`, port: 0, weight });
const service = (more: Partial<OffloadService> = {}): OffloadService => ({
  mark: 0x103,
  address: '10.0.1.2',
  scheduler: 'rr',
  affinity: 0,
  maxConnections: 0,
  endpoints: [endpoint(4), endpoint(5)],
  phase: 'take',
  ...more,
});

const endpoints = fc.uniqueArray(fc.record({ address: fc.integer({ min: 4, max: 9 }).map((last) => `10.0.1.${last}`), port: fc.constant(0), weight: fc.integer({ min: 0, max: 2 }) }), {
  selector: ({ address }) => address,
  maxLength: 5,
});

const services = fc.uniqueArray(
  fc.record({
    // Two blocks of marks, and VIPs that several services share.
    mark: fc.constantFrom(0x103, 0x104, 0x105, 0x201, 0x202),
    address: fc.constantFrom('10.0.1.2', '10.0.1.3'),
    port: fc.option(fc.record({ protocol: fc.constantFrom('tcp' as const, 'udp' as const), number: fc.constantFrom(80, 443) }), { nil: undefined }),
    scheduler: fc.constantFrom('rr' as const, 'sh' as const, 'mh' as const, 'wlc' as const),
    affinity: fc.constantFrom(0, 600),
    maxConnections: fc.constantFrom(0, 10),
    endpoints,
    phase: fc.constantFrom('watch' as const, 'take' as const, 'finish' as const),
  }).map(({ port, ...rest }): OffloadService => ({ ...rest, ...(port && { port }) })),
  { selector: ({ mark }) => mark, minLength: 1, maxLength: 5 },
);

/** No packet gets a mark that nobody takes: each mark that is set has a service, a routing rule and a route. */
function checkMarks(t: ExecutionContext, kernel: ModelKernel): void {
  for (const text of kernel.rules('mangle', NEW)) {
    const [, vip, mark] = /^-d (\S+)\/32 .*--set-xmark (0x[0-9a-f]+)\//.exec(text) ?? [];
    if (vip === undefined) continue;
    t.true(kernel.services.has(Number(mark)) && kernel.blocks.includes(blockOf(Number(mark))) && kernel.vips.has(vip), text);
  }
}

test('from any plan to any plan, by what was read back: what is there is the plan, and no mark is without its service', (t) => {
  fc.assert(
    fc.property(fc.array(services, { minLength: 1, maxLength: 5 }), (plans) => {
      const kernel = new ModelKernel();
      for (const one of plans) {
        kernel.apply(wholeChange(kernel.present, plan(one)), () => checkMarks(t, kernel));
        t.deepEqual(faultsOf(kernel.present, plan(one)), []);
      }
    }),
    { numRuns: 100 },
  );
});

test('from any plan to any plan, by the services that differ: the same', (t) => {
  fc.assert(
    fc.property(fc.array(services, { minLength: 2, maxLength: 6 }), ([first, ...more]) => {
      const kernel = new ModelKernel();
      kernel.apply(wholeChange(kernel.present, plan(first!)));
      const uses = Uses.of(first!);
      let before: readonly OffloadService[] = first!;
      for (const one of more) {
        kernel.apply(incrementalChange(changedServices(new Map(before.map((each) => [each.mark, each])), one), uses), () => checkMarks(t, kernel));
        t.deepEqual(faultsOf(kernel.present, plan(one)), []);
        before = one;
      }
    }),
    { numRuns: 100 },
  );
});

test('what is as it should be is not touched', (t) => {
  fc.assert(
    fc.property(services, (one) => {
      const kernel = new ModelKernel();
      kernel.apply(wholeChange(kernel.present, plan(one)));
      kernel.lines = 0;
      kernel.apply(wholeChange(kernel.present, plan(one)));
      kernel.apply(incrementalChange(changedServices(new Map(one.map((each) => [each.mark, each])), structuredClone(one)), Uses.of(one)));
      t.is(kernel.lines, 0);
    }),
    { numRuns: 100 },
  );
});

test('whatever is lost is missed, and made again', (t) => {
  const wanted = plan([service(), service({ mark: 0x104, address: '10.0.1.3', scheduler: 'sh' })]);
  const losses: readonly (readonly [string, (kernel: ModelKernel) => void])[] = [
    ['iptables -t mangle -F', (kernel) => kernel.tables.get('mangle')!.forEach((rules) => rules.splice(0))],
    ['iptables -t mangle -F; -X', (kernel) => void kernel.tables.delete('mangle')],
    ['iptables -t nat -F', (kernel) => kernel.tables.get('nat')!.forEach((rules) => rules.splice(0))],
    ['one rule', (kernel) => void kernel.rules('mangle', NEW).shift()],
    ['the rule that keeps marks', (kernel) => void kernel.rules('mangle', NEW).pop()],
    ['ipvsadm -C', (kernel) => kernel.services.clear()],
    ['one destination', (kernel) => void kernel.services.get(0x104)!.destinations.pop()],
    ['the order of destinations', (kernel) => void kernel.services.get(0x104)!.destinations.reverse()],
    ['ip route flush table 100', (kernel) => kernel.vips.clear()],
    ['ip rule del', (kernel) => void kernel.blocks.pop()],
    ['a rule too many', (kernel) => void kernel.blocks.push(0x700)],
  ];
  for (const [name, lose] of losses) {
    const kernel = new ModelKernel();
    kernel.apply(wholeChange(kernel.present, wanted));
    lose(kernel);
    t.not(faultsOf(kernel.present, wanted).length, 0, name);
    kernel.apply(wholeChange(kernel.present, wanted));
    t.deepEqual(faultsOf(kernel.present, wanted), [], name);
  }
});

const NOTHING: Change = { ipvsFirst: [], moves: false, routesFirst: [], tables: [{ table: 'mangle', lines: [] }], forget: [], routesLast: [], ipvsLast: [] };
const step = (before: OffloadService | undefined, after: OffloadService | undefined, ...others: OffloadService[]): Change =>
  incrementalChange([{ before, after }], Uses.of([...(before ? [before] : []), ...others]));

test('a service through its phases, as it is written', (t) => {
  const tcp = '-d 10.0.1.2/32 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j MARK --set-xmark 0x103/0xffffffff';
  const udp = '-d 10.0.1.2/32 -p udp -j MARK --set-xmark 0x103/0xffffffff';
  const [watch, take, finish] = (['watch', 'take', 'finish'] as const).map((phase) => service({ phase }));
  t.deepEqual(step(undefined, watch), {
    ...NOTHING,
    ipvsFirst: ['-A -f 259 -s rr', '-a -f 259 -r 10.0.1.5:0 -m -w 1', '-a -f 259 -r 10.0.1.4:0 -m -w 1'],
    routesFirst: ['rule add pref 50 fwmark 0x100/0xffffff00 lookup 100', 'route replace local 10.0.1.2/32 dev lo table 100'],
  });
  t.deepEqual(step(watch, take), { ...NOTHING, tables: [{ table: 'mangle', lines: [`-I VIPMESH-NEW 1 ${tcp}`, `-I VIPMESH-NEW 1 ${udp}`] }] });
  t.deepEqual(step(take, finish), { ...NOTHING, tables: [{ table: 'mangle', lines: [`-D VIPMESH-NEW ${tcp}`, `-D VIPMESH-NEW ${udp}`] }] });
  t.deepEqual(step(finish, undefined), {
    ...NOTHING,
    forget: [0x103],
    routesLast: ['route del local 10.0.1.2/32 dev lo table 100', 'rule del pref 50 fwmark 0x100/0xffffff00 lookup 100'],
    ipvsLast: ['-D -f 259'],
  });
});

test('where no endpoint takes a flow, no flow is marked: userspace answers', (t) => {
  const drained = service({ endpoints: [endpoint(4, 0), endpoint(5, 0)] });
  t.deepEqual(step(service(), drained).tables[0]!.lines.map((line) => line.slice(0, 14)), ['-D VIPMESH-NEW', '-D VIPMESH-NEW']);
  t.deepEqual(step(undefined, service({ endpoints: [] })).tables, NOTHING.tables);
});

test('a published port, of TCP, to another port of the endpoint', (t) => {
  const published = service({ port: { protocol: 'tcp', number: 8080 }, endpoints: [{ address: '10.0.1.4', port: 80, weight: 2 }], maxConnections: 9 });
  t.deepEqual(step(undefined, published).ipvsFirst, ['-A -f 259 -s rr', '-a -f 259 -r 10.0.1.4:80 -m -w 2 -x 9 -y 9']);
  t.deepEqual(step(undefined, published).tables, [
    {
      table: 'mangle',
      lines: ['-I VIPMESH-NEW 1 -d 10.0.1.2/32 -p tcp -m tcp --dport 8080 --tcp-flags FIN,SYN,RST,ACK SYN -j MARK --set-xmark 0x103/0xffffffff'],
    },
  ]);
});

test('a route and a routing rule stay for as long as another service uses them', (t) => {
  const other = service({ mark: 0x104, port: { protocol: 'udp', number: 53 } });
  t.deepEqual(step(service(), undefined, other).routesLast, []);
  t.deepEqual(step(undefined, other, service()).routesFirst, []);
});

test('one endpoint more costs one line, with 10 services and with 10,000', (t) => {
  for (const count of [10, 10_000]) {
    const all = Array.from({ length: count }, (_, i) => service({ mark: 0x100 + i, address: `10.${i >> 14}.${(i >> 6) & 255}.${i & 63}` }));
    const changed = all.map((one, i) => (i === 3 ? { ...one, endpoints: [endpoint(9), ...one.endpoints] } : one));
    const changes = changedServices(new Map(all.map((one) => [one.mark, one])), changed);
    t.is(changes.length, 1);
    t.deepEqual(incrementalChange(changes, Uses.of(all)), { ...NOTHING, ipvsFirst: ['-a -f 259 -r 10.0.1.9:0 -m -w 1'] });
  }
});
