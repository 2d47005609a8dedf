/**
 * The sockets that this process has open.
 */
import { readdirSync, readlinkSync } from 'node:fs';

/** One entry per descriptor: `socket:[4711]`. */
export function openSockets(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith('socket:') ? [target] : [];
    } catch {
      // readdir's own descriptor, closed by now.
      return [];
    }
  });
}
