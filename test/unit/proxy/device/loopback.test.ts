import test from 'ava';
import { EIO, ENOBUFS, type PacketDevice } from '../../../../proxy/device/device.js';
import { FaultDevice } from '../../../../proxy/device/fault.js';
import { LoopbackDevice } from '../../../../proxy/device/loopback.js';
import { PcapDevice } from '../../../../proxy/device/pcap.js';
import { parseIpv4 } from '../../../../proxy/net/addr.js';
import { deviceContract } from '../../../contract/device.js';

const ends = { source: parseIpv4('10.1.0.2'), destination: parseIpv4('10.2.0.2') };

const wrappers: Record<string, (device: PacketDevice) => PacketDevice> = {
  loopback: (device) => device,
  'pcap over loopback': (device) => new PcapDevice(device, () => undefined, () => 0),
  'fault without faults over loopback': (device) => new FaultDevice(device, { seed: 1 }),
};

for (const [name, wrap] of Object.entries(wrappers)) {
  for (const contract of deviceContract) {
    test(`${name}: ${contract.name}`, async (t) => {
      const [from, to] = LoopbackDevice.pair();
      await t.notThrowsAsync(contract.run({ from: wrap(from), to: wrap(to), ...ends }));
    });
  }
}

test('a full queue and a closed far end refuse', (t) => {
  const [near, far] = LoopbackDevice.pair(2);
  const frame = new Uint8Array(20);
  t.deepEqual([1, 2, 3].map(() => near.write(frame, 20)), [20, 20, -ENOBUFS]);
  t.is(far.waiting, 2);
  far.close();
  t.is(near.write(frame, 20), -EIO);
});
