/**
 * What runs in a dataplane worker thread: the system calls of kernel/ put under the loop of proxy/. Started by start.ts.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { adviseHugePages, raiseEvent } from '../../kernel/ffi/libc.js';
import { Counters } from '../../proxy/dataplane/counters.js';
import type { PacketIo } from '../../proxy/dataplane/handle.js';
import type { Request } from '../../proxy/dataplane/messages.js';
import { Pipeline } from '../../proxy/dataplane/pipeline.js';
import { FrameRing } from '../../proxy/dataplane/ring.js';
import { DataplaneWorker, type Emit, type Others } from '../../proxy/dataplane/worker.js';
import { AddressBook } from '../../proxy/flow/address-book.js';
import { FlowTable } from '../../proxy/flow/table.js';
import { AffinityTable } from '../../proxy/sched/affinity.js';
import { EndpointStats } from '../../proxy/sched/stats.js';
import { pollIo } from './poll-io.js';
import { uringIo } from './uring-io.js';

/** What start.ts gives its workers. */
export interface WorkerInput {
  /** Which worker this is. */
  readonly index: number;
  readonly packetIo: PacketIo['kind'];
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

function othersOf(input: WorkerInput, port: NonNullable<typeof parentPort>): Others {
  // performance.now() is the same clock as hrtime, but each thread counts from its own start.
  const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now() - input.clockStart;
  return {
    receive: () => (receiveMessageOnPort(port) as { message: Request } | undefined)?.message,
    send: (reply) => port.postMessage(reply),
    wake: (worker) => raiseEvent(input.wakeUps[worker]!),
    now: () => performance.now() + offset,
  };
}

if (parentPort) {
  const input = workerData as WorkerInput;
  const table = new FlowTable(input.table, { hashKey: input.hashKey, advise: adviseHugePages });
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
  const wakeUp = input.wakeUps[input.index]!;
  const makeIo = input.packetIo === 'io_uring' ? uringIo(wakeUp) : pollIo(wakeUp);
  new DataplaneWorker({ makePipeline, makeIo, flows: table, counters, others: othersOf(input, parentPort), peers }).run();
}
