/**
 * What runs in a dataplane worker thread: the system calls of kernel/ put under the loop of proxy/. Started by start.ts.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { POLLERR, POLLHUP, POLLIN, POLLNVAL } from '../../kernel/ffi/constants.js';
import { poll, read } from '../../kernel/ffi/libc.js';
import { PollSet } from '../../kernel/ffi/structs.js';
import { TunDevice } from '../../kernel/tun/tun.js';
import { Counters } from '../../proxy/dataplane/counters.js';
import type { Request } from '../../proxy/dataplane/messages.js';
import { Pipeline } from '../../proxy/dataplane/pipeline.js';
import { DataplaneWorker, WAKE_UP, type Io } from '../../proxy/dataplane/worker.js';
import { FlowTable } from '../../proxy/flow/table.js';

/** What start.ts gives its worker. */
export interface WorkerInput {
  /** An eventfd, readable when there are requests. */
  readonly wakeUp: number;
  readonly table: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  /** Random, so that nobody outside can choose tuples that collide. */
  readonly hashKey: readonly [number, number];
}

function kernelIo(wakeUp: number, port: NonNullable<typeof parentPort>): Io {
  let set = new PollSet(16);
  set.set(WAKE_UP, wakeUp, POLLIN);
  let ready = 0;
  const eventCount = new Uint8Array(8);
  return {
    watch(position, fd) {
      if (position >= set.capacity) {
        const larger = new PollSet(set.capacity * 2);
        larger.bytes.set(set.bytes);
        set = larger;
      }
      set.set(position, fd, POLLIN);
    },
    wait(count, timeout) {
      // An interrupted wait (EINTR) leaves the results of the one before: nothing is ready then.
      ready = poll(set.bytes, count, timeout);
    },
    readable: (position) => ready > 0 && (set.ready(position) & POLLIN) !== 0,
    failed: (position) => ready > 0 && (set.ready(position) & (POLLERR | POLLHUP | POLLNVAL)) !== 0,
    quiet: () => void read(wakeUp, eventCount, eventCount.length),
    receive: () => (receiveMessageOnPort(port) as { message: Request } | undefined)?.message,
    send: (reply) => port.postMessage(reply),
    open: (fd) => new TunDevice(fd),
    now: () => performance.now(),
  };
}

if (parentPort) {
  const input = workerData as WorkerInput;
  const table = new FlowTable(input.table, { hashKey: input.hashKey });
  const counters = new Counters(input.counters);
  const io = kernelIo(input.wakeUp, parentPort);
  new DataplaneWorker({ pipeline: new Pipeline({ table, counters }), flows: table, counters, io }).run();
}
