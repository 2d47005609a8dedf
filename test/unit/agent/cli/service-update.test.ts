import test from 'ava';
import { updatedInput } from '../../../../agent/cli/commands/service-update.js';
import type { UpdateOptions } from '../../../../agent/cli/commands/service-update.js';
import { UsageError } from '../../../../agent/cli/command.js';
import { CommandFailure } from '../../../../agent/cli/context.js';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import { DEFAULT_DEPLOYMENT } from '../../../../overlay/model/updates.js';
import type { ServiceSpec } from '../../../../overlay/model/spec.js';

const SPEC: ServiceSpec = {
  name: 'vote',
  labels: { a: '1', b: '2' },
  task: { command: ['x'], env: { A: '1', B: '2' }, stopGracePeriod: 1000, healthcheck: { command: ['check'], interval: 1, timeout: 2, retries: 3, startPeriod: 4 } },
  networks: [{ network: 'n1', aliases: ['v'] }, { network: 'n2', aliases: [] }],
  replicas: 2,
  endpointMode: 'vip',
  ports: [{ published: 8080, target: 80, protocol: 'tcp', mode: 'ingress' }, { published: 8081, target: 80, protocol: 'tcp', mode: 'ingress' }],
  restart: { condition: 'any', delay: 5 },
  balancing: DEFAULT_BALANCING, ...DEFAULT_DEPLOYMENT,
};

const update = (options: UpdateOptions, words: string[] = []): unknown => updatedInput(SPEC, options, words, { HOME: '/root' });

test('without options the spec is the same', (t) => {
  t.deepEqual(update({}), SPEC);
});

test('each option changes what it names and nothing else', (t) => {
  t.deepEqual(update({ replicas: 7, endpointMode: 'dnsrr' }), { ...SPEC, replicas: 7, endpointMode: 'dnsrr' });
  t.deepEqual(update({ envAdd: ['A=9', 'HOME'], envRm: ['B'] }), { ...SPEC, task: { ...SPEC.task, env: { A: '9', HOME: '/root' } } });
  t.deepEqual(update({ labelAdd: ['c'], labelRm: ['a'] }), { ...SPEC, labels: { b: '2', c: '' } });
  t.deepEqual(update({ workdir: '/srv', stopGracePeriod: 3 }, ['y', 'z']), { ...SPEC, task: { ...SPEC.task, workdir: '/srv', stopGracePeriod: 3, command: ['y', 'z'] } });
  t.deepEqual(update({ restartDelay: 9, restartMaxAttempts: 2 }), { ...SPEC, restart: { condition: 'any', delay: 9, maxAttempts: 2 } });
});

test('constraints and preferences: added once, removed by what they say', (t) => {
  const placement = { constraints: ['node.id==a', 'node.labels.zone==x'], preferences: ['spread=node.labels.zone'] };
  const changed = (options: UpdateOptions): unknown => updatedInput({ ...SPEC, placement }, options, [], {});
  t.deepEqual(changed({ constraintAdd: ['node.id==a', 'node.mode==root'], constraintRm: ['node.labels.zone==x'], placementPrefRm: ['spread=node.labels.zone'], placementPrefAdd: ['spread=node.labels.rack'] }), {
    ...SPEC, placement: { constraints: ['node.id==a', 'node.mode==root'], preferences: ['spread=node.labels.rack'] },
  });
  t.throws(() => changed({ constraintRm: ['node.id==b'] }), { instanceOf: CommandFailure, message: "the service has no constraint 'node.id==b'" });
});

test('how it is updated and rolled back: each option by itself', (t) => {
  t.deepEqual(update({ updateOrder: 'start-first', updateDelay: 0, rollbackMonitor: 7, rollbackFailureAction: 'continue', updateMaxFailureRatio: 0 }), {
    ...SPEC, update: { ...SPEC.update, order: 'start-first' }, rollback: { ...SPEC.rollback, monitor: 7, failureAction: 'continue' },
  });
});

test('health checks: changed, replaced, removed', (t) => {
  t.like(update({ healthRetries: 9 }), { task: { healthcheck: { command: ['check'], interval: 1, retries: 9 } } });
  t.like(update({ healthCmd: 'a | b' }), { task: { healthcheck: { command: ['sh', '-c', 'a | b'], retries: 3 } } });
  t.false('healthcheck' in (update({ healthcheck: false }) as { task: object }).task);
  t.throws(() => update({ healthcheck: false, healthRetries: 1 }), { instanceOf: UsageError });
});

test('networks: added, replaced, left', (t) => {
  t.like(update({ networkAdd: [{ network: 'n3', aliases: [] }, { network: 'n1', aliases: ['w'] }], networkRm: ['n2'] }), {
    networks: [{ network: 'n3', aliases: [] }, { network: 'n1', aliases: ['w'] }],
  });
  t.throws(() => update({ networkRm: ['n9'] }), { instanceOf: CommandFailure, message: "the service is not on network 'n9'" });
});

test('ports: removed by target, or by published and target; the same one is not added twice', (t) => {
  const port = SPEC.ports[0];
  const ports = (options: UpdateOptions): unknown => (update(options) as ServiceSpec).ports;
  t.deepEqual(ports({ publishRm: [{ target: 80, protocol: 'tcp', mode: 'ingress' }] }), []);
  t.deepEqual(ports({ publishRm: [{ published: 8081, target: 80, protocol: 'tcp', mode: 'ingress' }] }), [port]);
  t.deepEqual(ports({ publishAdd: port ? [port] : [] }), SPEC.ports);
  t.throws(() => ports({ publishRm: [{ target: 80, protocol: 'udp', mode: 'ingress' }] }), { instanceOf: CommandFailure, message: 'the service publishes no port 80/udp' });
});

test('what is to be removed must be there', (t) => {
  t.throws(() => update({ envRm: ['C'] }), { instanceOf: CommandFailure, message: "the service has no environment variable 'C'" });
  t.throws(() => update({ labelRm: ['c'] }), { instanceOf: CommandFailure, message: "the service has no label 'c'" });
});
