/**
 * Scenarios for agent/reconcile/task-runner: in which order what becomes of a task is applied and noted. As tasks.ts.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '../../../agent/log.js';
import { viewOf } from '../../../agent/reconcile/project.js';
import { SandboxHome } from '../../../agent/reconcile/sandbox-home.js';
import { type ObservedStatus, TaskRunner } from '../../../agent/reconcile/task-runner.js';
import { DnsServer } from '../../../overlay/dns/server.js';
import type { TaskObject } from '../../../overlay/model/object.js';
import type { TaskSpec } from '../../../overlay/model/spec.js';
import { systemClock } from '../../../proxy/time/clock.js';
import { pollUntil } from '../../support/poll-until.js';
import { bench, ID } from './tasks-bench.js';

interface Run {
  readonly runner: TaskRunner;
  readonly noted: readonly ObservedStatus[];
  /** What waits for being applied. */
  readonly waiting: (() => void)[];
  /** Applies what waits now. */
  readonly apply: () => void;
}

function runnerOf(spec: Partial<TaskSpec>, expectListener = false): Run {
  const { directory } = bench();
  const noted: ObservedStatus[] = [];
  const waiting: (() => void)[] = [];
  const now = new Date().toISOString();
  const task: TaskObject = {
    id: ID, name: `runner.${ID}`, slot: 0, version: 0, spec: { command: ['sleep', '1000'], env: {}, stopGracePeriod: 5000, ...spec }, labels: {}, addresses: [],
    node: 'node', desired: 'running', status: { state: 'pending', since: now, health: 'none' }, createdAt: now,
  };
  const runner = new TaskRunner(
    task,
    {
      clock: systemClock, log: silentLogger,
      home: new SandboxHome(task, {
        namespaces: join(directory, 'sandboxes'), prefix: 'vm-', runtime: join(directory, 'files'),
        dns: new DnsServer({ forward: () => Promise.resolve(undefined) }),
        sandbox: () => undefined,
        whyNot: (networkId) => `there is no ${networkId}`,
        gatewayOf: () => undefined,
        viewOf: (wanted) => viewOf(wanted, new Map(), undefined),
      }),
      flowsTo: () => Promise.resolve(0),
      drainTimeout: () => 0,
      acknowledged: () => Promise.resolve(),
      applied: () => new Promise((resolve) => waiting.push(resolve)),
      onChange: () => undefined,
      onStatus: (_, observed) => noted.push(observed),
    },
    { output: 'pipe', expectListener, outlives: false },
  );
  return { runner, noted, waiting, apply: () => waiting.splice(0).forEach((resolve) => resolve()) };
}

const states = ({ noted }: Run): string[] => noted.map(({ state, health }) => (health === undefined ? state : `${state} ${health}`));

/** Nobody hears that it runs, or stops, before new flows go there, or go there no more. */
export async function appliedFirst(): Promise<void> {
  const plain = runnerOf({});
  const process = await plain.runner.started;
  await pollUntil('it is to be applied', () => plain.waiting.length > 0);
  assert.deepEqual(states(plain), ['starting', 'starting none']);
  assert.equal(plain.noted.at(-1)?.pid, process?.pid);
  plain.apply();
  await pollUntil('it runs', () => plain.noted.length === 3);
  const stopped = plain.runner.stop({ drain: true });
  await pollUntil('it is to be withdrawn', () => plain.waiting.length > 0);
  assert.equal(plain.runner.live?.phase, 'draining');
  assert.deepEqual(states(plain), ['starting', 'starting none', 'running']);
  await pollUntil('it has ended', () => (plain.apply(), plain.noted.length === 5));
  await stopped;
  assert.deepEqual(states(plain), ['starting', 'starting none', 'running', 'stopping', 'shutdown']);
}

/** With a health check: healthy is noted when it is applied; what fails meanwhile is never said to run. */
export async function appliedHealth(): Promise<void> {
  const flag = join(bench().directory, 'healthy');
  const checked = runnerOf({ healthcheck: { command: ['test', '-e', flag], interval: 100, timeout: 30_000, retries: 1, startPeriod: 0 } });
  writeFileSync(flag, '');
  await checked.runner.started;
  checked.apply();
  await pollUntil('its health is to be applied', () => checked.runner.live?.healthy === true && checked.waiting.length > 0);
  assert.deepEqual(states(checked), ['starting', 'starting starting']);
  checked.apply();
  await pollUntil('it runs', () => checked.noted.length === 3);
  const stopped = checked.runner.stop({ drain: false });
  await pollUntil('it has ended', () => (checked.apply(), checked.noted.length === 5));
  await stopped;
  assert.deepEqual(states(checked), ['starting', 'starting starting', 'running healthy', 'stopping', 'shutdown']);

  const sick = runnerOf({ healthcheck: { command: ['false'], interval: 100, timeout: 30_000, retries: 1, startPeriod: 0 } });
  await pollUntil('it is unhealthy', () => states(sick).includes('starting unhealthy'));
  await pollUntil('it has ended', () => (sick.apply(), states(sick).includes('failed')));
  assert.deepEqual(states(sick), ['starting', 'starting starting', 'starting unhealthy', 'stopping', 'failed']);
}
