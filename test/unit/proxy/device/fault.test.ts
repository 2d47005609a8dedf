import test from 'ava';
import { FaultDevice, type Faults } from '../../../../proxy/device/fault.js';
import { LoopbackDevice } from '../../../../proxy/device/loopback.js';
import { FRAME_SIZE, IP } from '../../../../proxy/wire/frame.js';

/** Sends frames 0 to n-1 through the faults and answers which arrived, in their order. */
function through(faults: Faults, n: number): { seen: number[]; device: FaultDevice } {
  const [near, far] = LoopbackDevice.pair(n);
  const device = new FaultDevice(near, faults);
  const frame = new Uint8Array(IP + 4);
  for (let i = 0; i < n; i++) {
    new DataView(frame.buffer).setUint32(IP, i);
    far.write(frame, frame.length);
  }
  const buffer = new Uint8Array(FRAME_SIZE);
  const seen: number[] = [];
  while (device.read(buffer) > 0) seen.push(new DataView(buffer.buffer).getUint32(IP));
  return { seen, device };
}

const all = Array.from({ length: 1000 }, (_, i) => i);

test('without faults everything passes in order', (t) => {
  t.deepEqual(through({ seed: 1 }, 1000).seen, all);
});

test('the same seed makes the same faults, another does not', (t) => {
  const faults = { loss: 0.1, duplication: 0.1, reorder: 0.1 };
  t.deepEqual(through({ seed: 7, ...faults }, 1000).seen, through({ seed: 7, ...faults }, 1000).seen);
  t.notDeepEqual(through({ seed: 7, ...faults }, 1000).seen, through({ seed: 8, ...faults }, 1000).seen);
});

test('loss, duplication and reordering come about as often as asked, and are counted', (t) => {
  const lossy = through({ seed: 3, loss: 0.2 }, 1000);
  t.is(lossy.seen.length, 1000 - lossy.device.counts.lost);
  t.true(Math.abs(lossy.device.counts.lost - 200) < 60, `${lossy.device.counts.lost}`);
  const doubled = through({ seed: 3, duplication: 0.2 }, 1000);
  t.is(doubled.seen.length, 1000 + doubled.device.counts.duplicated);
  t.true(Math.abs(doubled.device.counts.duplicated - 200) < 60);
  const swapped = through({ seed: 3, reorder: 0.2 }, 1000);
  t.deepEqual([...swapped.seen].sort((a, b) => a - b), all, 'none lost');
  t.is(swapped.seen.filter((value, i) => i > 0 && value < swapped.seen[i - 1]!).length > 100, true);
});

test('a frame that is held back comes when nothing is behind it', (t) => {
  t.deepEqual(through({ seed: 1, reorder: 1 }, 3).seen, [1, 0, 2]);
});

test('loss of everything leaves nothing', (t) => {
  t.deepEqual(through({ seed: 1, loss: 1 }, 100).seen, []);
});
