/**
 * The relay's worker thread. Its thread enters the ingress sandbox for good, so every socket opened toward an endpoint is
 * in there, while the sockets that clients reach were made on the host and arrive as descriptor numbers: threads share
 * their process's descriptors, and a socket keeps the namespace it was made in.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { enterNamespace } from '../../kernel/netns/netns.js';
import { socketFamily } from '../../kernel/netns/socket-info.js';
import { RelayCore } from '../../proxy/relay/core.js';
import type { RelayCall, RelayLimits, RelayReply } from '../../proxy/relay/messages.js';
import { systemClock } from '../../proxy/time/clock.js';
import { wasReset } from './socket-reset.js';

export interface RelayWorkerData {
  /** undefined: the thread stays in the namespace of the process. */
  readonly namespaceFd: number | undefined;
  readonly limits: RelayLimits;
}

const port = parentPort;
if (!port) throw new Error('agent/relay/entry is the start of a worker thread');
const { namespaceFd, limits } = workerData as RelayWorkerData;
if (namespaceFd !== undefined) enterNamespace(namespaceFd);

const core = new RelayCore({ limits, clock: systemClock, wasReset, familyOf: socketFamily });
const reply = (message: RelayReply): void => port.postMessage(message);

port.on('message', ({ call, request }: RelayCall) => {
  core.handle(request).then(
    (value) => reply({ kind: 'done', call, value }),
    (error: unknown) => reply({ kind: 'failed', call, message: error instanceof Error ? error.message : String(error) }),
  );
});
reply({ kind: 'started' });
