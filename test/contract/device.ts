/**
 * What every PacketDevice does. A harness joins two devices so that what is written to one arrives at the other; on the way
 * a router may have lowered the TTL and mended the checksum, so packets are compared by what follows their IP header.
 */
import assert from 'node:assert/strict';
import { EBADF, EINVAL, type PacketDevice } from '../../proxy/device/device.js';
import { FRAME_SIZE, IP } from '../../proxy/wire/frame.js';
import { pollUntil } from '../support/poll-until.js';

export interface DevicePair {
  readonly from: PacketDevice;
  readonly to: PacketDevice;
  /** A packet that travels: IPv4 from `source` to `destination`. */
  readonly source: number;
  readonly destination: number;
}

interface Case {
  readonly name: string;
  readonly run: (pair: DevicePair) => Promise<void>;
}

/** An IPv4 packet of `total` bytes, protocol 253 (RFC 3692), behind an empty virtio header. The payload tells `tag`. */
function frameOf(pair: DevicePair, tag: number, total = 60): Uint8Array {
  const bytes = new Uint8Array(IP + total);
  const view = new DataView(bytes.buffer, IP);
  view.setUint16(0, 0x4500);
  view.setUint16(2, total);
  view.setUint16(8, (64 << 8) | 253);
  view.setInt32(12, pair.source);
  view.setInt32(16, pair.destination);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += view.getUint16(at);
  sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(10, ~(sum + (sum >>> 16)));
  for (let at = 20; at < total; at++) bytes[IP + at] = tag + at;
  return bytes;
}

async function receive(device: PacketDevice): Promise<Uint8Array> {
  const buffer = new Uint8Array(FRAME_SIZE);
  const length = await pollUntil('a frame arrives', () => device.read(buffer));
  assert.ok(length > IP, `read answered ${length}`);
  return buffer.slice(0, length);
}

const payload = (frame: Uint8Array): Uint8Array => frame.slice(IP + 20);

export const deviceContract: readonly Case[] = [
  {
    name: 'where nothing waits, read answers 0 and does not block',
    run: ({ to }) => {
      assert.equal(to.read(new Uint8Array(FRAME_SIZE)), 0);
      return Promise.resolve();
    },
  },
  {
    name: 'frames arrive whole and in order, then nothing',
    async run(pair) {
      for (let tag = 0; tag < 20; tag++) {
        const frame = frameOf(pair, tag);
        assert.equal(pair.from.write(frame, frame.length), frame.length);
      }
      for (let tag = 0; tag < 20; tag++) {
        const arrived = await receive(pair.to);
        assert.equal(arrived.length, IP + 60);
        assert.deepEqual(payload(arrived), payload(frameOf(pair, tag)));
      }
      assert.equal(pair.to.read(new Uint8Array(FRAME_SIZE)), 0);
    },
  },
  {
    name: 'a written frame is not kept: its buffer may be used again at once',
    async run(pair) {
      const frame = frameOf(pair, 1);
      pair.from.write(frame, frame.length);
      frame.fill(0);
      assert.deepEqual(payload(await receive(pair.to)), payload(frameOf(pair, 1)));
    },
  },
  {
    name: 'only the first `length` bytes are sent',
    async run(pair) {
      const large = new Uint8Array(FRAME_SIZE).fill(0xff);
      large.set(frameOf(pair, 5));
      assert.equal(pair.from.write(large, IP + 60), IP + 60);
      assert.deepEqual(payload(await receive(pair.to)), payload(frameOf(pair, 5)));
    },
  },
  {
    name: 'the largest packet passes',
    async run(pair) {
      const frame = frameOf(pair, 9, 65_535);
      assert.equal(pair.from.write(frame, frame.length), frame.length);
      assert.deepEqual(payload(await receive(pair.to)), payload(frame));
    },
  },
  {
    name: 'a frame without a packet is invalid',
    run: ({ from }) => {
      for (let length = 0; length <= IP; length++) assert.equal(from.write(new Uint8Array(FRAME_SIZE), length), -EINVAL, `${length} bytes`);
      return Promise.resolve();
    },
  },
  {
    name: 'after close, which may be repeated, nothing is read or written',
    run: (pair) => {
      pair.from.close();
      pair.from.close();
      assert.equal(pair.from.read(new Uint8Array(FRAME_SIZE)), -EBADF);
      assert.equal(pair.from.write(frameOf(pair, 1), IP + 60), -EBADF);
      return Promise.resolve();
    },
  },
];
