/** One direction over sockets of a test: how many bytes they have and take is said for each call. */
import test from 'ava';
import { COPY_BYTES, Direction, type Copying, type Side } from '../../../../proxy/relay/direction.js';
import { Pipes } from '../../../../proxy/relay/pipes.js';
import { EAGAIN } from '../../../../proxy/relay/sockets.js';

const FROM = 10;
const TO = 20;
const EPIPE = 32;

/** Bytes that have come and are not read; how many bytes the receiver takes at each call; what it got. */
class Fake {
  readonly waiting: number[] = [];
  room = Infinity;
  readonly got: number[] = [];
  readonly calls: string[] = [];
  hasEnded = false;
  pipes = 1;
  open = 0;
  #inPipe: number[] = [];
  #next = 0;

  comes(bytes: number): this {
    for (let i = 0; i < bytes; i++) this.waiting.push(this.#next++ & 0xff);
    return this;
  }

  readonly sockets = {
    read: (_fd: number, buffer: Uint8Array, length: number): number => {
      this.calls.push('read');
      const taken = this.waiting.splice(0, length);
      buffer.set(taken);
      return taken.length > 0 ? taken.length : this.hasEnded ? 0 : -EAGAIN;
    },
    write: (_fd: number, buffer: Uint8Array, length: number): number => this.#take([...buffer.subarray(0, length)], 'write').sent,
    splice: (from: number, _to: number, length: number): number => {
      if (from === FROM) {
        this.calls.push('fill');
        this.#inPipe = this.waiting.splice(0, length);
        return this.#inPipe.length > 0 ? this.#inPipe.length : this.hasEnded ? 0 : -EAGAIN;
      }
      const { sent, rest } = this.#take(this.#inPipe, 'drain');
      this.#inPipe = rest;
      return sent;
    },
    finish: (): number => {
      this.calls.push('finish');
      return 0;
    },
    makePipe: () => {
      if (this.open >= this.pipes) return undefined;
      this.open++;
      return { read: 30, write: 31, size: 4 * COPY_BYTES };
    },
    close: (fd: number): void => void (fd === 30 && this.open--),
  };

  #take(bytes: number[], call: string): { sent: number; rest: number[] } {
    this.calls.push(call);
    const taken = bytes.slice(0, this.room);
    if (taken.length === 0) return { sent: this.room < 0 ? -EPIPE : -EAGAIN, rest: bytes };
    this.got.push(...taken);
    this.room -= taken.length;
    return { sent: taken.length, rest: bytes.slice(taken.length) };
  }
}

function rig(first?: Uint8Array) {
  const fake = new Fake();
  const side = (fd: number): Side => ({ fd, readable: true, writable: true, finished: false });
  const [from, to] = [side(FROM), side(TO)];
  const copying: Copying = { sockets: fake.sockets, pipes: new Pipes(fake.sockets, 1), buffer: new Uint8Array(COPY_BYTES) };
  return { fake, from, to, copying, direction: new Direction(from, to, copying, first) };
}

const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i & 0xff);

test('a short read is all there is: nothing is asked twice', (t) => {
  const { fake, from, direction } = rig();
  fake.comes(5);
  t.is(direction.pump(), 'waits');
  t.deepEqual(fake.calls, ['read', 'write']);
  t.false(from.readable);
  t.is(direction.bytes, 5);
  from.readable = true;
  t.is(direction.pump(), 'waits');
  t.deepEqual(fake.got, count(5));
});

test('FIN goes on behind the last byte, and only then', (t) => {
  const { fake, from, to, direction } = rig();
  fake.comes(10);
  fake.hasEnded = from.finished = true;
  fake.room = 4;
  t.is(direction.pump(), 'waits');
  t.false(fake.calls.includes('finish'));
  t.false(direction.isDone);
  fake.room = 100;
  to.writable = true;
  t.is(direction.pump(), 'done');
  t.deepEqual(fake.got, count(10));
  t.is(fake.calls.at(-1), 'finish');
  t.is(direction.pump(), 'done');
  t.is(fake.calls.filter((call) => call === 'finish').length, 1);
});

test('the last FIN of a connection is sent by its end', (t) => {
  const { fake, from, direction } = rig();
  fake.comes(3);
  fake.hasEnded = from.finished = true;
  t.is(direction.pump(true), 'done');
  t.deepEqual(fake.got, count(3));
  t.false(fake.calls.includes('finish'));
});

test('what the receiver does not take is kept, and nothing more is read until it is gone', (t) => {
  const { fake, to, direction } = rig();
  fake.comes(3 * COPY_BYTES);
  fake.room = 100;
  t.is(direction.pump(), 'waits');
  t.is(direction.bytes, COPY_BYTES);
  t.is(fake.calls.filter((call) => call === 'read').length, 1);
  fake.room = 50;
  to.writable = true;
  t.is(direction.pump(), 'waits');
  t.is(direction.bytes, COPY_BYTES);
  fake.room = Infinity;
  to.writable = true;
  t.is(direction.pump(), 'waits');
  t.deepEqual(fake.got, count(3 * COPY_BYTES));
});

test('a stream is spliced, its pipe held while there is something in it, and given up with it', (t) => {
  const { fake, from, to, copying, direction } = rig();
  fake.comes(20 * COPY_BYTES);
  t.is(direction.pump(), 'waits');
  t.deepEqual(fake.got, count(20 * COPY_BYTES));
  t.true(fake.calls.includes('fill') && fake.calls.includes('drain'));
  t.truthy(copying.pipes.take(), 'it was given back');
  const other = rig();
  other.fake.comes(20 * COPY_BYTES);
  other.fake.room = 5 * COPY_BYTES;
  t.is(other.direction.pump(), 'waits');
  t.is(other.copying.pipes.take(), undefined, 'it is held');
  other.direction.abandon();
  t.is(other.fake.open, 0, 'nobody is to read what is in it');
  // The same without a pipe for it.
  from.readable = to.writable = true;
  const before = fake.calls.length;
  fake.comes(2 * COPY_BYTES);
  t.is(direction.pump(), 'waits');
  t.false(fake.calls.slice(before).includes('fill'));
  t.deepEqual(fake.got, count(22 * COPY_BYTES));
});

test('one that sends without end lets others have their turn', (t) => {
  const { fake, direction } = rig();
  fake.comes(100 * COPY_BYTES);
  t.is(direction.pump(), 'more');
  t.true(direction.bytes >= 64 * COPY_BYTES && direction.bytes < 72 * COPY_BYTES);
  t.is(direction.pump(), 'waits');
  t.is(fake.got.length, 100 * COPY_BYTES);
});

test('what is to come first does, also when the sender says nothing', (t) => {
  const { fake, direction } = rig(Uint8Array.of(9, 8, 7));
  t.is(direction.pump(), 'waits');
  t.deepEqual(fake.got, [9, 8, 7]);
  t.is(direction.bytes, 0);
});

test('a receiver that is gone breaks it', (t) => {
  const { fake, direction } = rig();
  fake.comes(5);
  fake.room = -1;
  t.is(direction.pump(), 'broken');
});
