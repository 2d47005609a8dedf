import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { DataplaneError, startDataplane } from '../../../../agent/dataplane/start.js';
import { IDLE_MS } from '../../../../proxy/dataplane/worker.js';

test('an empty data plane serves requests, and after close refuses them', async (t) => {
  const dataplane = await startDataplane({ maxFlows: 16 });
  await dataplane.apply({ epoch: 1, networks: [] });
  t.deepEqual(dataplane.flows(), []);
  t.is(dataplane.flowsTo(1, { address: 0 }), 0);
  t.true(Object.values(dataplane.counters()).every((count) => count === 0));
  await Promise.all([dataplane.close(), dataplane.close()]);
  await t.throwsAsync(dataplane.detach(1), { instanceOf: DataplaneError, message: 'the data plane is closed' });
  await t.notThrowsAsync(dataplane.close());
});

test('what the worker refuses is an error with its reason', async (t) => {
  const dataplane = await startDataplane({ maxFlows: 16 });
  // A descriptor below zero is one that poll(2) passes over.
  await dataplane.attach(1, [-1]);
  await t.throwsAsync(dataplane.attach(1, [-1]), { message: 'the data plane refused: network 1 is attached already' });
  await dataplane.close();
});

test('a device that is none is reported as lost', async (t) => {
  let lost: (text: string) => void = () => undefined;
  const reported = new Promise<string>((resolve) => (lost = resolve));
  const dataplane = await startDataplane({ maxFlows: 16, onDeviceLost: (network, cause) => lost(`${network} ${cause}`) });
  await dataplane.attach(3, [1_000_000]);
  t.is(await reported, '3 POLLERR');
  await dataplane.close();
});

test('a crash rejects what is under way and what comes later, and is reported once', async (t) => {
  const entry = new URL(
    'data:text/javascript,' +
      encodeURIComponent(`import { parentPort } from 'node:worker_threads';
        parentPort.on('message', ({ kind, id }) => {
          if (kind === 'apply') throw new Error('broken within');
          parentPort.postMessage({ kind: 'done', id });
        });`),
  );
  const errors: DataplaneError[] = [];
  const dataplane = await startDataplane({ maxFlows: 16, onError: (error) => errors.push(error) }, entry);
  const pending = dataplane.apply({ epoch: 1, networks: [] });
  await t.throwsAsync(pending, { instanceOf: DataplaneError, message: /^the data plane's thread crashed: Error: broken within/ });
  await t.throwsAsync(dataplane.detach(1), { message: /broken within/ });
  t.is(errors.length, 1);
  await t.notThrowsAsync(dataplane.close());
});

test('a process that exits does not wait for the worker', async (t) => {
  const module = new URL('../../../../agent/dataplane/start.js', import.meta.url).href;
  const source = `
    import(${JSON.stringify(module)}).then(async ({ startDataplane }) => {
      await startDataplane({ maxFlows: 16 });
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
