/**
 * What this process may do beyond what every user may: seen in proc(5)'s status file, and given up (capabilities(7), prctl(2)).
 *
 * Both are of a thread, and are inherited by what it starts. Given up is what the calling thread has, which in Node is the one that
 * runs the program and starts all processes; threads of Node's own that are there already, which look up names and read files, keep theirs.
 */
import { readFileSync } from 'node:fs';
import { CAP_SETPCAP, LINUX_CAPABILITY_VERSION_3, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS } from '../ffi/constants.js';
import { capset, prctl } from '../ffi/libc.js';

/** Sets of capabilities: bit n is capability n. */
export interface Privileges {
  readonly permitted: bigint;
  readonly effective: bigint;
  readonly bounding: bigint;
  readonly noNewPrivileges: boolean;
}

/** `status` is the text of /proc/PID/status. */
export function parsePrivileges(status: string): Privileges {
  const set = (name: string): bigint => BigInt('0x' + (new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'));
  return { permitted: set('CapPrm'), effective: set('CapEff'), bounding: set('CapBnd'), noNewPrivileges: /^NoNewPrivs:\s*1$/m.test(status) };
}

/** Of the calling process's first thread. */
export function ownPrivileges(): Privileges {
  return parsePrivileges(readFileSync('/proc/self/status', 'utf8'));
}

export function mayUse({ effective }: Pick<Privileges, 'effective'>, capability: number): boolean {
  return ((effective >> BigInt(capability)) & 1n) === 1n;
}

/** The set of these. */
export function capabilitySet(capabilities: readonly number[]): bigint {
  return capabilities.reduce((set, capability) => set | (1n << BigInt(capability)), 0n);
}

/**
 * Keeps of the capabilities that the calling thread has only `kept`, for good, and lets no program that it starts get others, by set-uid
 * or file capabilities. Throws SystemError.
 */
export function givePrivilegesUp(kept: readonly number[]): void {
  const { permitted, bounding, effective } = ownPrivileges();
  const keptSet = capabilitySet(kept);
  prctl(PR_SET_NO_NEW_PRIVS, 1);
  if (permitted === 0n) return;
  if (mayUse({ effective }, CAP_SETPCAP)) {
    for (let capability = 0; capability < 64; capability++) {
      const bit = 1n << BigInt(capability);
      if ((bounding & bit) !== 0n && (keptSet & bit) === 0n) prctl(PR_CAPBSET_DROP, capability);
    }
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  const left = permitted & keptSet;
  const header = new Uint8Array(new Uint32Array([LINUX_CAPABILITY_VERSION_3, 0]).buffer);
  const [low, high] = [Number(left & 0xffffffffn), Number(left >> 32n)];
  // struct __user_cap_data_struct, of capabilities 0 to 31 and 32 to 63: effective, permitted, inheritable.
  capset(header, new Uint8Array(new Uint32Array([low, low, 0, high, high, 0]).buffer));
}
