import test from 'ava';
import { bareAck } from '../../../../kernel/raw/segment.js';
import { checksumFault, decode, VNET } from '../../../support/packets.js';

test('a bare ACK, byte by byte', (t) => {
  const bytes = bareAck({ from: { address: '10.0.1.2', port: 80 }, to: { address: '10.0.1.9', port: 40000 }, sequence: 0xfedcba98, acknowledgement: 7 });
  t.is(
    bytes.toString('hex'),
    [
      '45000028', '00000000', '4006', '64c6', '0a000102', '0a000109',
      '00509c40', 'fedcba98', '00000007', '5010', '0000', '43bd', '0000',
    ].join(''),
  );
  const frame = Buffer.concat([Buffer.alloc(VNET), bytes]);
  t.is(checksumFault(frame), undefined);
  t.like(decode(frame), { sourcePort: 80, destinationPort: 40000, seq: 0xfedcba98, ack: 7, flags: 16 });
});
