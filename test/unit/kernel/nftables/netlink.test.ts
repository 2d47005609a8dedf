import test from 'ava';
import { decodeReplies, encodeBatch, encodeGetGeneration, MOST_BYTES } from '../../../../kernel/nftables/netlink.js';
import type { Command } from '../../../../kernel/nftables/render.js';

const TYPES = new Map([
  ['m', { key: 'mark', value: 'ipv4_addr' }],
  ['p', { key: 'ipv4_addr . inet_proto . inet_service', value: 'verdict' }],
]);

/** Messages of a batch: type, flags, sequence, and what follows the nfgenmsg. */
function messagesOf(batch: Uint8Array | undefined): [type: number, flags: number, sequence: number, body: string][] {
  const messages: [number, number, number, string][] = [];
  const bytes = Buffer.from(batch ?? []);
  for (let at = 0; at < bytes.length; at += (bytes.readUInt32LE(at) + 3) & ~3) {
    const body = bytes.subarray(at + 20, at + bytes.readUInt32LE(at)).toString('hex');
    messages.push([bytes.readUInt16LE(at + 4), bytes.readUInt16LE(at + 6), bytes.readUInt32LE(at + 8), body]);
  }
  return messages;
}

// That the kernel takes them for what they are to be, test/netns/kernel/offload-nft.test.ts says, by nft's own list.
test('a batch: generation, messages in order, the last of them acknowledged', (t) => {
  const commands: Command[] = [
    { do: 'flush-chain', chain: 'c' },
    { do: 'delete-elements', map: 'm', keys: ['259'] },
    { do: 'add-rule', chain: 'c', rule: 'ct mark set numgen inc mod 3 offset 4096' },
    { do: 'add-elements', map: 'p', elements: [['10.0.1.2 . tcp . 8080', 'jump c']] },
  ];
  const table = '0600010074000000';
  const chain = '0600020063000000';
  const numgen = '34000180' + '0b0001006e756d67656e0000' + '24000280' + '0800010000000001' + '0800020000000003' + '0800030000000000' + '0800040000001000';
  const mark = '20000180' + '0700010063740000' + '14000280' + '0800020000000003' + '0800040000000001';
  const port = '14000180' + '10000100' + '0a000102' + '06000000' + '1f900000';
  const jump = '18000280' + '14000280' + '08000100fffffffd' + '0600020063000000';
  t.deepEqual(messagesOf(encodeBatch('t', commands, TYPES, 0x01020304)), [
    [0x10, 1, 0, '0800010001020304'],
    [0xa08, 1, 1, table + chain],
    [0xa0e, 1, 2, `${table}060002006d000000${'14000380'}${'10000180'}${'0c000180'}${'0800010003010000'}`],
    [0xa06, 0xc01, 3, `${table}${chain}58000480${numgen}${mark}`],
    [0xa0c, 0x405, 4, `${table}0600020070000000${'34000380'}${'30000180'}${port}${jump}`],
    [0x11, 1, 5, ''],
  ]);
});

test('what is not for here is left to nft', (t) => {
  const encodes = (...commands: Command[]): boolean => encodeBatch('t', commands, TYPES, 1) !== undefined;
  t.true(encodes({ do: 'add-chain', chain: 'c' }, { do: 'delete-chain', chain: 'd' }));
  t.false(encodes({ do: 'add-table' }));
  t.false(encodes({ do: 'add-chain', chain: 'c', base: { type: 'nat', hook: 'prerouting', priority: 0 } }));
  t.false(encodes({ do: 'add-rule', chain: 'c', rule: 'accept' }));
  t.false(encodes({ do: 'add-elements', map: 'unknown', elements: [['1', '10.0.0.1']] }));
  t.false(encodes({ do: 'add-elements', map: 'm', elements: [['1', '10.0.0.1 . 80']] }));
  t.false(encodes({ do: 'add-elements', map: 'p', elements: [['10.0.0.1 . sctp . 80', 'jump c']] }));
  t.false(encodes({ do: 'add-elements', map: 'p', elements: [['10.0.0.1 . tcp . 80', 'drop']] }));
  const many = Array.from({ length: MOST_BYTES / 20 }, (_, mark): [string, string] => [`${mark}`, '10.0.0.1']);
  t.false(encodes({ do: 'add-elements', map: 'm', elements: many }));
});

test('answers are read: acknowledgements, errors, a generation', (t) => {
  t.is(Buffer.from(encodeGetGeneration()).toString('hex'), '14000000100a0100000000000000000000000000');
  const answer = (type: number, sequence: number, body: string): Buffer => {
    const bytes = Buffer.alloc(16 + body.length / 2);
    bytes.writeUInt32LE(bytes.length, 0);
    bytes.writeUInt16LE(type, 4);
    bytes.writeUInt32LE(sequence, 8);
    bytes.write(body, 16, 'hex');
    return bytes;
  };
  const bytes = Buffer.concat([answer(2, 4, '00000000' + '00'.repeat(16)), answer(2, 1, 'feffffff' + '00'.repeat(16)), answer(0xa0f, 0, '00000007' + '0800010000000102'), Buffer.from('0000')]);
  t.deepEqual(decodeReplies(bytes), [
    { sequence: 4, error: 0 },
    { sequence: 1, error: -2 },
    { sequence: 0, generation: 0x102 },
  ]);
});
