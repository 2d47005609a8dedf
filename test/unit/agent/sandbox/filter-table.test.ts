import test from 'ava';
import { filterTable, filterTableName } from '../../../../agent/sandbox/filter-table.js';
import { describeDifferences, diffTables } from '../../../../kernel/nftables/diff.js';
import { parseCounters, parseTable } from '../../../../kernel/nftables/read.js';
import { batchText } from '../../../../kernel/nftables/render.js';
import type { FabricFilter } from '../../../../overlay/vxlan/filter.js';

const NAME = filterTableName('vm1a2b-');
const filter: FabricFilter = {
  local: '192.168.9.1',
  port: 4789,
  encryptedPort: 4790,
  vteps: new Set(['192.168.9.2']),
  networks: [{ vtep: '192.168.9.2', port: 4789, vni: 4097 }],
  sources: ['10.0.1.4', '192.0.2.255', 'fd3a:9c01:77e2:1::4', '1::4'].map((address) => ({ vtep: '192.168.9.2', port: 4789, vni: 4097, address })),
};

const text = (from: FabricFilter | undefined, to: FabricFilter): string => batchText(NAME, diffTables(from && filterTable(NAME, from), filterTable(NAME, to)));

test('the table, as nft is told', (t) => {
  t.is(
    text(undefined, filter),
    `add table ip vipmesh-fabric-vm1a2b
add counter ip vipmesh-fabric-vm1a2b unknown-vtep
add counter ip vipmesh-fabric-vm1a2b unknown-vni
add counter ip vipmesh-fabric-vm1a2b foreign-source
add counter ip vipmesh-fabric-vm1a2b clear-text
add set ip vipmesh-fabric-vm1a2b vteps { type ipv4_addr ; }
add set ip vipmesh-fabric-vm1a2b networks { typeof ip saddr . udp dport . @th,96,24 ; }
add set ip vipmesh-fabric-vm1a2b sources { typeof ip saddr . udp dport . @th,96,24 . @th,336,32 ; }
add set ip vipmesh-fabric-vm1a2b sources6 { typeof ip saddr . udp dport . @th,96,24 . @th,304,128 ; }
add chain ip vipmesh-fabric-vm1a2b fabric
add chain ip vipmesh-fabric-vm1a2b prerouting { type filter hook prerouting priority -300 ; policy accept ; }
add rule ip vipmesh-fabric-vm1a2b fabric @th,224,16 2048 ip saddr . udp dport . @th,96,24 . @th,336,32 @sources accept
add rule ip vipmesh-fabric-vm1a2b fabric @th,224,16 34525 ip saddr . udp dport . @th,96,24 . @th,304,128 @sources6 accept
add rule ip vipmesh-fabric-vm1a2b fabric ip saddr != @vteps counter name unknown-vtep drop
add rule ip vipmesh-fabric-vm1a2b fabric ip saddr . udp dport . @th,96,24 @networks counter name foreign-source drop
add rule ip vipmesh-fabric-vm1a2b fabric counter name unknown-vni drop
add rule ip vipmesh-fabric-vm1a2b prerouting ip daddr 192.168.9.1 udp dport 4789-4790 goto fabric
add rule ip vipmesh-fabric-vm1a2b prerouting udp dport 4789-4790 fib daddr type != unicast goto fabric
add element ip vipmesh-fabric-vm1a2b vteps { 192.168.9.2 }
add element ip vipmesh-fabric-vm1a2b networks { 192.168.9.2 . 4789 . 4097 }
add element ip vipmesh-fabric-vm1a2b sources { 192.168.9.2 . 4789 . 4097 . 167772420, 192.168.9.2 . 4789 . 4097 . 3221226239 }
add element ip vipmesh-fabric-vm1a2b sources6 { 192.168.9.2 . 4789 . 4097 . 0xfd3a9c0177e200010000000000000004, 192.168.9.2 . 4789 . 4097 . 0x10000000000000000000000000004 }
`,
  );
});

test('a task more and one less are two elements; the first encrypted network a rule', (t) => {
  t.is(
    text(filter, { ...filter, sources: [...filter.sources.slice(1), { vtep: '192.168.9.2', port: 4789, vni: 4097, address: '10.0.1.5' }] }),
    `delete element ip vipmesh-fabric-vm1a2b sources { 192.168.9.2 . 4789 . 4097 . 167772420 }
add element ip vipmesh-fabric-vm1a2b sources { 192.168.9.2 . 4789 . 4097 . 167772421 }
`,
  );
  t.regex(
    text(filter, { ...filter, networks: [...filter.networks, { vtep: '192.168.9.2', port: 4790, vni: 4098 }] }),
    /^flush chain .* fabric\nadd rule ip vipmesh-fabric-vm1a2b fabric udp dport 4790 meta ipsec missing ip saddr @vteps counter name clear-text drop\n(?:add rule .*\n){5}add element .* networks \{ 192.168.9.2 . 4790 . 4098 \}\n$/,
  );
  t.is(text(filter, filter), '');
});

test('what nft lists is the table, and what it has counted', (t) => {
  const raw = (offset: number, len: number): object => ({ payload: { base: 'th', offset, len } });
  const [saddr, dport] = [{ payload: { protocol: 'ip', field: 'saddr' } }, { payload: { protocol: 'udp', field: 'dport' } }];
  const match = (left: object, right: unknown, op = '=='): object => ({ match: { op, left, right } });
  const ports = match(dport, { range: [4789, 4790] });
  const rule = (chain: string, ...expr: object[]): object => ({ rule: { chain, expr } });
  const counter = (name: string, packets = 0): object => ({ counter: { name, packets, bytes: 0 } });
  const set = (name: string, type: unknown, ...elem: unknown[]): object => ({ set: { name, type, elem } });
  const nftables = [
    { metainfo: {} }, { table: { name: NAME } },
    counter('unknown-vtep', 3), counter('unknown-vni'), counter('foreign-source', 1), counter('clear-text'),
    set('vteps', 'ipv4_addr', '192.168.9.2'),
    set('networks', ['ipv4_addr', 'inet_service', 'integer'], { concat: ['192.168.9.2', 4789, 4097] }, { concat: ['192.168.9.2', 4790, 4098] }),
    set('sources', ['ipv4_addr', 'inet_service', 'integer', 'integer'], { concat: ['192.168.9.2', 4789, 4097, 167772420] }, { concat: ['192.168.9.2', 4789, 4097, 3221226239] }),
    set('sources6', ['ipv4_addr', 'inet_service', 'integer', 'integer'], { concat: ['192.168.9.2', 4789, 4097, '0xfd3a9c0177e200010000000000000004'] }, { concat: ['192.168.9.2', 4789, 4097, '0x10000000000000000000000000004'] }),
    { chain: { name: 'fabric' } }, { chain: { name: 'prerouting', type: 'filter', hook: 'prerouting', prio: -300, policy: 'accept' } },
    rule('fabric', match(dport, 4790), match({ meta: { key: 'ipsec' } }, false), match(saddr, '@vteps'), { counter: 'clear-text' }, { drop: null }),
    rule('fabric', match(raw(224, 16), 2048), match({ concat: [saddr, dport, raw(96, 24), raw(336, 32)] }, '@sources'), { accept: null }),
    rule('fabric', match(raw(224, 16), 34525), match({ concat: [saddr, dport, raw(96, 24), raw(304, 128)] }, '@sources6'), { accept: null }),
    rule('fabric', match(saddr, '@vteps', '!='), { counter: 'unknown-vtep' }, { drop: null }),
    rule('fabric', match({ concat: [saddr, dport, raw(96, 24)] }, '@networks'), { counter: 'foreign-source' }, { drop: null }),
    rule('fabric', { counter: 'unknown-vni' }, { drop: null }),
    rule('prerouting', match({ payload: { protocol: 'ip', field: 'daddr' } }, '192.168.9.1'), ports, { goto: { target: 'fabric' } }),
    rule('prerouting', ports, match({ fib: { result: 'type', flags: ['daddr'] } }, 'unicast', '!='), { goto: { target: 'fabric' } }),
  ];
  const json = JSON.stringify({ nftables });
  const desired = filterTable(NAME, { ...filter, networks: [...filter.networks, { vtep: '192.168.9.2', port: 4790, vni: 4098 }] });
  t.deepEqual(describeDifferences(desired, parseTable(NAME, json)), []);
  t.is(batchText(NAME, diffTables(parseTable(NAME, json), desired)), '');
  t.deepEqual([...parseCounters(json)], [['unknown-vtep', 3], ['unknown-vni', 0], ['foreign-source', 1], ['clear-text', 0]]);
  const emptied = parseTable(NAME, JSON.stringify({ nftables: nftables.filter((one) => !('set' in one && (one.set as { name: string }).name === 'vteps') && !('counter' in one)) }));
  t.deepEqual(describeDifferences(desired, emptied).sort(), ['clear-text', 'foreign-source', 'unknown-vni', 'unknown-vtep'].map((name) => `table ip vipmesh-fabric-vm1a2b: counter ${name} is gone`).concat('table ip vipmesh-fabric-vm1a2b: set vteps is gone'));
});
