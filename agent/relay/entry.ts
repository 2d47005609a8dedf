/**
 * What runs in the relay's thread for UDP, on Node's event loop. It enters the ingress sandbox for good, so every socket opened toward an endpoint is
 * in there, while the sockets that clients reach were made on the host and arrive as descriptor numbers: threads share
 * their process's descriptors, and a socket keeps the namespace it was made in.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../proxy/time/clock.js';
import type { RelayCall } from '../../proxy/relay/messages.js';
import { answer, makeCore, type RelayInput } from './serve.js';

if (parentPort) {
  const port = parentPort;
  const { core } = makeCore(workerData as RelayInput, systemClock);
  port.on('message', (call: RelayCall) => port.postMessage(answer(core, call)));
  port.postMessage({ kind: 'started' });
}
