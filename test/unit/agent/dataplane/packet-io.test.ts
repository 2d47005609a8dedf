import test from 'ava';
import { choosePacketIo, PacketIoError } from '../../../../agent/dataplane/packet-io.js';
import { pollIo } from '../../../../agent/dataplane/poll-io.js';
import { uringIo } from '../../../../agent/dataplane/uring-io.js';
import { ioContract } from '../../../contract/io.js';

ioContract('poll', pollIo);
ioContract('io_uring', uringIo, 'io_uring');

test('which packet I/O is taken, and why', (t) => {
  t.deepEqual(choosePacketIo('auto', () => undefined), { kind: 'io_uring' });
  t.deepEqual(choosePacketIo('auto', () => 'it is raining'), { kind: 'poll', because: 'it is raining' });
  t.deepEqual(choosePacketIo('poll', () => t.fail('nobody asks')), { kind: 'poll' });
  t.deepEqual(choosePacketIo('io_uring', () => undefined), { kind: 'io_uring' });
  t.throws(() => choosePacketIo('io_uring', () => 'it is raining'), { instanceOf: PacketIoError, message: 'io_uring is not to be had: it is raining; use --packet-io auto or poll' });
});
