import test from 'ava';
import { Counters } from '../../../../proxy/dataplane/counters.js';
import type { Reply, Request } from '../../../../proxy/dataplane/messages.js';
import { FrameRing } from '../../../../proxy/dataplane/ring.js';
import { FRAMES_PER_TURN } from '../../../../proxy/dataplane/io.js';
import { type Readiness, ReadyIo, WAKE_UP } from '../../../../proxy/dataplane/ready-io.js';
import { DataplaneWorker, type Emit, IDLE_MS, type Others, type Peer, refusalCounter, TICK_MS } from '../../../../proxy/dataplane/worker.js';
import { EBADFD, EINVAL, EIO, ENOBUFS, type PacketDevice } from '../../../../proxy/device/device.js';
import { LoopbackDevice } from '../../../../proxy/device/loopback.js';
import { FRAME_SIZE, IP, type Frame } from '../../../../proxy/wire/frame.js';
import type { Snapshot } from '../../../../proxy/config/snapshot.js';

/** A first byte that is another worker's to add one to: 200 for worker 0, 201 for worker 1. */
const OWNED = 200;

/** A worker on devices in memory, whose pipeline adds one to the first byte of every packet. */
function bench(index = 0, peers: readonly (Peer | undefined)[] = [undefined]) {
  const devices = new Map<number, PacketDevice>();
  const requests: Request[] = [];
  const replies: Reply[] = [];
  const waits: { count: number; timeout: number }[] = [];
  const processed: { network: number; length: number; now: number }[] = [];
  const expired: number[] = [];
  const watched: number[] = [];
  const woken: number[] = [];
  const sweeps = { left: 0, done: 0 };
  let emit: Emit = () => undefined;
  let wakeUps = 0;
  const dead = new Set<number>();
  const clock = { now: 0 };
  const flows = { size: 0 };
  const counters = new Counters(Counters.allocate());
  const readable = (fd: number): boolean => (devices.get(fd) as Partial<LoopbackDevice> | undefined)?.waiting !== 0;
  const readiness: Readiness = {
    watch: (position, fd) => (watched[position] = fd),
    wait: (count, timeout) => waits.push({ count, timeout }),
    readable: (position) => (position === WAKE_UP ? requests.length > 0 || wakeUps > 0 : !dead.has(watched[position]!) && readable(watched[position]!)),
    failed: (position) => dead.has(watched[position]!),
    quiet: () => (wakeUps = 0),
    open: (fd) => devices.get(fd)!,
  };
  const others: Others = {
    receive: () => requests.shift(),
    send: (reply) => replies.push(reply),
    wake: (worker) => woken.push(worker),
    now: () => clock.now,
  };
  const pipeline = {
    refuse: () => undefined,
      configure(snapshot: Snapshot) {
      if (snapshot.epoch < 0) throw new Error('epoch is negative');
      sweeps.left = snapshot.epoch;
    },
    handOverLength: 0,
    process(network: number, frame: Frame, length: number, now: number) {
      processed.push({ network, length, now });
      const owner = frame.bytes[IP]! - OWNED;
      if (owner >= 0 && owner !== index) {
        this.handOverLength = length;
        return -(owner + 1);
      }
      frame.bytes[IP]! += 1;
      return length;
    },
    expire: (now: number) => void expired.push(now),
    sweep: () => {
      sweeps.done++;
      return --sweeps.left > 0;
    },
  };
  const makePipeline = (send: Emit): typeof pipeline => {
    emit = send;
    return pipeline;
  };
  const io = { closed: 0, checks: 0 };
  class CountedIo extends ReadyIo {
    override close(): void {
      io.closed++;
      super.close();
    }

    override check(): void {
      io.checks++;
    }
  }
  const worker = new DataplaneWorker({ makePipeline, makeIo: (sink) => new CountedIo(readiness, sink), flows, counters, others, peers });
  const far = (fd: number): LoopbackDevice => {
    const [near, other] = LoopbackDevice.pair();
    devices.set(fd, near);
    return other;
  };
  const ask = (request: Request): Reply[] => {
    requests.push(request);
    replies.length = 0;
    worker.round();
    return [...replies];
  };
  return { worker, devices, requests, replies, waits, processed, expired, dead, clock, flows, counters, far, ask, woken, sweeps, emit, io, wake: () => void wakeUps++ };
}

function frameOf(byte: number): Uint8Array {
  const frame = new Uint8Array(IP + 1);
  frame[IP] = byte;
  return frame;
}

function readAll(device: PacketDevice): number[] {
  const buffer = new Uint8Array(FRAME_SIZE);
  const seen: number[] = [];
  while (device.read(buffer) > 0) seen.push(buffer[IP]!);
  return seen;
}

test('what is read is processed for its network at the round’s time and written back', (t) => {
  const b = bench();
  const [one, two] = [b.far(11), b.far(12)];
  t.deepEqual(b.ask({ kind: 'attach', id: 1, network: 1, fd: 11 }), [{ kind: 'done', id: 1 }]);
  t.deepEqual(b.ask({ kind: 'attach', id: 2, network: 2, fd: 12 }), [{ kind: 'done', id: 2 }]);
  one.write(frameOf(10), IP + 1);
  one.write(frameOf(20), IP + 1);
  two.write(frameOf(30), IP + 1);
  b.clock.now = 5.7;
  b.worker.round();
  t.deepEqual(readAll(one), [11, 21]);
  t.deepEqual(readAll(two), [31]);
  t.deepEqual(
    b.processed.map(({ network, now }) => [network, now]),
    [[2, 5], [1, 5], [1, 5]],
  );
  t.is(b.waits.at(-1)!.count, 3);
});

test('what is thrown ends the worker, which lets its devices go first', (t) => {
  const b = bench();
  b.far(11);
  b.ask({ kind: 'attach', id: 1, network: 1, fd: 11 });
  const waits = b.waits.length;
  b.flows.size = 1;
  Object.defineProperty(b.clock, 'now', { get: () => (b.waits.length > waits + 1 ? explode() : 1) });
  t.throws(() => b.worker.run(), { message: 'out of order' });
  t.is(b.io.closed, 1);
});

function explode(): never {
  throw new Error('out of order');
}

test('devices are looked at when time has passed, besides what they say by themselves', (t) => {
  const b = bench();
  for (const now of [0, 50, TICK_MS, TICK_MS + 50, 3 * TICK_MS]) {
    b.clock.now = now;
    b.worker.round();
  }
  t.is(b.io.checks, 2);
});

test('no device keeps another from its turn', (t) => {
  const b = bench();
  const [one, two] = [b.far(11), b.far(12)];
  b.ask({ kind: 'attach', id: 1, network: 1, fd: 11 });
  b.ask({ kind: 'attach', id: 2, network: 2, fd: 12 });
  for (let i = 0; i < FRAMES_PER_TURN * 2; i++) two.write(frameOf(1), IP + 1);
  one.write(frameOf(1), IP + 1);
  b.worker.round();
  t.is(readAll(two).length, FRAMES_PER_TURN);
  t.is(readAll(one).length, 1);
});

test('a network is attached once; after detach its device is not touched', (t) => {
  const b = bench();
  const one = b.far(11);
  b.ask({ kind: 'attach', id: 1, network: 1, fd: 11 });
  t.deepEqual(b.ask({ kind: 'attach', id: 2, network: 1, fd: 11 }), [{ kind: 'failed', id: 2, reason: 'network 1 is attached already' }]);
  t.deepEqual(b.ask({ kind: 'detach', id: 3, network: 1 }), [{ kind: 'done', id: 3 }]);
  t.deepEqual(b.ask({ kind: 'detach', id: 4, network: 1 }), [{ kind: 'done', id: 4 }], 'idempotent');
  one.write(frameOf(1), IP + 1);
  b.worker.round();
  t.deepEqual(b.processed, []);
  t.deepEqual(readAll(one), []);
});

test('a snapshot that cannot be used is refused, and the worker goes on', (t) => {
  const b = bench();
  t.deepEqual(b.ask({ kind: 'apply', id: 1, snapshot: { epoch: -1, networks: [] } }), [{ kind: 'failed', id: 1, reason: 'epoch is negative' }]);
  t.deepEqual(b.ask({ kind: 'apply', id: 2, snapshot: { epoch: 1, networks: [] } }), [{ kind: 'done', id: 2 }]);
});

test('requests are answered in order, and close ends the loop after its answer', (t) => {
  const b = bench();
  b.requests.push({ kind: 'detach', id: 1, network: 1 }, { kind: 'close', id: 2 });
  b.worker.run();
  t.deepEqual(b.replies, [
    { kind: 'done', id: 1 },
    { kind: 'done', id: 2 },
  ]);
});

test('a device that fails is let go and reported; the others go on', (t) => {
  const b = bench();
  const others = [b.far(11), b.far(13), b.far(14)];
  let broken = false;
  b.devices.set(12, { read: () => (broken ? -EBADFD : 0), write: () => -EBADFD, close: () => undefined });
  for (const [i, fd] of [11, 12, 13, 14].entries()) b.ask({ kind: 'attach', id: fd, network: i + 1, fd });
  b.replies.length = 0;
  broken = true;
  b.worker.round();
  t.deepEqual(b.replies, [{ kind: 'lost', network: 2, errno: EBADFD }]);
  b.dead.add(13);
  b.worker.round();
  t.deepEqual(b.replies.slice(1), [{ kind: 'lost', network: 3, errno: 0 }]);
  others[0]!.write(frameOf(1), IP + 1);
  others[2]!.write(frameOf(5), IP + 1);
  b.worker.round();
  t.deepEqual(readAll(others[0]!), [2]);
  t.deepEqual(readAll(others[2]!), [6]);
  t.is(b.counters.get('devicesLost'), 2);
  t.is(b.waits.at(-1)!.count, 3);
});

test('a write that is refused is counted by its cause and nothing else suffers', (t) => {
  const b = bench();
  const refusals = [EIO, ENOBUFS, EINVAL, 999, ENOBUFS];
  const frames = [...refusals];
  b.devices.set(11, { read: () => (frames.length > 0 ? IP + 1 : 0), write: () => -frames.shift()!, close: () => undefined });
  b.ask({ kind: 'attach', id: 1, network: 1, fd: 11 });
  b.worker.round();
  const { deviceWriteBusy, deviceWriteInvalid, deviceWriteDown, deviceWriteErrors } = b.counters.toObject();
  t.deepEqual({ deviceWriteBusy, deviceWriteInvalid, deviceWriteDown, deviceWriteErrors }, { deviceWriteBusy: 2, deviceWriteInvalid: 1, deviceWriteDown: 1, deviceWriteErrors: 1 });
  t.not(refusalCounter(EIO), refusalCounter(EINVAL));
});

test('it ticks while there are flows, and waits long when there are none', (t) => {
  const b = bench();
  b.worker.round();
  t.is(b.waits.at(-1)!.timeout, IDLE_MS);
  b.clock.now = 10_000;
  b.worker.round();
  t.deepEqual(b.expired, [10_000], 'after a long wait too: fragments have no flow');
  b.flows.size = 1;
  b.clock.now = 10_050;
  b.worker.round();
  t.is(b.waits.at(-1)!.timeout, TICK_MS);
  t.deepEqual(b.expired, [10_000], 'not yet due');
  b.clock.now = 10_100;
  b.worker.round();
  b.clock.now = 10_150;
  b.worker.round();
  t.deepEqual(b.expired, [10_000, 10_100]);
});

test('after a snapshot it sweeps a step in each round, without waiting, and serves packets in between', (t) => {
  const b = bench();
  const one = b.far(11);
  b.ask({ kind: 'attach', id: 1, network: 1, fd: 11 });
  b.ask({ kind: 'apply', id: 2, snapshot: { epoch: 3, networks: [] } });
  t.is(b.sweeps.done, 0);
  for (let step = 1; step <= 3; step++) {
    for (let i = 0; i < FRAMES_PER_TURN; i++) one.write(frameOf(1), IP + 1);
    b.worker.round();
    t.is(b.waits.at(-1)!.timeout, 0);
    t.is(b.sweeps.done, step);
    t.is(readAll(one).length, FRAMES_PER_TURN);
  }
  b.worker.round();
  t.is(b.waits.at(-1)!.timeout, IDLE_MS);
  t.is(b.sweeps.done, 3);
  b.ask({ kind: 'apply', id: 3, snapshot: { epoch: -1, networks: [] } });
  b.worker.round();
  t.is(b.sweeps.done, 3, 'none for a snapshot that was refused');
});

test('what the pipeline sends by itself leaves through the device of its network, and is counted where there is none', (t) => {
  const b = bench();
  const [one, two] = [b.far(11), b.far(12)];
  b.ask({ kind: 'attach', id: 1, network: 1, fd: 11 });
  b.ask({ kind: 'attach', id: 2, network: 65_535, fd: 12 });
  const bytes = frameOf(9);
  b.emit(65_535, { bytes, view: new DataView(bytes.buffer) }, IP + 1);
  t.deepEqual([readAll(one), readAll(two)], [[], [9]]);
  b.ask({ kind: 'detach', id: 3, network: 65_535 });
  b.emit(65_535, { bytes, view: new DataView(bytes.buffer) }, IP + 1);
  t.deepEqual(readAll(two), []);
  t.is(b.counters.get('deviceWriteDown'), 1);
});

/** Two workers, each with a queue of network 1 (descriptor 11) and the rings between them. */
function pair() {
  const [up, down] = [FrameRing.allocate(1 << 17), FrameRing.allocate(1 << 17)];
  const zero = bench(0, [undefined, { to: new FrameRing(up, 'push'), from: new FrameRing(down, 'take') }]);
  const one = bench(1, [{ to: new FrameRing(down, 'push'), from: new FrameRing(up, 'take') }, undefined]);
  const fars = [zero, one].map((b) => {
    const far = b.far(11);
    b.ask({ kind: 'attach', id: 1, network: 1, fd: 11 });
    return far;
  }) as [LoopbackDevice, LoopbackDevice];
  return { zero, one, fars };
}

test('a packet of another worker’s flow is handed over, processed there and leaves through that worker’s queue', (t) => {
  const { zero, one, fars } = pair();
  for (const byte of [OWNED + 1, 5, OWNED + 1]) fars[0].write(frameOf(byte), IP + 1);
  zero.worker.round();
  t.deepEqual(readAll(fars[0]), [6]);
  t.deepEqual(zero.woken, [1], 'woken once: the second frame found the first still there');
  t.deepEqual(one.processed, []);
  one.wake();
  one.clock.now = 77;
  one.worker.round();
  t.deepEqual(one.processed, [
    { network: 1, length: IP + 1, now: 77 },
    { network: 1, length: IP + 1, now: 77 },
  ]);
  t.deepEqual(readAll(fars[1]), [OWNED + 2, OWNED + 2]);
  fars[1].write(frameOf(OWNED), IP + 1);
  one.worker.round();
  t.deepEqual(one.woken, [0]);
  zero.wake();
  zero.worker.round();
  t.deepEqual(readAll(fars[0]), [OWNED + 1]);
});

test('a ring gives a turn’s frames in each round, the next at once; devices have theirs in between', (t) => {
  const { zero, one, fars } = pair();
  for (let i = 0; i < FRAMES_PER_TURN + 5; i++) fars[0].write(frameOf(OWNED + 1), IP + 1);
  zero.worker.round();
  zero.worker.round();
  fars[1].write(frameOf(1), IP + 1);
  one.wake();
  one.worker.round();
  t.is(readAll(fars[1]).length, FRAMES_PER_TURN + 1);
  one.worker.round();
  t.is(one.waits.at(-1)!.timeout, 0);
  t.is(readAll(fars[1]).length, 5);
  one.worker.round();
  t.is(one.waits.at(-1)!.timeout, IDLE_MS);
});

test('what a full ring does not take is dropped and counted; what it took arrives', (t) => {
  const { zero, one, fars } = pair();
  let refused = 0;
  let sent = 0;
  while (refused === 0) {
    const frame = new Uint8Array(40_000);
    frame[IP] = OWNED + 1;
    fars[0].write(frame, frame.length);
    sent++;
    zero.worker.round();
    refused = zero.counters.get('handOverDropped');
  }
  one.wake();
  one.worker.round();
  t.is(readAll(fars[1]).length, sent - 1);
  t.is(refused, 1);
});
