import test from 'ava';
import { batchText } from '../../../../kernel/nftables/render.js';
import { diffTables } from '../../../../kernel/nftables/diff.js';
import type { OffloadService } from '../../../../kernel/offload/driver.js';
import { baseChains, conntrackMarks, marksOf, refusal, servicePart, serviceMark, tableOf, takenMarks } from '../../../../kernel/offload/nft-layout.js';
import { settingsOf } from '../../../../kernel/offload/nft-settings.js';
import { turnsOf } from '../../../../kernel/offload/nft-turns.js';

const [A, B] = ['10.0.1.5', '10.0.1.6'];
const SERVICE: OffloadService = {
  mark: 0x103,
  address: '10.0.1.2',
  scheduler: 'wrr',
  affinity: 0,
  maxConnections: 0,
  endpoints: [
    { address: A, port: 0, weight: 200 },
    { address: B, port: 0, weight: 100 },
  ],
  phase: 'take',
};
const BASE = baseChains({ subnet: '10.0.1.0/24', balancer: '10.0.1.250' }, 0x100);

test('turns: one each, or as ip_vs_wrr walks', (t) => {
  t.deepEqual(turnsOf([5, 0, 1], false, 9), [0, 2]);
  t.deepEqual(turnsOf([400, 300, 0, 200], true, 9), [0, 0, 1, 0, 1, 3, 0, 1, 3]);
  t.deepEqual(turnsOf([7, 7], true, 2), [0, 1]);
  t.deepEqual(turnsOf([0, 0], true, 9), []);
  t.deepEqual(turnsOf([], false, 9), []);
  t.throws(() => turnsOf([65535, 65534], true, 4096), { instanceOf: RangeError });
});

test('a mark that another tool has set leads nowhere: whoever has one is let by before any service is asked', (t) => {
  const rules = new Map(BASE).get('prerouting')?.rules ?? [];
  const at = rules.indexOf('ct mark != 0 accept');
  t.deepEqual(rules.slice(at), ['ct mark != 0 accept', 'ip daddr vmap @addresses', 'ip daddr . meta l4proto . th dport vmap @ports', 'dnat to ct mark map @endpoints', 'meta l4proto { tcp, udp } dnat ip addr . port to ct mark map @endpoint-ports']);
  t.deepEqual(rules.slice(0, at), ['ct status confirmed accept', 'meta l4proto != { tcp, udp } accept', 'tcp flags & (fin | syn | rst | ack) != syn accept']);
});

test('a service is a chain with one rule, and elements', (t) => {
  t.deepEqual(servicePart(SERVICE), {
    chain: ['service-0x103', { rules: ['ct mark set numgen inc mod 3 offset 0x103000'] }],
    elements: [
      ['endpoints', '0x103000', A],
      ['endpoints', '0x103001', A],
      ['endpoints', '0x103002', B],
      ['addresses', '10.0.1.2', 'jump service-0x103'],
    ],
  });
  const published = servicePart({ ...SERVICE, scheduler: 'rr', port: { protocol: 'udp', number: 53 }, endpoints: [{ address: A, port: 5353, weight: 1 }] });
  t.deepEqual(published.elements, [
    ['endpoint-ports', '0x103000', `${A} . 5353`],
    ['ports', '10.0.1.2 . udp . 53', 'jump service-0x103'],
  ]);
  for (const phase of ['watch', 'finish'] as const) {
    const { chain, elements } = servicePart({ ...SERVICE, phase });
    t.deepEqual([chain, elements.length], [servicePart(SERVICE).chain, 3], phase);
  }
  const empty = { chain: ['service-0x103', { rules: [] }], elements: [] } as const;
  t.deepEqual(servicePart({ ...SERVICE, endpoints: [{ address: A, port: 0, weight: 0 }] }), empty);
  const heavy = [{ address: A, port: 0, weight: 65535 }, { address: B, port: 0, weight: 65534 }];
  t.deepEqual(servicePart({ ...SERVICE, phase: 'finish', endpoints: heavy }), empty, 'its flows end by themselves, whatever it is now');
  t.throws(() => servicePart({ ...SERVICE, endpoints: heavy }), { instanceOf: RangeError });
});

test('one endpoint more is one transaction of what changed', (t) => {
  const before = servicePart({ ...SERVICE, scheduler: 'rr' });
  const after = servicePart({ ...SERVICE, scheduler: 'rr', endpoints: [{ address: '10.0.1.7', port: 0, weight: 1 }, ...SERVICE.endpoints] });
  t.is(
    batchText('vipmesh', diffTables(tableOf(BASE, [before]), tableOf(BASE, [after]))),
    `flush chain ip vipmesh service-0x103
delete element ip vipmesh endpoints { 0x103000, 0x103001 }
add rule ip vipmesh service-0x103 ct mark set numgen inc mod 3 offset 0x103000
add element ip vipmesh endpoints { 0x103000 : 10.0.1.7, 0x103001 : 10.0.1.5, 0x103002 : 10.0.1.6 }
`,
  );
});

test('a table tells its services, and which of them take flows', (t) => {
  const table = tableOf(BASE, [servicePart(SERVICE), servicePart({ ...SERVICE, mark: 0x1ff, phase: 'finish' })]);
  t.deepEqual(marksOf(table), [0x103, 0x1ff]);
  t.deepEqual(takenMarks(table), [0x103]);
  t.is(serviceMark(1060866), 0x103);
  t.deepEqual(conntrackMarks(0x103), { value: 1060864, mask: 0xfffff000 });
});

test('what nftables cannot do like userspace is refused', (t) => {
  t.is(refusal(SERVICE), undefined);
  const changes: [Partial<OffloadService>, RegExp][] = [
    [{ scheduler: 'sh' }, /scheduler sh: clients would change/],
    [{ scheduler: 'mh' }, /scheduler mh: clients would change/],
    [{ scheduler: 'lc' }, /scheduler lc: it does not know/],
    [{ scheduler: 'wlc' }, /scheduler wlc: it does not know/],
    [{ affinity: 300 }, /affinity/],
    [{ maxConnections: 1 }, /limit/],
    [{ mark: 1 << 20 }, /mark 0x100000 is too large/],
    [{ endpoints: [{ address: A, port: 0, weight: 65535 }, { address: B, port: 0, weight: 1 }] }, /more than 4096 turns/],
  ];
  for (const [change, reason] of changes) t.regex(refusal({ ...SERVICE, ...change }) ?? '', reason);
});

test('half-closed connections live as long as open ones, and closed ones as long as their endpoint holds them', (t) => {
  const settings = settingsOf({ established: 7440, closing: 240, udp: 300 });
  const of = (name: string): number | undefined => settings.get(`net/netfilter/nf_conntrack_${name}`);
  t.deepEqual(['tcp_timeout_close_wait', 'tcp_timeout_fin_wait', 'tcp_timeout_time_wait', 'udp_timeout'].map(of), [7440, 240, 66, 300]);
});
