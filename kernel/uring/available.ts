/**
 * Whether packets can go through io_uring here. Found out by doing what will be done, apart from a TUN that has a link.
 */
import fs from 'node:fs';
import { EOPNOTSUPP } from '../ffi/constants.js';
import { SystemError, writeWithFlags } from '../ffi/libc.js';
import { IORING_OP_READ_MULTISHOT, IORING_REGISTER_PROBE, PROBE_HEADER_BYTES, PROBE_OPERATION_BYTES, PROBE_OPERATIONS, RWF_NOWAIT } from './abi.js';
import { ProvidedBuffers } from './buffers.js';
import { IoUring } from './uring.js';

const DISABLED = '/proc/sys/kernel/io_uring_disabled';
const TOO_OLD = 'it needs Linux 6.7 or newer';

/** Why not, or undefined. With a ring of the size that is needed: some kernels count its memory against RLIMIT_MEMLOCK. */
export function whyNoIoUring(entries = 8, completions = 8): string | undefined {
  let ring: IoUring | undefined;
  try {
    ring = new IoUring(entries, completions);
    const probe = new Uint8Array(PROBE_HEADER_BYTES + PROBE_OPERATIONS * PROBE_OPERATION_BYTES);
    ring.register(IORING_REGISTER_PROBE, probe, PROBE_OPERATIONS);
    const supported = probe[PROBE_HEADER_BYTES + IORING_OP_READ_MULTISHOT * PROBE_OPERATION_BYTES + 2] === 1;
    if (!supported) return TOO_OLD;
    ring.provide(new ProvidedBuffers(0, 1, 64));
    return tunMayWait() ? 'TUN devices of this kernel cannot be written to without waiting' : undefined;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return reason(error.code, error.message);
  } finally {
    ring?.close();
  }
}

/** By its code: what failed to make a ring. */
export function reason(code: string, message: string, disabled = readDisabled()): string {
  if (code === 'ENOSYS') return 'this kernel has none';
  if (code === 'EINVAL') return TOO_OLD;
  if (code === 'EPERM' || code === 'EACCES') return disabled === '0' || disabled === undefined ? 'a security policy (seccomp) forbids it' : `the sysctl kernel.io_uring_disabled is ${disabled}`;
  return message;
}

function readDisabled(): string | undefined {
  try {
    return fs.readFileSync(DISABLED, 'utf8').trim();
  } catch {
    return undefined; // before Linux 6.6
  }
}

/** RWF_NOWAIT is refused where a file does not know it; one without a link refuses the write itself. */
function tunMayWait(): boolean {
  let fd: number;
  try {
    fd = fs.openSync('/dev/net/tun', 'r+');
  } catch {
    return false; // whoever opens one in earnest says why it cannot be had
  }
  try {
    return writeWithFlags(fd, new Uint8Array(1), RWF_NOWAIT) === -EOPNOTSUPP;
  } finally {
    fs.closeSync(fd);
  }
}
