/**
 * What every packet I/O does (proxy/dataplane/io.ts). Pairs of datagram sockets stand in for TUNs; a frame is one byte.
 */
import { closeSync } from 'node:fs';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../../kernel/ffi/constants.js';
import { eventfd, raiseEvent, read, write } from '../../kernel/ffi/libc.js';
import { EBADF } from '../../proxy/device/device.js';
import { FRAMES_PER_TURN, type MakeIo } from '../../proxy/dataplane/io.js';
import { type Frame, makeFrame } from '../../proxy/wire/frame.js';
import { type Need, skipWithout } from '../support/capability.js';
import { datagramPair } from '../support/datagram-pair.js';

export function ioContract(name: string, make: (wakeUp: number) => MakeIo, ...needs: Need[]): void {
  const rule = (title: string, body: (t: ExecutionContext, bench: ReturnType<typeof benchOf>) => void): void =>
    test(`${name}: ${title}`, (t) => {
      if (!skipWithout(t, ...needs)) body(t, benchOf(t));
    });

  function benchOf(t: ExecutionContext) {
    const wakeUp = eventfd(EFD_CLOEXEC | EFD_NONBLOCK);
    const frames: [network: number, value: number][] = [];
    const lost: [network: number, errno: number][] = [];
    const refused: number[] = [];
    /** What is done with a frame while it is delivered. */
    const onFrame = { act: (_network: number, _frame: Frame) => undefined as void };
    const io = make(wakeUp)({
      frame(network, frame, length) {
        t.is(length, 1);
        frames.push([network, frame.bytes[0]!]);
        onFrame.act(network, frame);
      },
      lost: (network, errno) => lost.push([network, errno]),
      refused: (errno) => refused.push(errno),
    });
    t.teardown(() => {
      io.close();
      closeSync(wakeUp);
    });
    /** A device, and the far end that its frames come from and go to. */
    const device = (): [number, number] => {
      const [near, far] = datagramPair();
      t.teardown(() => {
        closeSync(near);
        closeSync(far);
      });
      return [near, far];
    };
    const send = (far: number, ...values: number[]): void => {
      for (const value of values) t.is(write(far, Uint8Array.of(value), 1), 1);
    };
    /** What has arrived at a far end. */
    const arrived = (far: number): number[] => {
      io.flush();
      const values: number[] = [];
      const byte = new Uint8Array(1);
      while (read(far, byte, 1) === 1) values.push(byte[0]!);
      return values;
    };
    const turn = (timeout = 1000): boolean => {
      io.wait(timeout);
      return io.deliver();
    };
    return { io, device, wakeUp, frames, lost, refused, onFrame, turn, send, arrived };
  }

  rule('waits for as long as it is told when nothing comes', (t, { io, device, turn, frames }) => {
    io.attach(1, device()[0]);
    for (let times = 0; times < 2; times++) {
      const began = performance.now();
      t.false(turn(30));
      t.true(performance.now() - began >= 29);
    }
    t.false(turn(0));
    t.deepEqual(frames, []);
  });

  rule('a wake-up ends the wait, is told once, and the next one too', (t, { wakeUp, turn }) => {
    for (let times = 0; times < 3; times++) {
      raiseEvent(wakeUp);
      raiseEvent(wakeUp);
      t.true(turn(100_000));
      t.false(turn(0));
    }
  });

  rule('what is read is delivered for its network, and what is written from there leaves through it, in order', (t, { io, device, turn, frames, onFrame, refused, send, arrived }) => {
    const [one, farOne] = device();
    const [two, farTwo] = device();
    io.attach(1, one);
    io.attach(65_535, two);
    onFrame.act = (network, frame) => {
      frame.bytes[0]! += 100;
      if (frame.bytes[0] !== 106) io.write(network, frame, 1);
    };
    send(farOne, 5, 6, 7);
    send(farTwo, 8);
    turn();
    turn(0);
    t.deepEqual(frames.sort(([a], [b]) => a - b), [[1, 5], [1, 6], [1, 7], [65_535, 8]]);
    t.deepEqual([arrived(farOne), arrived(farTwo)], [[105, 107], [108]]);
    t.deepEqual(refused, []);
  });

  rule('a frame that is not being delivered may be changed as soon as it is written', (t, { io, device, onFrame, turn, send, arrived }) => {
    const [near, far] = device();
    io.attach(2, near);
    const frame = makeFrame();
    for (const value of [3, 4]) {
      frame.bytes[0] = value;
      io.write(2, frame, 1);
    }
    t.deepEqual(arrived(far), [3, 4]);
    let delivered: Frame | undefined;
    onFrame.act = (_network, its) => (delivered = its);
    send(far, 1);
    turn();
    io.write(2, delivered!, 1);
    delivered!.bytes[0] = 99;
    t.deepEqual(arrived(far), [1], 'nor does it count that it was delivered once');
  });

  rule('many frames come in turns, none twice, none never, each still as it was read; another device has its own turn', (t, { io, device, turn, frames, onFrame, send, arrived }) => {
    const [many, farMany] = device();
    const [few, farFew] = device();
    io.attach(1, many);
    io.attach(2, few);
    onFrame.act = (network, frame) => io.write(network, frame, 1);
    const sent: number[] = [];
    const seen: number[] = [];
    for (let round = 0; round < 40; round++) {
      // As many as a unix socket holds (net.unix.max_dgram_qlen, 10), in the middle of the turns too.
      const values = Array.from({ length: 9 }, (_, n) => (round * 9 + n) % 251);
      send(farMany, ...values);
      sent.push(...values);
      if (round === 20) send(farFew, 7);
      turn();
      seen.push(...arrived(farMany));
    }
    for (let n = 0; n < 3; n++) turn(0);
    seen.push(...arrived(farMany));
    t.deepEqual(frames.filter(([network]) => network === 1).map(([, value]) => value), sent);
    t.deepEqual(seen, sent);
    t.deepEqual(arrived(farFew), [7]);
    t.true(FRAMES_PER_TURN >= 9);
  });

  rule('after detach nothing is delivered or written, and its place serves again', (t, { io, device, turn, frames, refused, send }) => {
    io.detach(1);
    for (let times = 0; times < 5; times++) {
      const [[one, farOne], [two, farTwo]] = [device(), device()];
      io.attach(1, one);
      io.attach(2, two);
      t.true(io.has(1) && io.has(2));
      send(farOne, 8);
      turn();
      t.deepEqual(frames.splice(0), [[1, 8]]);
      send(farOne, 6);
      send(farTwo, 6);
      io.detach(1);
      io.detach(2);
      t.false(io.has(1) || io.has(2));
      turn(0);
      t.deepEqual(frames, []);
      io.write(1, makeFrame(), 1);
      t.deepEqual(refused.splice(0), [EBADF]);
    }
  });

  rule('a device that is none is told, once; the others go on', (t, { io, device, turn, lost, frames, send }) => {
    const [near, far] = device();
    io.attach(1, 1_000_000);
    io.attach(2, near);
    for (let n = 0; n < 3; n++) turn(0);
    t.is(lost.length, 1);
    t.is(lost[0]![0], 1);
    t.false(io.has(1));
    send(far, 4);
    turn();
    t.deepEqual(frames, [[2, 4]]);
    io.attach(1, device()[0]);
    t.true(io.has(1));
  });

  rule('a device that goes without a word is told all the same, once, and its place serves again', (t, { io, device, turn, lost, frames, send }) => {
    const [near, far] = device();
    const [gone, farGone] = datagramPair();
    t.teardown(() => closeSync(farGone));
    io.attach(1, near);
    io.attach(2, gone);
    const look = (): void => {
      turn(0);
      io.check();
    };
    look();
    t.deepEqual(lost, []);
    closeSync(gone);
    for (let n = 0; n < 3; n++) look();
    t.deepEqual(lost, [[2, 0]]);
    t.false(io.has(2));
    send(far, 4);
    turn();
    t.deepEqual(frames, [[1, 4]]);
    const [next, farNext] = device();
    io.attach(2, next);
    send(farNext, 5);
    turn();
    look();
    t.deepEqual(frames, [[1, 4], [2, 5]]);
    t.is(lost.length, 1);
  });

  rule('a write that is refused is told by its errno', (t, { io, turn, onFrame, refused, send }) => {
    const [near, far] = datagramPair();
    io.attach(1, near);
    onFrame.act = (network, frame) => {
      closeSync(far);
      io.write(network, frame, 1);
    };
    send(far, 1);
    turn();
    turn(0);
    const ECONNREFUSED = 111;
    t.deepEqual(refused, [ECONNREFUSED]);
    io.detach(1);
    closeSync(near);
  });
}
