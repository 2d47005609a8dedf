import test from 'ava';
import { convergence } from '../../../../agent/cli/converge.js';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import { DEFAULT_DEPLOYMENT } from '../../../../overlay/model/updates.js';
import type { ServiceObject, TaskObject, TaskStatus, UpdateState } from '../../../../overlay/model/object.js';

const SINCE = '2024-05-01T10:00:00.000Z';
const NOW = Date.parse(SINCE) + 5000;

function service(replicas: number, condition: 'any' | 'on-failure' | 'none' = 'any', maxAttempts?: number): ServiceObject {
  return {
    id: 's', version: 2, vips: [], ports: [], createdAt: SINCE, updatedAt: SINCE,
    spec: {
      name: 'vote', labels: {}, task: { command: ['x'], env: {}, stopGracePeriod: 0 }, networks: [], replicas, endpointMode: 'vip', ports: [],
      restart: { condition, delay: 0, ...(maxAttempts === undefined ? {} : { maxAttempts }) },
      balancing: DEFAULT_BALANCING, ...DEFAULT_DEPLOYMENT,
    },
  };
}

function task(slot: number, status: Partial<TaskStatus>, more: Partial<TaskObject> = {}): TaskObject {
  return {
    id: `t${slot}`, name: `vote.${slot}.t`, serviceId: 's', slot, spec: { command: ['x'], env: {}, stopGracePeriod: 0 }, version: 2, labels: {}, node: 'n', addresses: [],
    desired: 'running', status: { state: 'running', since: SINCE, health: 'none', ...status }, createdAt: SINCE, ...more,
  };
}

const FAILED = { state: 'failed', message: 'no such program', exitCode: 127 } as const;

test('converged: as many as wanted run, and are healthy where that is checked', (t) => {
  t.is(convergence(service(2), [task(1, {}), task(2, { health: 'healthy' })], NOW).state, 'converged');
  t.is(convergence(service(0), [], NOW).state, 'converged');
  t.deepEqual(convergence(service(2), [task(1, {}), task(2, { health: 'starting' })], NOW), { state: 'waiting', ready: 1, message: '' });
  t.is(convergence(service(1), [task(1, { health: 'unhealthy' })], NOW).state, 'waiting');
  t.is(convergence(service(1), [task(1, {}, { desired: 'shutdown' })], NOW).state, 'waiting');
});

test('tasks of an older version, or beyond the number wanted, must be on their way out', (t) => {
  t.is(convergence(service(1), [task(1, {}), task(1, {}, { version: 1 })], NOW).state, 'waiting');
  t.is(convergence(service(1), [task(1, {}), task(1, {}, { version: 1, desired: 'shutdown' })], NOW).state, 'converged');
  t.is(convergence(service(1), [task(1, {}), task(2, {})], NOW).state, 'waiting');
  t.is(convergence(service(1), [task(1, {}), task(1, FAILED, { version: 1 }), task(2, FAILED)], NOW).state, 'converged', 'or have failed long ago');
});

test('what has done its work counts where it is not restarted', (t) => {
  t.is(convergence(service(1, 'none'), [task(1, { state: 'complete' })], NOW).state, 'converged');
  t.is(convergence(service(1, 'any'), [task(1, { state: 'complete' })], NOW).state, 'waiting');
});

test('why tasks are missing is said', (t) => {
  t.deepEqual(convergence({ ...service(2), problem: 'no address is free' }, [task(1, {})], NOW), { state: 'waiting', ready: 1, message: 'no address is free' });
});

test('given up: a slot that fails again and again, or once where nothing restarts it', (t) => {
  t.deepEqual(convergence(service(1, 'none'), [task(1, FAILED)], NOW), { state: 'failed', message: 'vote.1.t does not start: no such program' });
  const failure = (status: Partial<TaskStatus>): unknown => convergence(service(1, 'none'), [task(1, { state: 'failed', ...status })], NOW);
  t.like(failure({ message: 'unhealthy: its health check failed', exitCode: 143 }), { message: 'vote.1.t failed: unhealthy: its health check failed' });
  t.like(failure({ message: 'exited with status 127', exitCode: 127 }), { message: 'vote.1.t failed: exited with status 127' });
  t.like(failure({}), { message: 'vote.1.t failed' });
  t.deepEqual(convergence(service(1), [task(1, FAILED), task(1, FAILED)], NOW), { state: 'waiting', ready: 0, message: 'no such program' });
  t.is(convergence(service(1), [task(1, FAILED), task(1, FAILED), task(1, FAILED)], NOW).state, 'failed');
  t.is(convergence(service(1, 'any', 1), [task(1, FAILED), task(1, FAILED)], NOW).state, 'failed');
  const [old, newer] = ['2024-05-01T09:00:00.000Z', '2024-05-01T09:30:00.000Z'].map((createdAt) => ({ createdAt }));
  const thrice = [task(1, FAILED, old), task(1, FAILED, old), task(1, FAILED, old)];
  t.is(convergence(service(1), [...thrice, task(1, { state: 'shutdown' }, newer), task(1, { state: 'starting' })], NOW).state, 'waiting', 'not for what is long mended');
  t.is(convergence(service(1), [task(1, {}), task(1, FAILED), task(1, FAILED), task(1, FAILED)], NOW).state, 'converged');
});

test('running counts once it has lasted; healthy counts at once', (t) => {
  const at = (ms: number): number => Date.parse(SINCE) + ms;
  t.is(convergence(service(1), [task(1, {})], at(999)).state, 'waiting');
  t.is(convergence(service(1), [task(1, {})], at(1000)).state, 'converged');
  t.is(convergence(service(1), [task(1, { health: 'healthy' })], at(0)).state, 'converged');
});

const updating = (state: UpdateState, more: Partial<ServiceObject> = {}): ServiceObject => ({ ...service(1), updateStatus: { state, startedAt: SINCE, message: 't1 failed: no such program' }, ...more });

test('an update that is paused will not get there; a slot that runs again does not hide it', (t) => {
  const old = task(2, {}, { version: 1 });
  const paused = convergence({ ...updating('paused'), wanted: 2 }, [task(1, {}), old], NOW, 2);
  t.like(paused, { state: 'failed', message: 'the update is paused: t1 failed: no such program' });
  t.regex(paused.state === 'failed' ? (paused.remedy ?? '') : '', /service update --resume vote.*service rollback vote/);
  t.like(convergence(updating('rollback_paused'), [], NOW), { state: 'failed', message: 'the rollback is paused: t1 failed: no such program' });
  t.is(convergence(updating('paused'), [task(1, {})], NOW, 2).state, 'converged', 'all of it is there');
});

test('an update that was rolled back has failed, once everything is as it was', (t) => {
  const back = { version: 3, sameVersions: [1] };
  t.deepEqual(convergence(updating('rollback_started', back), [task(1, {}, { version: 1 })], NOW, 2), { state: 'waiting', ready: 1, message: '(rolling back: t1 failed: no such program)' });
  t.deepEqual(convergence(updating('rollback_completed', back), [task(1, {}, { version: 1 })], NOW, 2), { state: 'failed', message: 'the update was rolled back: t1 failed: no such program' });
  t.is(convergence(updating('rollback_started', back), [task(1, {}, { version: 1 })], NOW).state, 'converged', 'for whoever asked for just that');
});

test('an update that is rolled back when it fails is waited for until it no longer can', (t) => {
  const spec = { ...service(1).spec, update: { ...DEFAULT_DEPLOYMENT.update, failureAction: 'rollback' as const } };
  t.is(convergence(updating('updating', { spec }), [task(1, {})], NOW, 2).state, 'waiting');
  t.is(convergence(updating('completed', { spec }), [task(1, {})], NOW, 2).state, 'converged');
  t.is(convergence(updating('updating', { spec }), [task(1, FAILED), task(1, FAILED), task(1, FAILED)], NOW, 2).state, 'waiting');
});

test('a global service has as many as there are nodes for it', (t) => {
  t.is(convergence({ ...service(1), wanted: 2 }, [task(0, {})], NOW).state, 'waiting');
  t.is(convergence({ ...service(1), wanted: 2 }, [task(0, {}), task(0, {}, { id: 't', node: 'n2' })], NOW).state, 'converged');
});
