/**
 * Packet I/O by poll(2), read(2) and write(2): works wherever a TUN does.
 */
import { POLLERR, POLLHUP, POLLIN, POLLNVAL } from '../../kernel/ffi/constants.js';
import { clearEvent, poll } from '../../kernel/ffi/libc.js';
import { PollSet } from '../../kernel/ffi/structs.js';
import { TunDevice } from '../../kernel/tun/tun.js';
import type { MakeIo } from '../../proxy/dataplane/io.js';
import { ReadyIo, WAKE_UP } from '../../proxy/dataplane/ready-io.js';

/** `wakeUp` is an eventfd that does not block. */
export function pollIo(wakeUp: number): MakeIo {
  let set = new PollSet(16);
  set.set(WAKE_UP, wakeUp, POLLIN);
  let ready = 0;
  const readiness = {
    watch(position: number, fd: number) {
      if (position >= set.capacity) {
        const larger = new PollSet(set.capacity * 2);
        larger.bytes.set(set.bytes);
        set = larger;
      }
      set.set(position, fd, POLLIN);
    },
    wait(count: number, timeout: number) {
      // An interrupted wait (EINTR) leaves the results of the one before: nothing is ready then.
      ready = poll(set.bytes, count, timeout);
    },
    readable: (position: number) => ready > 0 && (set.ready(position) & POLLIN) !== 0,
    failed: (position: number) => ready > 0 && (set.ready(position) & (POLLERR | POLLHUP | POLLNVAL)) !== 0,
    quiet: () => clearEvent(wakeUp),
    open: (fd: number) => new TunDevice(fd),
  };
  return (sink) => new ReadyIo(readiness, sink);
}
