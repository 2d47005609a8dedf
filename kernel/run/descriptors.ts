/**
 * Which of our descriptors a child gets: those that it is given, and no others.
 */
import fs from 'node:fs';
import { closeOnExec, SystemError } from '../ffi/libc.js';

/**
 * Keeps every descriptor that is open now, from 3 on, from children that are not given it. Node and this folder open theirs
 * so already; a native library may not (LMDB's data file), and a child that outlives us would hold it for ever.
 */
export function keepFromChildren(): void {
  for (const fd of fs.readdirSync('/proc/self/fd').map(Number)) {
    if (fd <= 2) continue;
    try {
      closeOnExec(fd);
    } catch (error) {
      // The one that the listing itself used is closed by now.
      if (!(error instanceof SystemError) || error.code !== 'EBADF') throw error;
    }
  }
}
