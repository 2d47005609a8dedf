import fs from 'node:fs';
import test from 'ava';
import { AF_INET, EFD_CLOEXEC, EFD_NONBLOCK, POLLIN, POLLNVAL, SOCK_CLOEXEC, SOCK_STREAM } from '../../../../kernel/ffi/constants.js';
import { adviseHugePages, connect, errnoName, eventfd, ioctl, poll, ppoll, read, socket, SystemError, write } from '../../../../kernel/ffi/libc.js';
import { PollSet, sockaddrIn, Timespec } from '../../../../kernel/ffi/structs.js';
import { EAGAIN, EBADF, EBADFD, EINVAL, EIO, EMSGSIZE, ENETDOWN, ENOBUFS, ENOMEM } from '../../../../proxy/device/device.js';

test('an error names the call, its subject, the errno and its meaning', (t) => {
  const error = new SystemError('open', 13, '/dev/net/tun');
  t.is(error.message, 'open(/dev/net/tun): EACCES: permission denied');
  t.like(error, { name: 'SystemError', code: 'EACCES', errno: 13, syscall: 'open' });
  t.throws(() => ioctl(-1, 0, new Uint8Array(40), 'nothing'), { message: /^ioctl\(nothing\): EBADF: / });
});

test('the numbers that proxy/device knows are this system’s', (t) => {
  const names = [EIO, EBADF, EAGAIN, ENOMEM, EINVAL, EBADFD, EMSGSIZE, ENETDOWN, ENOBUFS].map(errnoName);
  t.deepEqual(names, ['EIO', 'EBADF', 'EAGAIN', 'ENOMEM', 'EINVAL', 'EBADFD', 'EMSGSIZE', 'ENETDOWN', 'ENOBUFS']);
  t.is(errnoName(4095), 'errno 4095');
});

test('read, write and poll answer counts or minus the errno', (t) => {
  const fd = eventfd(EFD_NONBLOCK | EFD_CLOEXEC);
  const set = new PollSet(2);
  set.set(0, fd, POLLIN);
  const bytes = new Uint8Array(new BigUint64Array([3n]).buffer);
  t.is(read(fd, new Uint8Array(8), 8), -EAGAIN);
  t.is(poll(set.bytes, 1, 0), 0);
  t.is(write(fd, bytes, 8), 8);
  t.is(poll(set.bytes, 1, 0), 1);
  t.is(set.ready(0), POLLIN);
  const got = new BigUint64Array(1);
  t.is(read(fd, new Uint8Array(got.buffer), 8), 8);
  t.is(got[0], 3n);
  fs.closeSync(fd);
  t.is(read(fd, bytes, 8), -EBADF);
  t.is(poll(set.bytes, 1, 0), 1);
  t.is(set.ready(0), POLLNVAL);
});

test('ppoll answers like poll, and waits as long as its timespec says', (t) => {
  const fd = eventfd(EFD_NONBLOCK | EFD_CLOEXEC);
  const set = new PollSet(1);
  set.set(0, fd, POLLIN);
  const timeout = new Timespec();
  t.is(ppoll(set.bytes, 1, timeout.set(0.2)), 0);
  write(fd, new Uint8Array(new BigUint64Array([1n]).buffer), 8);
  t.is(ppoll(set.bytes, 1, timeout.set(60_000)), 1);
  t.is(set.ready(0), POLLIN);
  fs.closeSync(fd);
});

test('connect answers 0 or minus the errno', (t) => {
  const ECONNREFUSED = 111;
  const fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC);
  // Port 1 of an address that nobody else uses: nothing listens there.
  t.is(connect(fd, sockaddrIn('127.99.99.99', 1)), -ECONNREFUSED);
  fs.closeSync(fd);
  t.is(connect(fd, sockaddrIn('127.0.0.1', 1)), -EBADF);
});

test('advice about memory changes none of it, whatever its size and place', (t) => {
  for (const [offset, length] of [[0, 0], [1, 4096], [100, 5 << 20]] as const) {
    const bytes = new Uint8Array(new SharedArrayBuffer(6 << 20), offset, length).fill(7);
    adviseHugePages(bytes);
    t.true(bytes.every((byte) => byte === 7));
  }
});
