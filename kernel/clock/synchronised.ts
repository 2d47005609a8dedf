/**
 * Whether the kernel takes its clock for right: somebody (NTP, a time server of the machine) sets it.
 */
import { adjtimex } from '../ffi/libc.js';
import { statusOfTimex, TIMEX_BYTES } from '../ffi/structs.js';

/** include/uapi/linux/timex.h: bit of `status`, and what adjtimex(2) answers then, too. */
const STA_UNSYNC = 0x40;
const TIME_ERROR = 5;

/** By adjtimex(2), with nothing changed. Throws SystemError where a policy forbids it. */
export function isSynchronised(): boolean {
  const timex = new Uint8Array(TIMEX_BYTES);
  const state = adjtimex(timex);
  return state !== TIME_ERROR && (statusOfTimex(timex) & STA_UNSYNC) === 0;
}
