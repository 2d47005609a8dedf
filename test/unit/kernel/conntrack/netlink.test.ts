import test from 'ava';
import { encodeEntries, failuresIn } from '../../../../kernel/conntrack/netlink.js';

// That the kernel takes them for what they are to be, test/netns/kernel/conntrack.test.ts says.
test('entries as one write: one that is put in or lasts longer, and one that only lasts longer, by its replies', (t) => {
  const original = { source: '192.0.2.2', sourcePort: 5000, destination: '192.0.2.1', destinationPort: 53 };
  const reply = { source: '10.0.0.2', sourcePort: 53, destination: '192.0.2.2', destinationPort: 5000 };
  const addresses = (from: string, to: string): string => `14000180${'08000100'}${from}${'08000200'}${to}`;
  const ports = (from: string, to: string): string => `1c000280${'0500010011000000'}${'06000200'}${from}0000${'06000300'}${to}0000`;
  const [client, host, sandbox] = ['c0000202', 'c0000201', '0a000002'];
  const first = `34000180${addresses(client, host)}${ports('1388', '0035')}34000280${addresses(host, client)}${ports('0035', '1388')}080003000000000a080007000000012c`;
  const second = `34000280${addresses(sandbox, client)}${ports('0035', '1388')}080007000000004d`;
  t.is(
    Buffer.from(encodeEntries([{ original, seconds: 300 }, { reply, seconds: 77 }])).toString('hex'),
    `8c000000${'0001'}${'0104'}${'00000000'}${'00000000'}${'02000000'}${first}` + `50000000${'0001'}${'0100'}${'01000000'}${'00000000'}${'02000000'}${second}`,
  );
});

test('errors are read, whatever is between them', (t) => {
  const answer = (error: number): Buffer => {
    const bytes = Buffer.alloc(36);
    bytes.writeUInt32LE(36, 0);
    bytes.writeUInt16LE(2, 4);
    bytes.writeInt32LE(error, 16);
    return bytes;
  };
  const other = Buffer.alloc(20);
  other.writeUInt32LE(20, 0);
  t.deepEqual(failuresIn(Buffer.concat([answer(-2), other, answer(0), answer(-1), answer(-16).subarray(0, 30)])), [2, 1]);
});
