import test from 'ava';
import type { HostGateway } from '../../../../agent/host-gateway.js';
import type { DesiredPort } from '../../../../agent/reconcile/project.js';
import { Publisher } from '../../../../agent/reconcile/publisher.js';
import { DEFAULT_POLICY, DEFAULT_TIMEOUTS } from '../../../../proxy/config/snapshot.js';
import type { Relay } from '../../../../proxy/relay/relay.js';

/** What the relay was told, one entry a call. */
function rig(awaitsEndpoints?: () => boolean): { publisher: Publisher; calls: unknown[][] } {
  const calls: unknown[][] = [];
  const noted = (...call: unknown[]): Promise<void> => Promise.resolve(void calls.push(call));
  const relay: Pick<Relay, 'publish' | 'update' | 'unpublish'> = {
    publish: (port) => noted('publish', port.id, port.targetPort),
    update: (id, endpoints, choice) => noted('update', id, endpoints.length, choice?.scheduler, choice?.policy?.maxConnections, choice?.timeouts?.udp),
    unpublish: (id) => noted('unpublish', id),
  };
  const gateway: Pick<HostGateway, 'listenTcp' | 'release'> = { listenTcp: () => Promise.resolve(99), release: (protocol, address, port) => noted('release', protocol, address, port) };
  return { publisher: new Publisher(gateway as HostGateway, relay as Relay, awaitsEndpoints), calls };
}

const ENDPOINT = { id: 't1', address: 1, weight: 1 };

function desired(more: Partial<DesiredPort['relay']> = {}, ready = true): Map<string, DesiredPort> {
  const relay = { id: 'tcp/*:80', protocol: 'tcp', service: 'vote', scheduler: 'rr', policy: DEFAULT_POLICY, targetPort: 80, endpoints: [ENDPOINT], ...more } as const;
  return new Map([[relay.id, { port: { published: 80, target: 80, protocol: 'tcp', mode: 'ingress' }, relay, ...(ready && ({ ready: true } as const)) }]]);
}

test('other endpoints, another scheduler, another policy, other time-outs: the port is served on, and each is told once', async (t) => {
  const { publisher, calls } = rig();
  const steps = [desired(), desired(), desired({ endpoints: [] }), desired({ scheduler: 'lc' }), desired({ scheduler: 'lc' }), desired({ scheduler: 'lc', policy: { ...DEFAULT_POLICY, maxConnections: 3 } }), desired({ timeouts: { ...DEFAULT_TIMEOUTS, udp: 120 } })];
  for (const step of steps) t.true(await publisher.sync(step));
  t.deepEqual(calls, [['publish', 'tcp/*:80', 80], ['update', 'tcp/*:80', 0, 'rr', 0, undefined], ['update', 'tcp/*:80', 1, 'lc', 0, undefined], ['update', 'tcp/*:80', 1, 'lc', 3, undefined], ['update', 'tcp/*:80', 1, 'rr', 0, 120]]);
});

test('another target is another port', async (t) => {
  const { publisher, calls } = rig();
  await publisher.sync(desired());
  await publisher.sync(desired({ targetPort: 81 }));
  t.deepEqual(calls, [['publish', 'tcp/*:80', 80], ['unpublish', 'tcp/*:80'], ['release', 'tcp', undefined, 80], ['publish', 'tcp/*:80', 81]]);
});

test('whoever keeps the socket of a port is told when it is published no more, and when all ends', async (t) => {
  const { publisher, calls } = rig();
  await publisher.sync(desired());
  await publisher.sync(new Map());
  await publisher.sync(desired());
  await publisher.close();
  const [published, released] = [['publish', 'tcp/*:80', 80], ['release', 'tcp', undefined, 80]];
  t.deepEqual(calls, [published, ['unpublish', 'tcp/*:80'], released, published, released]);
});

test('where clients wait anyway, a port waits for somebody who listens, but not for ever', async (t) => {
  let patient = true;
  const { publisher, calls } = rig(() => patient);
  t.false(await publisher.sync(desired({ endpoints: [] }, false)), 'to be looked at again');
  t.false(await publisher.sync(desired({}, false)), 'a task that does not listen yet');
  t.deepEqual(calls, []);
  t.true(await publisher.sync(desired()));
  const published = ['publish', 'tcp/*:80', 80];
  t.deepEqual(calls, [published]);
  t.true(await publisher.sync(desired({ endpoints: [] }, false)), 'one that is served is served on');
  const other = rig(() => patient);
  patient = false;
  t.true(await other.publisher.sync(desired({ endpoints: [] }, false)));
  t.deepEqual(other.calls, [published]);
  patient = true;
  const created = rig(() => patient);
  await created.publisher.reserve([...desired().values()].map(({ port }) => port));
  t.true(await created.publisher.sync(desired({}, false)), 'what has just been created is no port that was kept');
});
