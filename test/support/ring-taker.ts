/**
 * A thread that takes `count` frames out of a ring, asleep whenever there is none. `flag` stands for the eventfd: the other side
 * sets it to 1 to wake this one, which resets it before it looks. A sleep that ends by its time is a wake-up that was lost.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { FrameRing } from '../../proxy/dataplane/ring.js';
import { makeFrame } from '../../proxy/wire/frame.js';
import { frameIsRight } from './ring-frames.js';

const LOST_AFTER_MS = 5000;

const { buffer, flag, count } = workerData as { buffer: SharedArrayBuffer; flag: Int32Array; count: number };
const ring = new FrameRing(buffer, 'take');
const frame = makeFrame();
let taken = 0;
let wrong = 0;
let lostWakeUps = 0;
while (taken < count && lostWakeUps === 0) {
  if (Atomics.wait(flag, 0, 0, LOST_AFTER_MS) === 'timed-out') lostWakeUps++;
  Atomics.store(flag, 0, 0);
  for (let length = ring.take(frame); length > 0; length = ring.take(frame)) {
    if (length !== 1 + (taken % 400) || ring.network !== (taken & 0xffff) || !frameIsRight(frame.bytes, taken, length)) wrong++;
    taken++;
  }
}
parentPort!.postMessage({ taken, wrong, lostWakeUps });
