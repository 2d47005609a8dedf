import { closeSync, readdirSync, readlinkSync } from 'node:fs';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { EFD_CLOEXEC, EFD_NONBLOCK, POLLIN } from '../../../../kernel/ffi/constants.js';
import { eventfd, read, write } from '../../../../kernel/ffi/libc.js';
import { IORING_CQE_BUFFER_SHIFT, IORING_CQE_F_BUFFER, IORING_CQE_F_MORE } from '../../../../kernel/uring/abi.js';
import { reason } from '../../../../kernel/uring/available.js';
import { PinnedBuffer, ProvidedBuffers } from '../../../../kernel/uring/buffers.js';
import { IoUring } from '../../../../kernel/uring/uring.js';
import { EBADF, ENOBUFS } from '../../../../proxy/device/device.js';
import { skipWithout } from '../../../support/capability.js';

const ECANCELED = 125;

function ringOf(t: ExecutionContext, entries = 8): IoUring {
  const ring = new IoUring(entries, 64);
  t.teardown(() => ring.close());
  return ring;
}

/** An eventfd holds a number of 8 bytes: written ones are added up, a read takes the sum. */
function counter(t: ExecutionContext, flags = EFD_CLOEXEC): number {
  const fd = eventfd(flags);
  t.teardown(() => closeSync(fd));
  return fd;
}

const eight = (value: number): Uint8Array => new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);

interface Completion {
  userData: number;
  result: number;
  more: boolean;
  buffer: number | undefined;
}

function completions(ring: IoUring): Completion[] {
  const found: Completion[] = [];
  while (ring.next()) {
    const { userData, result, flags } = ring;
    const buffer = (flags & IORING_CQE_F_BUFFER) === 0 ? undefined : flags >>> IORING_CQE_BUFFER_SHIFT;
    found.push({ userData, result, more: (flags & IORING_CQE_F_MORE) !== 0, buffer });
  }
  return found;
}

const uringTest = (title: string, body: (t: ExecutionContext) => void): void =>
  test(title, (t) => {
    if (!skipWithout(t, 'io_uring')) body(t);
  });

uringTest('one read fills buffer after buffer, ends when there is none, and goes on with those given back', (t) => {
  const ring = ringOf(t);
  const buffers = new ProvidedBuffers(3, 4, 64);
  ring.provide(buffers);
  buffers.offer(2);
  const fd = counter(t);
  ring.readMultishot(fd, 3, 77);
  ring.wait(0);
  t.deepEqual(completions(ring), [], 'it waits');
  for (const [value, buffer] of [
    [5, 3],
    [6, 2],
  ] as const) {
    write(fd, eight(value), 8);
    ring.wait(1000);
    t.deepEqual(completions(ring), [{ userData: 77, result: 8, more: true, buffer }]);
    t.deepEqual(buffers.buffers[buffer]!.subarray(0, 8), eight(value));
  }
  write(fd, eight(7), 8);
  ring.wait(1000);
  t.deepEqual(completions(ring), [{ userData: 77, result: -ENOBUFS, more: false, buffer: undefined }]);
  buffers.give(2);
  buffers.give(3);
  buffers.offer(1);
  ring.readMultishot(fd, 3, 78);
  ring.wait(1000);
  t.deepEqual(completions(ring), [{ userData: 78, result: 8, more: true, buffer: 3 }], 'the one given back last');
  t.deepEqual(buffers.buffers[3]!.subarray(0, 8), eight(7));
  buffers.offer(4);
  write(fd, eight(8), 8);
  ring.wait(1000);
  t.deepEqual(completions(ring), [{ userData: 78, result: 8, more: true, buffer: 2 }]);
});

uringTest('gathering, a wait ends with the batch, or when its time is over and there is one', (t) => {
  const ring = ringOf(t);
  ring.gather(3, 20_000);
  const fds = [1, 2, 3].map((userData) => {
    const fd = counter(t, EFD_CLOEXEC | EFD_NONBLOCK);
    ring.pollMultishot(fd, POLLIN, userData);
    return fd;
  });
  const waited = (): number => {
    const began = performance.now();
    ring.wait(60_000);
    return performance.now() - began;
  };
  write(fds[0]!, eight(1), 8);
  t.true(waited() >= 19, 'for others to join it');
  t.deepEqual(completions(ring).map(({ userData }) => userData), [1]);
  for (const fd of fds) write(fd, eight(1), 8);
  waited();
  t.is(completions(ring).length, 3);
});

uringTest('writes are done when they are submitted, in order, more of them than there are entries; only a failed one is told', (t) => {
  const ring = ringOf(t, 4);
  const buffers = new ProvidedBuffers(0, 1, 64);
  const fd = counter(t, EFD_CLOEXEC | EFD_NONBLOCK);
  buffers.buffers[0]!.set(eight(3));
  const [low, high] = [buffers.addressLow[0]!, buffers.addressHigh[0]!];
  for (let n = 0; n < 10; n++) ring.write(fd, low, high, 8, 1);
  ring.submit();
  t.is(ring.waiting, 0);
  const sum = new Uint8Array(8);
  read(fd, sum, 8);
  t.deepEqual(sum, eight(30));
  ring.write(1_000_000, low, high, 8, 9);
  ring.wait(1000);
  t.deepEqual(completions(ring), [{ userData: 9, result: -EBADF, more: false, buffer: undefined }]);
});

uringTest('with no room, and a kernel that takes nothing, what waits is kept and no more is begun', (t) => {
  const isRing = (fd: string): boolean => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes('io_uring');
    } catch {
      return false;
    }
  };
  const before = new Set(readdirSync('/proc/self/fd').filter(isRing));
  const ring = new IoUring(4, 64);
  const [own] = readdirSync('/proc/self/fd').filter((fd) => isRing(fd) && !before.has(fd));
  // Every call fails from now on. It is not closed again: the number may be another's by then.
  closeSync(Number(own));
  for (let n = 0; n < 4; n++) t.true(ring.write(1_000_000, 0, 0, 8, n));
  t.false(ring.write(1_000_000, 0, 0, 8, 4));
  t.false(ring.readMultishot(1_000_000, 0, 5));
  t.false(ring.pollMultishot(1_000_000, POLLIN, 6));
  t.is(ring.waiting, 4);
});

uringTest('a poll tells of every change until it is cancelled; to cancel what is not there is no error', (t) => {
  const ring = ringOf(t);
  const fd = counter(t, EFD_CLOEXEC | EFD_NONBLOCK);
  ring.pollMultishot(fd, POLLIN, 5);
  for (let times = 0; times < 3; times++) {
    write(fd, eight(1), 8);
    ring.wait(1000);
    t.deepEqual(completions(ring), [{ userData: 5, result: POLLIN, more: true, buffer: undefined }]);
    read(fd, new Uint8Array(8), 8);
  }
  ring.cancel(4);
  ring.cancel(5);
  ring.wait(0);
  t.deepEqual(completions(ring), [{ userData: 5, result: -ECANCELED, more: false, buffer: undefined }]);
  ring.cancel(5);
});

uringTest('a wait without anything to come ends when its time is over', (t) => {
  const ring = ringOf(t);
  const began = performance.now();
  ring.wait(30);
  t.true(performance.now() - began >= 29);
  t.deepEqual(completions(ring), []);
});

uringTest('completions come round: many more than the ring holds', (t) => {
  const ring = ringOf(t);
  const fd = counter(t, EFD_CLOEXEC | EFD_NONBLOCK);
  ring.pollMultishot(fd, POLLIN, 5);
  for (let n = 0; n < 500; n++) {
    write(fd, eight(1), 8);
    ring.wait(1000);
    t.is(completions(ring).length, 1);
  }
});

test('memory for the kernel starts at a page', (t) => {
  for (const length of [1, 4096, 10_000]) {
    const { bytes, address } = new PinnedBuffer(length);
    t.is(bytes.length, length);
    t.is(address % 4096n, 0n);
  }
});

test('why there is none is said by what failed', (t) => {
  t.is(reason('ENOSYS', '', undefined), 'this kernel has none');
  t.is(reason('EINVAL', '', '0'), 'it needs Linux 6.7 or newer');
  t.is(reason('EPERM', '', '2'), 'the sysctl kernel.io_uring_disabled is 2');
  t.is(reason('EPERM', '', '0'), 'a security policy (seccomp) forbids it');
  t.is(reason('EPERM', '', undefined), 'a security policy (seccomp) forbids it');
  t.is(reason('ENOMEM', 'io_uring_setup(8 entries): ENOMEM: cannot allocate memory', '0'), 'io_uring_setup(8 entries): ENOMEM: cannot allocate memory');
});
