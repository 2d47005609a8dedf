import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { once } from 'node:events';
import test from 'ava';
import { DataplaneError, defaultWorkers, flowsOfWorker, MAX_FLOWS, MAX_WORKERS, startDataplane } from '../../../../agent/dataplane/start.js';
import { EFD_CLOEXEC, EFD_NONBLOCK } from '../../../../kernel/ffi/constants.js';
import { eventfd } from '../../../../kernel/ffi/libc.js';
import { IDLE_MS } from '../../../../proxy/dataplane/worker.js';
import { skipWithout } from '../../../support/capability.js';
import { pollUntil } from '../../../support/poll-until.js';

for (const workers of [1, 3]) {
  test(`an empty data plane of ${workers} serves requests, and after close refuses them`, async (t) => {
    const dataplane = await startDataplane({ maxFlows: 16, workers });
    t.is(dataplane.workers, workers);
    await dataplane.apply({ epoch: 1, networks: [] });
    t.deepEqual(dataplane.flows(), []);
    t.is(dataplane.flowsTo(1, { address: 0 }), 0);
    t.true(Object.values(dataplane.counters()).every((count) => count === 0));
    await Promise.all([dataplane.close(), dataplane.close()]);
    await t.throwsAsync(dataplane.detach(1), { instanceOf: DataplaneError, message: 'the data plane is closed' });
    await t.notThrowsAsync(dataplane.close());
  });
}

for (const packetIo of ['poll', 'io_uring'] as const) {
  test(`${packetIo}: what a worker refuses is an error with its reason; a TUN has a queue for each worker`, async (t) => {
    if (packetIo === 'io_uring' && skipWithout(t, 'io_uring')) return;
    const dataplane = await startDataplane({ maxFlows: 16, workers: 2, packetIo });
    t.deepEqual(dataplane.packetIo, { kind: packetIo });
    // Stands in for a TUN without packets.
    const fd = eventfd(EFD_CLOEXEC | EFD_NONBLOCK);
    await dataplane.attach(1, [fd, fd]);
    await t.throwsAsync(dataplane.attach(1, [fd, fd]), { message: 'the data plane refused: network 1 is attached already' });
    await t.throwsAsync(dataplane.attach(2, [fd]), { instanceOf: DataplaneError, message: 'network 2 has 1 queues for 2 workers' });
    for (let times = 0; times < 3; times++) {
      await dataplane.detach(1);
      await dataplane.attach(1, [fd, fd]);
    }
    await dataplane.close();
    closeSync(fd);
  });

  test(`${packetIo}: a device that is none is reported as lost, once for all its queues, and again after it was attached again`, async (t) => {
    if (packetIo === 'io_uring' && skipWithout(t, 'io_uring')) return;
    const lost: string[] = [];
    const dataplane = await startDataplane({ maxFlows: 16, workers: 2, packetIo, onDeviceLost: (network, cause) => lost.push(`${network} ${cause}`) });
    for (let times = 1; times <= 2; times++) {
      await dataplane.attach(3, [1_000_000, 1_000_001]);
      await pollUntil('both workers have let it go', () => dataplane.counters().devicesLost === 2 * times);
      await dataplane.detach(3);
      t.deepEqual(lost, Array<string>(times).fill(packetIo === 'poll' ? '3 POLLERR' : '3 EBADF'));
    }
    await dataplane.close();
  });
}

test('how many workers and flows there may be', async (t) => {
  for (const workers of [0, -1, 1.5, MAX_WORKERS + 1]) await t.throwsAsync(startDataplane({ workers }), { instanceOf: RangeError });
  await t.throwsAsync(startDataplane({ maxFlows: MAX_FLOWS + 1 }), { instanceOf: RangeError });
  t.is(flowsOfWorker(1000, 1), 1000);
  t.is(flowsOfWorker(1000, 2), 500);
  t.is(flowsOfWorker(10, 8), 2);
  t.is(flowsOfWorker(1000, 3), 334);
  t.true(defaultWorkers() >= 1);
  t.deepEqual([1, 2, 3, 4, 8].map(defaultWorkers), [1, 1, 1, 2, 4]);
  t.is(defaultWorkers(64), MAX_WORKERS);
});

test('a crash of one worker rejects what is under way and what comes later, and is reported once', async (t) => {
  const entry = new URL(
    'data:text/javascript,' +
      encodeURIComponent(`import { parentPort, workerData } from 'node:worker_threads';
        parentPort.on('message', ({ kind, id }) => {
          if (kind === 'close') parentPort.close();
          if (kind === 'apply' && workerData.index === 1) throw new Error('broken within');
          parentPort.postMessage({ kind: 'done', id });
        });`),
  );
  const errors: DataplaneError[] = [];
  const dataplane = await startDataplane({ maxFlows: 16, workers: 3, onError: (error) => errors.push(error) }, entry);
  const pending = dataplane.apply({ epoch: 1, networks: [] });
  await t.throwsAsync(pending, { instanceOf: DataplaneError, message: /^the data plane's thread crashed: Error: broken within/ });
  await t.throwsAsync(dataplane.detach(1), { message: /broken within/ });
  t.is(errors.length, 1);
  await t.notThrowsAsync(dataplane.close());
});

test('how long an endpoint is ejected for is read from what the workers share', async (t) => {
  // Stands in for a worker: the second endpoint is ejected until a minute after the start (rows of 8 words after a header of 8; the fourth is the time).
  const entry = new URL(
    'data:text/javascript,' +
      encodeURIComponent(`import { parentPort, workerData } from 'node:worker_threads';
        parentPort.on('message', ({ kind, id, snapshot }) => {
          if (kind === 'close') parentPort.close();
          if (kind === 'apply') new Int32Array(workerData.stats)[8 + snapshot.networks[0].services[0].endpoints[1].row * 8 + 3] = 600;
          parentPort.postMessage({ kind: 'done', id });
        });`),
  );
  const dataplane = await startDataplane({ maxFlows: 16 }, entry);
  const endpoints = ['a', 'b'].map((id, address) => ({ id, address, weight: 1 }));
  const service = { id: 's', name: 's', vip: 9, scheduler: 'rr' as const, endpoints };
  await dataplane.apply({ epoch: 1, networks: [{ index: 0, id: 'n', name: 'n', balancer: 1, services: [service] }] });
  const left = dataplane.ejectedFor(0, 'b');
  t.true(left > 0 && left <= 60_000 && left % 100 === 0, `${left}`);
  t.deepEqual([dataplane.ejectedFor(0, 'a'), dataplane.ejectedFor(1, 'b'), dataplane.ejectedFor(0, 'c')], [0, 0, 0]);
  await dataplane.close();
});

test('a process that exits does not wait for the worker', async (t) => {
  const module = new URL('../../../../agent/dataplane/start.js', import.meta.url).href;
  const source = `
    import(${JSON.stringify(module)}).then(async ({ startDataplane }) => {
      await startDataplane({ maxFlows: 16, workers: 2 });
      process.stdout.write('up');
      process.exit(5);
    });`;
  const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  await child.stdout.take(1).toArray();
  const began = performance.now();
  t.deepEqual(await exited, [5, null]);
  t.true(performance.now() - began < IDLE_MS / 2, 'sooner than the worker’s own next look');
});
