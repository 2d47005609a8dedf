/** The fabric worker as the agent holds it: what becomes of its socket, and of requests to a thread that has ended. */
import { fstatSync } from 'node:fs';
import test from 'ava';
import { FabricWorker, type FabricWorkerError } from '../../../../agent/fabric-worker/start.js';
import { bindUdp, listenTcp } from '../../../../kernel/netns/sockets.js';
import { pollUntil } from '../../../support/poll-until.js';

const isOpen = (fd: number): boolean => {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false;
  }
};

// Serial: a descriptor that is closed may be another test's at once.

test.serial('a socket is the worker’s from the beginning, also one that it cannot use', async (t) => {
  const worker = new FabricWorker();
  const bad = listenTcp(undefined, '127.0.0.1', 0);
  await t.throwsAsync(worker.open(bad), { name: 'SystemError', message: /^setsockopt/ });
  t.false(isOpen(bad));
  const good = bindUdp(undefined, '127.0.0.1', 0);
  await worker.open(good);
  t.true(isOpen(good));
  await worker.close();
  t.false(isOpen(good));
});

test.serial('a thread that crashed is reported once, refuses, and uses no TUN any more', async (t) => {
  const entry = new URL(
    'data:text/javascript,' +
      encodeURIComponent(`import { parentPort } from 'node:worker_threads';
        parentPort.on('message', () => { throw new Error('broken within'); });`),
  );
  const errors: FabricWorkerError[] = [];
  const worker = new FabricWorker({ onError: (error) => errors.push(error) }, entry);
  await t.throwsAsync(worker.setNodes([]), { name: 'FabricWorkerError', message: /^the thread of VXLAN in userspace crashed: Error: broken within/ });
  await t.notThrowsAsync(worker.forget(4097), 'its network can be taken down');
  await pollUntil('it is reported', () => errors.length > 0);
  t.is(errors.length, 1);
  const socket = bindUdp(undefined, '127.0.0.1', 0);
  await t.throwsAsync(worker.open(socket), { name: 'FabricWorkerError' });
  t.false(isOpen(socket));
  await worker.close();
});
