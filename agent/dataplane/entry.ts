/**
 * What runs in a dataplane worker thread: the system calls of kernel/ put under the loop of proxy/. Started by start.ts.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { POLLERR, POLLHUP, POLLIN, POLLNVAL } from '../../kernel/ffi/constants.js';
import { poll, read, write } from '../../kernel/ffi/libc.js';
import { PollSet } from '../../kernel/ffi/structs.js';
import { TunDevice } from '../../kernel/tun/tun.js';
import { Counters } from '../../proxy/dataplane/counters.js';
import type { Request } from '../../proxy/dataplane/messages.js';
import { Pipeline } from '../../proxy/dataplane/pipeline.js';
import { FrameRing } from '../../proxy/dataplane/ring.js';
import { DataplaneWorker, WAKE_UP, type Emit, type Io } from '../../proxy/dataplane/worker.js';
import { AddressBook } from '../../proxy/flow/address-book.js';
import { FlowTable } from '../../proxy/flow/table.js';
import { AffinityTable } from '../../proxy/sched/affinity.js';
import { EndpointStats } from '../../proxy/sched/stats.js';

/** What start.ts gives its workers. */
export interface WorkerInput {
  /** Which worker this is. */
  readonly index: number;
  /** Of each worker an eventfd, readable when there is something for it: a request, or a frame in a ring. */
  readonly wakeUps: readonly number[];
  /** From this worker to each, and from each to this one; what stands at its own index is not used. */
  readonly ringsTo: readonly SharedArrayBuffer[];
  readonly ringsFrom: readonly SharedArrayBuffer[];
  readonly table: SharedArrayBuffer;
  readonly book: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  /** EndpointStats and AffinityTable of all workers together. */
  readonly stats: SharedArrayBuffer;
  readonly affinity: SharedArrayBuffer;
  /** Random, so that nobody outside can choose tuples that collide. The same for all workers. */
  readonly hashKey: readonly [number, number];
  /** Where the workers' clock begins: milliseconds of process.hrtime. */
  readonly clockStart: number;
}

/** Adds one to an eventfd. */
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

function kernelIo(input: WorkerInput, port: NonNullable<typeof parentPort>): Io {
  const wakeUp = input.wakeUps[input.index]!;
  let set = new PollSet(16);
  set.set(WAKE_UP, wakeUp, POLLIN);
  let ready = 0;
  const eventCount = new Uint8Array(8);
  // performance.now() is the same clock as hrtime, but each thread counts from its own start.
  const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now() - input.clockStart;
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
    wake: (worker) => void write(input.wakeUps[worker]!, ONE, ONE.length),
    now: () => performance.now() + offset,
  };
}

if (parentPort) {
  const input = workerData as WorkerInput;
  const table = new FlowTable(input.table, { hashKey: input.hashKey });
  const counters = new Counters(input.counters);
  const peers = input.wakeUps.map((_, worker) =>
    worker === input.index ? undefined : { to: new FrameRing(input.ringsTo[worker]!, 'push'), from: new FrameRing(input.ringsFrom[worker]!, 'take') },
  );
  const { hashKey } = input;
  const book = new AddressBook(input.book, { hashKey });
  const shared = { stats: new EndpointStats(input.stats), affinity: new AffinityTable(input.affinity) };
  const worker = { index: input.index, count: peers.length };
  // Each worker has an eighth of all numbers (MAX_WORKERS): fragments of two datagrams with one number would be put together.
  const identification = ((hashKey[0] ^ hashKey[1]) + (input.index << 29)) | 0;
  const makePipeline = (emit: Emit): Pipeline => new Pipeline({ table, book, counters, shared, worker, emit, identification });
  new DataplaneWorker({ makePipeline, flows: table, counters, io: kernelIo(input, parentPort), peers }).run();
}
