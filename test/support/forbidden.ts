/**
 * Forbids what containers forbid with seccomp: this process, and what it starts from now on, makes no user namespace. For good.
 * x86-64 and arm64; the numbers are those of their system call tables.
 */
import { addressOf, prctl } from '../../kernel/ffi/libc.js';

/** linux/audit.h: AUDIT_ARCH_*; then unshare and clone. */
const CALLS = { x64: { arch: 0xc000003e, unshare: 272, clone: 56 }, arm64: { arch: 0xc00000b7, unshare: 97, clone: 220 } } as const;
/** On both. Its flags are in memory, where a filter cannot look: who is told that there is none uses clone. */
const CLONE3 = 435;
const CLONE_NEWUSER = 0x10000000;
const EPERM = 1;
const ENOSYS = 38;

/** linux/prctl.h, linux/seccomp.h. */
const PR_SET_NO_NEW_PRIVS = 38;
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2;
const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;

/** linux/filter.h: load a word at an offset of struct seccomp_data; jump if equal, if any bit; return. */
const LOAD = 0x20;
const EQUAL = 0x15;
const ANY_BIT = 0x45;
const RETURN = 0x06;

/** [code, jump if true, jump if false, operand] */
type Instruction = readonly [number, number, number, number];

/** Acts on the calling thread, which has to be the one that starts processes. */
export function forbidUserNamespaces(): void {
  const calls = CALLS[process.arch as keyof typeof CALLS] as (typeof CALLS)[keyof typeof CALLS] | undefined;
  if (!calls) throw new Error(`no system call numbers are known for ${process.arch}`);
  const program: Instruction[] = [
    [LOAD, 0, 0, 4],
    [EQUAL, 0, 8, calls.arch],
    [LOAD, 0, 0, 0],
    [EQUAL, 5, 0, CLONE3],
    [EQUAL, 1, 0, calls.unshare],
    [EQUAL, 0, 4, calls.clone],
    [LOAD, 0, 0, 16],
    [ANY_BIT, 0, 2, CLONE_NEWUSER],
    [RETURN, 0, 0, ERRNO | EPERM],
    [RETURN, 0, 0, ERRNO | ENOSYS],
    [RETURN, 0, 0, ALLOW],
  ];
  const filter = Buffer.alloc(8 * program.length);
  program.forEach(([code, yes, no, operand], index) => {
    filter.writeUInt16LE(code, 8 * index);
    filter.writeUInt8(yes, 8 * index + 2);
    filter.writeUInt8(no, 8 * index + 3);
    filter.writeUInt32LE(operand, 8 * index + 4);
  });
  // struct sock_fprog: the length, padding, a pointer.
  const fprog = Buffer.alloc(16);
  fprog.writeUInt16LE(program.length, 0);
  fprog.writeBigUInt64LE(addressOf(filter), 8);
  prctl(PR_SET_NO_NEW_PRIVS, 1);
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, Number(addressOf(fprog)));
}
