import test from 'ava';
import { foreignMarks } from '../../../../kernel/offload/mark-users.js';

const rule = (family: string, table: string, chain: string, ...expr: object[]): object => ({ rule: { family, table, chain, handle: 1, expr } });
const setsMark = { mangle: { key: { ct: { key: 'mark' } }, value: 0x100000 } };

test('rules of nftables that set marks are told, each chain once, and ours are not', (t) => {
  const listed = {
    nftables: [
      { metainfo: { version: '1.0.6' } },
      rule('ip', 'vipmesh', 'service-0x103', { mangle: { key: { ct: { key: 'mark' } }, value: { numgen: { mode: 'inc', mod: 2, offset: 0x103000 } } } }),
      rule('inet', 'other', 'pre', { match: { op: '==', left: { payload: { protocol: 'tcp', field: 'dport' } }, right: 80 } }, setsMark),
      rule('inet', 'other', 'pre', { mangle: { key: { meta: { key: 'mark' } }, value: 7 } }),
      rule('inet', 'other', 'in', { drop: null }),
      rule('ip', 'routes', 'out', { mangle: { key: { meta: { key: 'mark' } }, value: 7 } }),
    ],
  };
  t.deepEqual(foreignMarks(JSON.stringify(listed), 'vm1a2b-overlay1', false), [
    {
      reason: 'chain inet other pre of nftables sets marks, and userspace balances the flows that get one',
      remedy: 'look with `ip netns exec vm1a2b-overlay1 nft list chain inet other pre`, and leave the marks of that namespace to vipmesh',
    },
  ]);
  t.deepEqual(foreignMarks(JSON.stringify(listed), 'vm1a2b-overlay1', true).map(({ reason }) => reason.split(' ').slice(0, 4).join(' ')), ['chain inet other pre', 'chain ip routes out']);
  t.deepEqual(foreignMarks('', 'vm1a2b-overlay1', true), []);
});
