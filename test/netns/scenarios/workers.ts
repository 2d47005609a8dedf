/**
 * Scenarios for several workers on the queues of one TUN: real traffic on a test host, more flows than the kernel can
 * remember queues for, so that packets come to workers whose flows they are not of.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openNamespace } from '../../../kernel/netns/netns.js';
import { run, start } from '../../../kernel/run/runner.js';
import { blobHash } from '../../support/endpoint-server.js';
import { pollUntil } from '../../support/poll-until.js';
import { INDEX, startServers, stop, VIP, withNet, type Net } from './sandbox.js';

const WORKERS = 2;
/** Each has two sides, and a TUN remembers the queue of 4096 (MAX_TAP_FLOWS, drivers/net/tun.c). */
const CLIENTS = 5000;
const FIRST_PORT = 20_000;

/** What a packet may come to, by the names of the counters. */
const isOutcome = (name: string): boolean => /^(forwardedPackets|handedOver|heldFragments|replied.*|refused.*|dropped.*)$/.test(name);

function assertBooksBalance(counters: Record<string, number>): void {
  const outcomes = Object.entries(counters).filter(([name]) => isOutcome(name));
  assert.equal(outcomes.reduce((sum, [, count]) => sum + count, 0), counters.receivedPackets, JSON.stringify(counters));
}

async function assertBodyArrives(net: Net): Promise<void> {
  const bytes = 16 << 20;
  const sum = await run('sh', ['-c', `curl -sS --max-time 60 http://${VIP}/blob/${bytes} | sha256sum`], { netns: net.client });
  assert.equal(sum.split(' ')[0], blobHash(bytes));
}

/** Thousands of flows, each answered by its endpoint again and again; some of the packets were handed over. */
export async function manyFlows(): Promise<void> {
  await withNet(
    async (net) => {
      const servers = await startServers(net);
      const program = fileURLToPath(new URL('../../support/udp-clients.js', import.meta.url));
      const args = [VIP, 53, FIRST_PORT, CLIENTS, 2].map(String);
      const output = await run(process.execPath, [program, ...args], { netns: net.client });
      const rounds = output.trim().split('\n').map((line) => JSON.parse(line) as string[]);
      for (const [round, answers] of rounds.entries()) {
        answers.forEach((answer, i) => assert.match(answer, new RegExp(`^[ab] ${round}\\.${i}$`)));
      }
      const [first, second] = rounds.map((answers) => answers.map((answer) => answer[0]));
      assert.deepEqual(second, first, 'a flow stays with its endpoint, whichever worker sees its packets first');

      await Promise.all(Array.from({ length: 4 }, () => assertBodyArrives(net)));

      const flows = net.dataplane.flows().filter(({ protocol }) => protocol === 'udp');
      assert.equal(flows.length, CLIENTS);
      assert.equal(new Set(flows.map(({ client }) => client)).size, CLIENTS, 'no flow is in two tables');
      const counters = net.dataplane.counters();
      // Of each packet whose queue the kernel did not know, one half came to the wrong worker.
      assert.ok(counters.handedOver! > CLIENTS / 2, `handed over: ${counters.handedOver}`);
      assert.equal(counters.refusedNoFlow, 0);
      // What came last may be on its way through a worker at this very moment.
      await pollUntil('the books balance', () => (assertBooksBalance(net.dataplane.counters()), true));
      process.stdout.write(`received ${counters.receivedPackets}, handed over ${counters.handedOver}, dropped by a ring ${counters.handOverDropped}\n`);
      stop(servers);
    },
    { workers: WORKERS },
  );
}

/** The TUN is taken from the workers and given back: connections go on. */
export async function attachedAgain(): Promise<void> {
  await withNet(
    async (net) => {
      const servers = await startServers(net);
      const bytes = 64 << 20;
      const body = run('sh', ['-c', `curl -sS --max-time 60 http://${VIP}/blob/${bytes} | sha256sum`], { netns: net.client });
      await pollUntil('the body is on its way', () => (net.dataplane.counters().forwardedBytes ?? 0) > 1 << 20);
      await net.dataplane.detach(INDEX);
      const before = net.dataplane.counters().receivedPackets;
      await assert.rejects(run('curl', ['-sS', '--connect-timeout', '0.5', `http://${VIP}/`], { netns: net.client }), { exitCode: 28 });
      assert.equal(net.dataplane.counters().receivedPackets, before, 'nobody reads');
      await net.dataplane.attach(INDEX, net.sandbox.tunFds);
      assert.equal((await body).split(' ')[0], blobHash(bytes));
      stop(servers);
    },
    { workers: WORKERS },
  );
}

/** kill -9 of the process: both queues close with it, and the link is gone. */
export async function killed(): Promise<void> {
  const directory = mkdtempSync(join(os.tmpdir(), 'netns-'));
  const at = (path: string): string => JSON.stringify(new URL(`../../../agent/${path}`, import.meta.url).href);
  // Not --input-type=module: the worker threads would inherit it.
  const source = `(async () => {
    const { startDataplane } = await import(${at('dataplane/start.js')});
    const { NetworkSandbox } = await import(${at('sandbox/network-sandbox.js')});
    const dataplane = await startDataplane({ workers: ${WORKERS} });
    const sandbox = await NetworkSandbox.create({
      directory: ${JSON.stringify(directory)}, name: 'vm-net', subnet: '10.0.1.0/24', gateway: '10.0.1.1', balancer: '10.0.1.250', mtu: 1450, queues: ${WORKERS},
    });
    await dataplane.attach(1, sandbox.tunFds);
    process.stdout.write('up');
  })()`;
  const child = start(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  assert.equal(String((await child.stdout!.take(1).toArray())[0]), 'up');
  const namespace = openNamespace(directory, 'vm-net');
  assert.match(await run('ip', ['-details', 'link', 'show', 'vip0'], { netns: namespace }), /multi_queue numqueues 2/);
  child.kill('SIGKILL');
  assert.deepEqual(await exited, [null, 'SIGKILL']);
  await pollUntil('the link is gone', async () => !(await run('ip', ['link'], { netns: namespace })).includes('vip0'));
  namespace.remove();
}
