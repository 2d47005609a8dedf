/** What runs in the fabric worker's thread. Started by start.ts. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { Counters } from '../../proxy/vxlan/counters.js';
import type { ThreadInput } from '../dataplane/thread.js';
import { FabricLoop } from './loop.js';
import type { Request } from './messages.js';

/** What start.ts gives it. */
export interface WorkerInput extends ThreadInput {
  readonly counters: SharedArrayBuffer;
}

if (parentPort) {
  const port = parentPort;
  const { counters, index, wakeUps } = workerData as WorkerInput;
  new FabricLoop({
    counters: new Counters(counters),
    wakeUp: wakeUps[index]!,
    receive: () => (receiveMessageOnPort(port) as { message: Request } | undefined)?.message,
    send: (reply) => port.postMessage(reply),
  }).run();
}
