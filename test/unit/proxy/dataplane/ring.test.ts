import { Worker } from 'node:worker_threads';
import test from 'ava';
import { FrameRing, Pushed } from '../../../../proxy/dataplane/ring.js';
import { FRAME_SIZE, makeFrame, type Frame } from '../../../../proxy/wire/frame.js';
import { fillFrame, frameIsRight } from '../../../support/ring-frames.js';
import { seededRandom } from '../../../support/dns.js';

const BYTES = 1 << 17;
const WORDS = BYTES / 4;
const recordWords = (length: number): number => 2 + Math.ceil(length / 4);

/** `at`: where both positions begin, as if so many words had gone through. */
function ends(at = 0): { to: FrameRing; from: FrameRing } {
  const buffer = FrameRing.allocate(BYTES);
  new Int32Array(buffer, 0, 32).fill(at);
  return { to: new FrameRing(buffer, 'push'), from: new FrameRing(buffer, 'take') };
}

function framed(seed: number, length: number): Frame {
  const frame = makeFrame();
  fillFrame(frame.bytes, seed, length);
  return frame;
}

test('a ring is a bounded queue: what fits comes out in order and unchanged, what does not is refused', (t) => {
  // The last beginnings: positions that run over 2^31 and 2^32 in the middle of it.
  for (const [seed, at] of [[1, 0], [2, 0], [3, 0x7fff_f000], [4, -0x1000]] as const) {
    const draw = seededRandom(seed);
    const { to, from } = ends(at);
    const out = makeFrame();
    const model: { seed: number; length: number; network: number }[] = [];
    let used = 0;
    let refused = 0;
    for (let step = 0; step < 4000; step++) {
      if (draw() < 0.55) {
        const length = draw() < 0.1 ? FRAME_SIZE - Math.floor(draw() * 4) : 1 + Math.floor(draw() * 3000);
        const network = Math.floor(draw() * 65_536);
        const pushed = to.push(network, framed(step, length), length);
        if (used + recordWords(length) > WORDS) {
          t.is(pushed, Pushed.full);
          refused++;
          continue;
        }
        t.is(pushed, model.length === 0 ? Pushed.wake : Pushed.stored);
        model.push({ seed: step, length, network });
        used += recordWords(length);
      } else {
        const next = model.shift();
        t.is(from.take(out), next?.length ?? 0);
        if (!next) continue;
        used -= recordWords(next.length);
        t.is(from.network, next.network);
        t.true(frameIsRight(out.bytes, next.seed, next.length));
      }
    }
    t.true(refused > 100, 'it was full now and then');
  }
});

test('the longest frame fits an empty ring wherever it begins; two do not fit the smallest', (t) => {
  const { to, from } = ends();
  const out = makeFrame();
  for (let i = 0; i < 50; i++) {
    t.is(to.push(1, framed(i, FRAME_SIZE), FRAME_SIZE), Pushed.wake);
    t.is(to.push(1, framed(i, FRAME_SIZE), FRAME_SIZE), Pushed.full);
    t.is(from.take(out), FRAME_SIZE);
    t.true(frameIsRight(out.bytes, i, FRAME_SIZE));
    t.is(to.push(1, framed(i, 11), 11), Pushed.wake);
    t.is(from.take(out), 11);
  }
});

test('nothing of a longer frame before is left behind a shorter one, nor touched beyond it', (t) => {
  const { to, from } = ends();
  const out = makeFrame();
  for (const length of [1, 2, 3, 4, 5, 6, 7, 8]) {
    to.push(1, framed(0, 64), 64);
    from.take(out);
    out.bytes.fill(0xee);
    to.push(1, framed(length, length), length);
    t.is(from.take(out), length);
    t.true(frameIsRight(out.bytes, length, length));
    t.true(out.bytes.subarray(length).every((byte) => byte === 0xee));
  }
});

test('sizes that are not possible are refused', (t) => {
  for (const bytes of [0, 1 << 16, (1 << 17) + 1, 2 ** 31]) t.throws(() => FrameRing.allocate(bytes), { instanceOf: RangeError });
  t.notThrows(() => FrameRing.allocate());
});

/**
 * Runs `act` and, in the middle of it, `other`: before its `nth` look at or change of shared memory. Answers whether there was
 * an nth. What a thread does between two of these is its own, so this is every way in which the two can meet.
 */
function interleave(nth: number, act: () => void, other: () => void): boolean {
  const { load, store } = Atomics;
  let seen = 0;
  const before = (): void => {
    if (seen++ === nth) {
      Object.assign(Atomics, { load, store });
      other();
      Object.assign(Atomics, hooked);
    }
  };
  const hooked = {
    load: (array: Int32Array, index: number): number => (before(), load(array, index)),
    store: (array: Int32Array, index: number, value: number): number => (before(), store(array, index, value)),
  };
  Object.assign(Atomics, hooked);
  try {
    act();
  } finally {
    Object.assign(Atomics, { load, store });
  }
  return seen > nth;
}

for (const waiting of [0, 1]) {
  test(`whatever a taker does while a frame is pushed onto ${waiting}: it has the frame, or is woken`, (t) => {
    let nth = 0;
    for (let more = true; more; nth++) {
      const { to, from } = ends();
      const out = makeFrame();
      for (let i = 0; i < waiting; i++) to.push(1, framed(i, 20), 20);
      let taken = 0;
      let pushed = -1;
      more = interleave(
        nth,
        () => (pushed = to.push(1, framed(9, 20), 20)),
        () => {
          while (from.take(out) > 0) taken++;
        },
      );
      if (more) t.true(taken === waiting + 1 || pushed === Pushed.wake, `met at ${nth}`);
    }
    t.true(nth > 3);
  });

  test(`whatever a pusher does while ${waiting} frames are taken: the taker finds its frame, or is woken`, (t) => {
    let nth = 0;
    for (let more = true; more; nth++) {
      const { to, from } = ends();
      const out = makeFrame();
      for (let i = 0; i < waiting; i++) to.push(1, framed(i, 20), 20);
      let taken = 0;
      let pushed = -1;
      more = interleave(
        nth,
        () => {
          while (from.take(out) > 0) taken++;
        },
        () => (pushed = to.push(1, framed(9, 20), 20)),
      );
      if (more) t.true(taken === waiting + 1 || pushed === Pushed.wake, `met at ${nth}`);
    }
    t.true(nth > 1);
  });
}

test('between two threads every frame arrives once and in order, and no wake-up is lost', async (t) => {
  const count = 60_000;
  const buffer = FrameRing.allocate(BYTES);
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const taker = new Worker(new URL('../../../support/ring-taker.js', import.meta.url), { workerData: { buffer, flag, count } });
  const result = new Promise((resolve, reject) => taker.on('message', resolve).on('error', reject));
  const ring = new FrameRing(buffer, 'push');
  const frame = makeFrame();
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const draw = seededRandom(7);
  let wakes = 0;
  for (let seq = 0; seq < count; seq++) {
    const length = 1 + (seq % 400);
    fillFrame(frame.bytes, seq, length);
    let pushed = ring.push(seq & 0xffff, frame, length);
    // No longer than until the other side gives up, should it sleep for ever.
    for (let tries = 0; pushed === Pushed.full && tries < 10_000; tries++) {
      Atomics.wait(pause, 0, 0, 1);
      pushed = ring.push(seq & 0xffff, frame, length);
    }
    if (pushed === Pushed.full) break;
    if (pushed === Pushed.wake) {
      wakes++;
      Atomics.store(flag, 0, 1);
      Atomics.notify(flag, 0);
    }
    // Now and then long enough for the other side to fall asleep, in the middle of whatever it does.
    for (let spin = Math.floor(draw() ** 8 * 3000); spin > 0; spin--) Atomics.load(flag, 0);
  }
  t.deepEqual(await result, { taken: count, wrong: 0, lostWakeUps: 0 });
  t.true(wakes > 10);
});
