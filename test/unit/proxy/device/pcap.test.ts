import test from 'ava';
import { LoopbackDevice } from '../../../../proxy/device/loopback.js';
import { PcapDevice } from '../../../../proxy/device/pcap.js';
import { IP, FRAME_SIZE } from '../../../../proxy/wire/frame.js';

function frameOf(...packet: number[]): Uint8Array {
  return Uint8Array.from([...Array<number>(IP).fill(0xee), ...packet]);
}

test('what is read and what is taken is recorded without its virtio header', (t) => {
  const [near, far] = LoopbackDevice.pair(1);
  const parts: Uint8Array[] = [];
  let wall = 1_700_000_000_123.456;
  const device = new PcapDevice(near, (bytes) => parts.push(bytes), () => wall);
  const buffer = new Uint8Array(FRAME_SIZE);
  t.is(device.read(buffer), 0);
  far.write(frameOf(0x45, 1), IP + 2);
  t.is(device.read(buffer), IP + 2);
  wall += 1000;
  t.is(device.write(frameOf(0x45, 2, 3), IP + 3), IP + 3);
  t.true(device.write(frameOf(0x45, 4), IP + 2) < 0, 'the queue is full');
  t.deepEqual(
    parts.map((part) => Buffer.from(part).toString('hex')),
    [
      'a1b2c3d4' + '00020004' + '00000000' + '00000000' + '00040000' + '00000065',
      '6553f100' + '0001e240' + '00000002' + '00000002' + '4501',
      '6553f101' + '0001e240' + '00000003' + '00000003' + '450203',
    ],
  );
});
