/**
 * System calls, typed. The only file that imports koffi; it works in worker threads too.
 *
 * Two conventions. Calls made once in a while throw SystemError. Those of the packet loops (read, write, poll, writev, sendMessage, recvmmsg, io_uring_enter) never
 * throw and never allocate: they answer the count, or minus the errno, as the kernel itself does.
 *
 * What Node can do synchronously itself (open, close, readlink) is not repeated here: node:fs does it on the calling
 * thread, so a descriptor opened with openSync inside Namespace.within() belongs to that namespace.
 */
import koffi from 'koffi';
import {
  FD_CLOEXEC,
  F_DUPFD_CLOEXEC,
  F_GETFL,
  F_SETFD,
  F_SETFL,
  MADV_HUGEPAGE,
  MAP_FAILED,
  MAP_POPULATE,
  MAP_SHARED,
  O_NONBLOCK,
  PAGE,
  PROT_READ,
  PROT_WRITE,
  SYS_IO_URING_ENTER,
  SYS_IO_URING_REGISTER,
  SYS_IO_URING_SETUP,
} from './constants.js';

/** A system call that failed: `open(/dev/net/tun): EACCES: permission denied`. */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  /** The errno's name, such as `EBUSY`. */
  readonly code: string;

  constructor(
    readonly syscall: string,
    readonly errno: number,
    subject = '',
  ) {
    const code = errnoName(errno);
    super(`${syscall}(${subject}): ${code}: ${errnoText(errno)}`);
    this.code = code;
  }
}

const libc = koffi.load(null);

const cRead = libc.func('long read(int, void *, size_t)') as (fd: number, buffer: Uint8Array, length: number) => number;
const cWrite = libc.func('long write(int, const void *, size_t)') as (fd: number, buffer: Uint8Array, length: number) => number;
const cWritev = libc.func('long writev(int, const void *, int)') as (fd: number, vector: Uint8Array, count: number) => number;
const cRecvmmsg = libc.func('int recvmmsg(int, void *, unsigned int, int, void *)') as (fd: number, messages: Uint8Array, count: number, flags: number, timeout: null) => number;
const cPoll = libc.func('int poll(void *, unsigned long, int)') as (fds: Uint8Array, count: number, timeout: number) => number;
const cIoctl = libc.func('int ioctl(int, unsigned long, ...)') as (fd: number, request: number, type: string, argument: Uint8Array | number) => number;
const cSetns = libc.func('int setns(int, int)') as (fd: number, type: number) => number;
const cUnshare = libc.func('int unshare(int)') as (flags: number) => number;
const cMount = libc.func('int mount(const char *, const char *, const char *, unsigned long, const char *)') as (
  source: string | null,
  target: string,
  type: string | null,
  flags: number,
  data: string | null,
) => number;
const cUmount = libc.func('int umount2(const char *, int)') as (target: string, flags: number) => number;
const cEventfd = libc.func('int eventfd(unsigned int, int)') as (initial: number, flags: number) => number;
const cFlock = libc.func('int flock(int, int)') as (fd: number, operation: number) => number;
const cSocket = libc.func('int socket(int, int, int)') as (family: number, type: number, protocol: number) => number;
const cSetsockopt = libc.func('int setsockopt(int, int, int, const void *, unsigned int)') as (
  fd: number,
  level: number,
  option: number,
  value: Uint8Array,
  length: number,
) => number;
const cGetsockopt = libc.func('int getsockopt(int, int, int, _Out_ void *, _Inout_ void *)') as (
  fd: number,
  level: number,
  option: number,
  value: Int32Array,
  length: Uint32Array,
) => number;
const cFcntl = libc.func('int fcntl(int, int, ...)') as (fd: number, command: number, type: string, argument: number) => number;
const cConnect = libc.func('int connect(int, const void *, unsigned int)') as (fd: number, address: Uint8Array, length: number) => number;
const cPpoll = libc.func('int ppoll(void *, unsigned long, const void *, const void *)') as (fds: Uint8Array, count: number, timeout: Uint8Array, mask: null) => number;
const cBind = libc.func('int bind(int, const void *, unsigned int)') as (fd: number, address: Uint8Array, length: number) => number;
const cListen = libc.func('int listen(int, int)') as (fd: number, backlog: number) => number;
const cSyscallSetup = libc.func('long syscall(long, unsigned int, void *)') as (number: number, entries: number, params: Uint8Array) => number;
const cSyscallEnter = libc.func('long syscall(long, int, unsigned int, unsigned int, unsigned int, const void *, size_t)') as (
  number: number,
  fd: number,
  submit: number,
  completions: number,
  flags: number,
  argument: Uint8Array,
  length: number,
) => number;
const cSyscallRegister = libc.func('long syscall(long, int, unsigned int, void *, unsigned int)') as (
  number: number,
  fd: number,
  operation: number,
  argument: Uint8Array,
  count: number,
) => number;
const cMmap = libc.func('void *mmap(void *, size_t, int, int, int, long)') as (address: null, length: number, protection: number, flags: number, fd: number, offset: number) => unknown;
const cMunmap = libc.func('int munmap(void *, size_t)') as (address: unknown, length: number) => number;
const cMadvise = libc.func('int madvise(size_t, size_t, int)') as (address: bigint, length: bigint, advice: number) => number;
const cPwritev2 = libc.func('long pwritev2(int, const void *, int, long, int)') as (fd: number, vector: Uint8Array, count: number, offset: number, flags: number) => number;
const cAdjtimex = libc.func('int adjtimex(void *)') as (timex: Uint8Array) => number;
const cSocketpair = libc.func('int socketpair(int, int, int, _Out_ int *)') as (family: number, type: number, protocol: number, pair: Int32Array) => number;
const cSendmsg = libc.func('long sendmsg(int, const void *, int)') as (fd: number, message: Uint8Array, flags: number) => number;
const cRecvmsg = libc.func('long recvmsg(int, void *, int)') as (fd: number, message: Uint8Array, flags: number) => number;
const cPrctl = libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)') as (option: number, a: number, b: number, c: number, d: number) => number;
const cCapset = libc.func('int capset(void *, const void *)') as (header: Uint8Array, data: Uint8Array) => number;
const cStrerror = libc.func('const char *strerror(int)') as (errno: number) => string;

// Without the aliases, the first name of a number is the usual one (EAGAIN before EWOULDBLOCK).
const ALIASES = new Set(['EWOULDBLOCK', 'EDEADLOCK', 'ENOTSUP']);
const NAMES = new Map(
  Object.entries(koffi.os.errno)
    .filter(([name]) => !ALIASES.has(name))
    .map(([name, value]) => [value, name] as const),
);

export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

function errnoText(errno: number): string {
  const text = cStrerror(errno);
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** A function of libc, for files that have a group of calls of their own beside this one. `prototype` as in C. */
export function libcFunction<F>(prototype: string): F {
  return libc.func(prototype) as F;
}

/** What a call answers by the convention of the packet loop: its result, or minus the errno. To be asked right after the call. */
export function orErrno(result: number): number {
  return result < 0 ? -koffi.errno() : result;
}

function check(result: number, syscall: string, subject: string): number {
  if (result < 0) throw new SystemError(syscall, koffi.errno(), subject);
  return result;
}

/** read(2) into the start of `buffer`. Bytes read, or -errno. */
export function read(fd: number, buffer: Uint8Array, length: number): number {
  return orErrno(cRead(fd, buffer, length));
}

/** write(2) of the first `length` bytes. Bytes written, or -errno. */
export function write(fd: number, buffer: Uint8Array, length: number): number {
  return orErrno(cWrite(fd, buffer, length));
}

/** poll(2) on `count` pollfd structures (kernel/ffi/structs). `timeout` in ms, -1 for ever. Ready descriptors, or -errno. */
export function poll(fds: Uint8Array, count: number, timeout: number): number {
  return orErrno(cPoll(fds, count, timeout));
}

/** ppoll(2): poll with a struct timespec (kernel/ffi/structs), for waits shorter than a millisecond. Ready descriptors, or -errno. */
export function ppoll(fds: Uint8Array, count: number, timeout: Uint8Array): number {
  return orErrno(cPpoll(fds, count, timeout, null));
}

/** writev(2) of `count` struct iovec (kernel/ffi/vectors). Bytes written, or -errno. */
export function writev(fd: number, vector: Uint8Array, count: number): number {
  return orErrno(cWritev(fd, vector, count));
}

/** recvmmsg(2) into `count` struct mmsghdr (kernel/ffi/vectors), without a timeout. Messages received, or -errno. */
export function recvmmsg(fd: number, messages: Uint8Array, count: number, flags: number): number {
  return orErrno(cRecvmmsg(fd, messages, count, flags, null));
}

/** io_uring_enter(2). Operations submitted, or -errno. */
export function ioUringEnter(fd: number, submit: number, completions: number, flags: number, argument: Uint8Array, length: number): number {
  return orErrno(cSyscallEnter(SYS_IO_URING_ENTER, fd, submit, completions, flags, argument, length));
}

/** connect(2) to an encoded sockaddr. 0, or -errno: -EINPROGRESS is the usual answer of a non-blocking socket. */
export function connect(fd: number, address: Uint8Array): number {
  return orErrno(cConnect(fd, address, address.length));
}

/** ioctl(2) with a structure, read and written in place, or an integer. `subject` names the object in an error. */
export function ioctl(fd: number, request: number, argument: Uint8Array | number, subject: string): void {
  const type = typeof argument === 'number' ? 'unsigned long' : 'void *';
  check(cIoctl(fd, request, type, argument), 'ioctl', subject);
}

/** Moves the calling thread. `type` is the CLONE_NEW… that the descriptor must be. */
export function setns(fd: number, type: number): void {
  check(cSetns(fd, type), 'setns', `fd ${fd}`);
}

/** Gives the calling thread new namespaces. */
export function unshare(flags: number): void {
  check(cUnshare(flags), 'unshare', `0x${flags.toString(16)}`);
}

export function mount(source: string | null, target: string, type: string | null, flags: number, data: string | null = null): void {
  check(cMount(source, target, type, flags, data), 'mount', target);
}

export function umount(target: string, flags: number): void {
  check(cUmount(target, flags), 'umount', target);
}

/** adjtimex(2) with a struct timex (kernel/ffi/structs): the clock's state, TIME_OK (0) to TIME_ERROR (5). */
export function adjtimex(timex: Uint8Array): number {
  return check(cAdjtimex(timex), 'adjtimex', '');
}

/** An eventfd counter, non-blocking and close-on-exec as `flags` say. */
export function eventfd(flags: number): number {
  return check(cEventfd(0, flags), 'eventfd', '');
}

const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);
const SUM = new Uint8Array(8);

/** Adds one to an eventfd: it is readable then. */
export function raiseEvent(fd: number): void {
  write(fd, ONE, ONE.length);
}

/** Takes what is in an eventfd that does not block: it is not readable then. */
export function clearEvent(fd: number): void {
  read(fd, SUM, SUM.length);
}

export function flock(fd: number, operation: number, subject: string): void {
  check(cFlock(fd, operation), 'flock', subject);
}

export function socket(family: number, type: number, protocol = 0): number {
  return check(cSocket(family, type, protocol), 'socket', `family ${family}`);
}

/** setsockopt(2) for the options whose value is an int. */
export function setsockopt(fd: number, level: number, option: number, value: number): void {
  const bytes = new Uint8Array(new Int32Array([value]).buffer);
  check(cSetsockopt(fd, level, option, bytes, bytes.length), 'setsockopt', `${level}, ${option}`);
}

/** getsockopt(2) for the options whose value is an int. */
export function getsockopt(fd: number, level: number, option: number): number {
  const value = new Int32Array(1);
  check(cGetsockopt(fd, level, option, value, new Uint32Array([value.byteLength])), 'getsockopt', `${level}, ${option}`);
  return value[0] ?? 0;
}

/** A second descriptor of the same open file, closed on exec (fcntl(2), F_DUPFD_CLOEXEC). */
export function duplicate(fd: number): number {
  return check(cFcntl(fd, F_DUPFD_CLOEXEC, 'int', 0), 'fcntl', `fd ${fd}`);
}

/** bind(2) to an encoded sockaddr (kernel/ffi/structs). `subject` is the address as the user knows it. */
export function bind(fd: number, address: Uint8Array, subject: string): void {
  check(cBind(fd, address, address.length), 'bind', subject);
}

export function listen(fd: number, backlog: number, subject: string): void {
  check(cListen(fd, backlog), 'listen', subject);
}

/** io_uring_setup(2). Fills in `params`; the descriptor is closed on exec. */
export function ioUringSetup(entries: number, params: Uint8Array): number {
  return check(cSyscallSetup(SYS_IO_URING_SETUP, entries, params), 'io_uring_setup', `${entries} entries`);
}

/** io_uring_register(2). Failing with `allowed` is no error. */
export function ioUringRegister(fd: number, operation: number, argument: Uint8Array, count: number, allowed?: string): void {
  if (cSyscallRegister(SYS_IO_URING_REGISTER, fd, operation, argument, count) >= 0) return;
  const errno = koffi.errno();
  if (errnoName(errno) !== allowed) throw new SystemError('io_uring_register', errno, `operation ${operation}`);
}

/** Where the bytes lie, for as long as their buffer is kept. */
export function addressOf(bytes: Uint8Array): bigint {
  return BigInt(koffi.address(bytes));
}

/**
 * Asks for huge pages (madvise(2)) where memory that is accessed at random lies, before it is touched: one look-aside entry covers 2 MiB
 * of it then, not 4 KiB. A kernel that has none goes on with small ones.
 */
export function adviseHugePages(bytes: Uint8Array): void {
  const end = addressOf(bytes) + BigInt(bytes.length);
  const page = BigInt(PAGE);
  const begin = (addressOf(bytes) + page - 1n) & -page;
  if (end > begin) cMadvise(begin, end - begin, MADV_HUGEPAGE);
}

export interface MappedMemory {
  /** Not to be touched after unmapMemory. */
  readonly buffer: ArrayBuffer;
  readonly pointer: unknown;
}

/** mmap(2) of a descriptor's memory, shared with the kernel. */
export function mapMemory(fd: number, length: number, offset: number): MappedMemory {
  const pointer = cMmap(null, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
  if (BigInt.asIntN(64, BigInt(koffi.address(pointer))) === MAP_FAILED) throw new SystemError('mmap', koffi.errno(), `fd ${fd}`);
  return { buffer: koffi.view(pointer, length), pointer };
}

export function unmapMemory(memory: MappedMemory): void {
  check(cMunmap(memory.pointer, memory.buffer.byteLength), 'munmap', '');
}

/** pwritev2(2) of one piece at no position. Bytes written, or -errno. */
export function writeWithFlags(fd: number, bytes: Uint8Array, flags: number): number {
  const vector = new BigUint64Array([addressOf(bytes), BigInt(bytes.length)]);
  return orErrno(cPwritev2(fd, new Uint8Array(vector.buffer), 1, -1, flags));
}

/** Sets FD_CLOEXEC of a descriptor (fcntl(2), F_SETFD): no program that we start gets it by itself. */
export function closeOnExec(fd: number): void {
  check(cFcntl(fd, F_SETFD, 'int', FD_CLOEXEC), 'fcntl', `fd ${fd}`);
}

/** Clears O_NONBLOCK of the open file behind a descriptor (fcntl(2), F_SETFL). */
export function makeBlocking(fd: number): void {
  const flags = check(cFcntl(fd, F_GETFL, 'int', 0), 'fcntl', `fd ${fd}`);
  check(cFcntl(fd, F_SETFL, 'int', flags & ~O_NONBLOCK), 'fcntl', `fd ${fd}`);
}

/** Two sockets that are connected to each other. */
export function socketPair(family: number, type: number): [number, number] {
  const pair = new Int32Array(2);
  check(cSocketpair(family, type, 0, pair), 'socketpair', `family ${family}`);
  return [pair[0] ?? -1, pair[1] ?? -1];
}

/** sendmsg(2) of a struct msghdr (kernel/ffi/message, kernel/ffi/vectors). Bytes sent, or -errno. */
export function sendMessage(fd: number, message: Uint8Array, flags: number): number {
  return orErrno(cSendmsg(fd, message, flags));
}

/** recvmsg(2) into a struct msghdr, which is written in place. Bytes received, or -errno. */
export function receiveMessage(fd: number, message: Uint8Array, flags: number): number {
  return orErrno(cRecvmsg(fd, message, flags));
}

/** prctl(2) of the calling thread. */
export function prctl(option: number, a = 0, b = 0): number {
  return check(cPrctl(option, a, b, 0, 0), 'prctl', `${option}, ${a}`);
}

/** capset(2) of the calling thread, with the structures as they are in capability.h, version 3. */
export function capset(header: Uint8Array, data: Uint8Array): void {
  check(cCapset(header, data), 'capset', '');
}
