import test from 'ava';
import { deedOf } from '../../../../kernel/nftables/deed.js';
import { describeDifferences, diffTables } from '../../../../kernel/nftables/diff.js';
import { expressionText, ruleText } from '../../../../kernel/nftables/expression.js';
import { NftOutputError, parseTable } from '../../../../kernel/nftables/read.js';
import { batchText } from '../../../../kernel/nftables/render.js';
import { emptyTable, type Chain, type NftMap, type Table } from '../../../../kernel/nftables/table.js';

const payload = (protocol: string, field: string): object => ({ payload: { protocol, field } });
const mark = { ct: { key: 'mark' } };

test('statements are read into the spelling in which they are written', (t) => {
  const numgen = { numgen: { mode: 'inc', mod: 3, offset: 4096 } };
  const read = (...statements: object[]): string => ruleText(statements);
  t.is(read({ match: { op: 'in', left: { ct: { key: 'status' } }, right: 'confirmed' } }, { accept: null }), 'ct status confirmed accept');
  t.is(read({ match: { op: '!=', left: { meta: { key: 'l4proto' } }, right: { set: ['tcp', 'udp'] } } }, { accept: null }), 'meta l4proto != { tcp, udp } accept');
  t.is(read({ mangle: { key: mark, value: numgen } }), 'ct mark set numgen inc mod 3 offset 0x1000');
  t.is(read({ match: { op: '>=', left: mark, right: 0x103000 } }, { drop: null }), 'ct mark >= 0x103000 drop');
  t.is(read({ match: { op: '!=', left: mark, right: 0 } }, { accept: null }), 'ct mark != 0 accept');
  t.is(read({ vmap: { key: { concat: [payload('ip', 'daddr'), { meta: { key: 'l4proto' } }, payload('th', 'dport')] }, data: '@ports' } }), 'ip daddr . meta l4proto . th dport vmap @ports');
  t.is(read({ dnat: { addr: { map: { key: mark, data: '@endpoints' } } } }), 'dnat to ct mark map @endpoints');
  t.is(read({ dnat: { family: 'ip', addr: { map: { key: mark, data: '@both' } } } }), 'dnat ip addr . port to ct mark map @both');
  t.is(read({ dnat: { addr: '10.0.0.1', port: 80 } }), 'dnat to 10.0.0.1 : 80');
  t.is(read({ match: { op: '==', left: payload('ip', 'daddr'), right: { prefix: { addr: '10.0.1.0', len: 24 } } } }, { snat: { addr: '10.0.1.250' } }), 'ip daddr 10.0.1.0/24 snat to 10.0.1.250');
  t.is(read({ match: { op: '==', left: { ct: { key: 'daddr', dir: 'original' } }, right: '10.0.0.1' } }, { jump: { target: 'c' } }), 'ct original daddr 10.0.0.1 jump c');
  t.is(expressionText({ map: { key: payload('ip', 'saddr'), data: { set: [[{ range: [0, 2] }, '10.0.0.1']] } } }), 'ip saddr map { 0-2 : 10.0.0.1 }');
});

test('flags are spelled alike, however a version of nft prints them', (t) => {
  const flags = (value: unknown): string => ruleText([{ match: { op: '!=', left: { '&': [payload('tcp', 'flags'), value] }, right: 'syn' } }]);
  const spelled = 'tcp flags & (fin | syn | rst | ack) != syn';
  t.is(flags(['fin', 'syn', 'rst', 'ack']), spelled, '1.0.6');
  t.is(flags({ '|': ['fin', 'syn', 'rst', 'ack'] }), spelled, '1.1');
  t.is(flags({ '|': [{ '|': [{ '|': ['fin', 'syn'] }, 'rst'] }, 'ack'] }), spelled, '0.9');
});

test('what is not known stays what it is', (t) => {
  t.is(ruleText([{ counter: { packets: 1, bytes: 2 } }, { drop: null }]), '{"counter":{"packets":1,"bytes":2}} drop');
  t.is(ruleText([{ snat: { addr: '10.0.0.1', flags: 'random' } }]), '{"snat":{"addr":"10.0.0.1","flags":"random"}}');
});

const LISTED = {
  nftables: [
    { metainfo: { version: '1.0.6' } },
    { table: { family: 'ip', name: 't', handle: 1 } },
    { map: { name: 'm', type: ['ipv4_addr', 'inet_service'], map: 'verdict', elem: [[{ concat: ['10.0.0.1', 80] }, { jump: { target: 'c' } }]] } },
    { map: { name: 'e', type: 'mark', map: ['ipv4_addr', 'inet_service'] } },
    { set: { name: 's', type: 'mark', elem: [259] } },
    { chain: { name: 'c', handle: 4 } },
    { chain: { name: 'p', handle: 5, type: 'nat', hook: 'prerouting', prio: -100, policy: 'accept' } },
    { rule: { chain: 'p', handle: 6, expr: [{ accept: null }] } },
  ],
};

const TABLE: Table = {
  name: 't',
  maps: new Map<string, NftMap>([
    ['m', { key: 'ipv4_addr . inet_service', value: 'verdict', elements: new Map([['10.0.0.1 . 80', 'jump c']]) }],
    ['e', { key: 'mark', value: 'ipv4_addr . inet_service', elements: new Map() }],
    ['s', { key: 'mark', value: '', elements: new Map([['0x103', '']]) }],
  ]),
  chains: new Map<string, Chain>([
    ['c', { rules: [] }],
    ['p', { base: { type: 'nat', hook: 'prerouting', priority: -100 }, rules: ['accept'] }],
  ]),
};

test('a table is read from what nft lists', (t) => {
  t.deepEqual(parseTable('t', JSON.stringify(LISTED)), TABLE);
  t.throws(() => parseTable('t', 'no list'), { instanceOf: NftOutputError });
  t.throws(() => parseTable('t', '{}'), { instanceOf: NftOutputError });
});

const map = (...elements: [string, string][]): NftMap => ({ key: 'ipv4_addr', value: 'verdict', elements: new Map(elements) });
const of = (maps: Record<string, NftMap>, chains: Record<string, Chain>): Table => ({ name: 't', maps: new Map(Object.entries(maps)), chains: new Map(Object.entries(chains)) });
const base: Chain = { base: { type: 'nat', hook: 'prerouting', priority: -100 }, rules: ['ip daddr vmap @m'] };

test('from nothing to a table: what is named comes before what names it', (t) => {
  const batch = batchText('t', diffTables(undefined, of({ m: map(['10.0.0.1', 'jump c']) }, { p: base, c: { rules: ['accept'] } })));
  t.is(
    batch,
    `add table ip t
add map ip t m { type ipv4_addr : verdict ; }
add chain ip t p { type nat hook prerouting priority -100 ; policy accept ; }
add chain ip t c
add rule ip t p ip daddr vmap @m
add rule ip t c accept
add element ip t m { 10.0.0.1 : jump c }
`,
  );
});

test('from a table to another: only what differs, and what is named goes after what names it', (t) => {
  const from = of({ m: map(['10.0.0.1', 'jump a'], ['10.0.0.2', 'jump b']), old: map() }, { p: base, a: { rules: ['accept'] }, b: { rules: ['accept'] } });
  const to = of({ m: map(['10.0.0.1', 'jump c'], ['10.0.0.2', 'jump b']) }, { p: base, b: { rules: ['drop'] }, c: { rules: ['accept'] } });
  t.is(
    batchText('t', diffTables(from, to)),
    `flush chain ip t a
flush chain ip t b
delete map ip t old
delete element ip t m { 10.0.0.1 }
delete chain ip t a
add chain ip t c
add rule ip t b drop
add rule ip t c accept
add element ip t m { 10.0.0.1 : jump c }
`,
  );
  t.deepEqual(diffTables(to, to), []);
  t.deepEqual(diffTables(to, of({ m: map(...to.maps.get('m')!.elements) }, Object.fromEntries(to.chains))), [], 'equal, though not the same');
});

test('a map of another type and a chain at another hook are made anew', (t) => {
  const from = of({ m: { ...map(), key: 'mark' } }, { p: { ...base, base: { ...base.base!, priority: 0 } } });
  t.is(
    batchText('t', diffTables(from, of({ m: map() }, { p: base }))),
    `flush chain ip t p
delete map ip t m
delete chain ip t p
add map ip t m { type ipv4_addr : verdict ; }
add chain ip t p { type nat hook prerouting priority -100 ; policy accept ; }
add rule ip t p ip daddr vmap @m
`,
  );
});

test('differences are told in sentences', (t) => {
  const wanted = of({ m: map(['10.0.0.1', 'jump a']), n: map() }, { p: base, a: { rules: ['accept', 'drop'] }, b: { rules: [] }, c: { rules: ['accept'] } });
  const foreign = '{"counter":{"packets":1,"bytes":2}} ip saddr 192.0.2.1 drop';
  const there = of({ m: map(['10.0.0.1', 'jump b']), x: map() }, { p: { rules: base.rules }, a: { rules: ['drop', 'accept'] }, y: { rules: [] }, c: { rules: [foreign] } });
  t.deepEqual(describeDifferences(wanted, there, 'vm1a2b-overlay1'), [
    'table ip t: map m lacks 10.0.0.1 : jump a',
    'table ip t: map m has 10.0.0.1 : jump b, which is not ours',
    'table ip t: map n is gone',
    'table ip t: chain p is at another hook',
    'table ip t: chain a has its rules in another order, or twice',
    'table ip t: chain b is gone',
    "table ip t: chain c lacks the rule 'accept'",
    'table ip t: chain c has a rule that is not ours and drops packets: look with `ip netns exec vm1a2b-overlay1 nft list chain ip t c`',
    'table ip t: there is a map x, which is not ours',
    'table ip t: there is a chain y, which is not ours',
  ]);
  t.regex(describeDifferences(wanted, there)[7] ?? '', /: look with `nft list chain ip t c`$/);
  t.deepEqual(describeDifferences(wanted, undefined), ['table ip t is gone']);
  t.deepEqual(describeDifferences(emptyTable('t'), emptyTable('t')), []);
});

test('what a rule of others does, in a few words, whatever else is in it', (t) => {
  const reads = (...statements: object[]): string => deedOf(ruleText(statements));
  const match = { match: { op: '==', left: payload('tcp', 'dport'), right: 8080 } };
  t.is(reads(match, { counter: { packets: 1, bytes: 2 } }, { drop: null }), 'drops packets');
  t.is(reads(match, { reject: { type: 'icmpx', expr: 'admin-prohibited' } }), 'rejects packets');
  t.is(reads({ log: { prefix: 'drop' } }, { accept: null }), 'accepts packets, and so ends the chain');
  t.is(reads({ mangle: { key: mark, value: 7 } }), 'sets marks');
  t.is(reads({ mangle: { key: payload('ip', 'dscp'), value: 7 } }), 'changes packets');
  t.is(reads({ dnat: { addr: '10.0.0.1', port: 80 } }), 'translates addresses');
  t.is(reads({ masquerade: null }), 'translates addresses');
  t.is(reads({ redirect: { port: 80 } }), 'translates addresses');
  t.is(reads({ jump: { target: 'theirs' } }), 'leads to another chain');
  t.is(reads({ queue: { num: 1 } }), 'hands packets to a program');
  t.is(reads({ log: { prefix: 'seen: ' } }), 'logs packets');
  t.is(reads({ counter: { packets: 1, bytes: 2 } }), 'counts packets');
  t.is(reads(match), 'does something else');
});
