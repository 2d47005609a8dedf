import test from 'ava';
import type { HostGateway } from '../../../../agent/host-gateway.js';
import type { DesiredPort } from '../../../../agent/reconcile/project.js';
import { Publisher } from '../../../../agent/reconcile/publisher.js';
import { DEFAULT_POLICY, DEFAULT_TIMEOUTS } from '../../../../proxy/config/snapshot.js';
import type { Relay } from '../../../../proxy/relay/relay.js';

/** What the relay was told, one entry a call. */
function rig(): { publisher: Publisher; calls: unknown[][] } {
  const calls: unknown[][] = [];
  const noted = (...call: unknown[]): Promise<void> => Promise.resolve(void calls.push(call));
  const relay: Pick<Relay, 'publish' | 'update' | 'unpublish'> = {
    publish: (port) => noted('publish', port.id, port.targetPort),
    update: (id, endpoints, choice) => noted('update', id, endpoints.length, choice?.scheduler, choice?.policy?.maxConnections, choice?.timeouts?.udp),
    unpublish: (id) => noted('unpublish', id),
  };
  const gateway: Pick<HostGateway, 'listenTcp'> = { listenTcp: () => Promise.resolve(99) };
  return { publisher: new Publisher(gateway as HostGateway, relay as Relay, () => undefined), calls };
}

const ENDPOINT = { id: 't1', address: 1, weight: 1 };

function desired(more: Partial<DesiredPort['relay']> = {}): Map<string, DesiredPort> {
  const relay = { id: 'tcp/*:80', protocol: 'tcp', service: 'vote', scheduler: 'rr', policy: DEFAULT_POLICY, targetPort: 80, endpoints: [ENDPOINT], ...more } as const;
  return new Map([[relay.id, { port: { published: 80, target: 80, protocol: 'tcp', mode: 'ingress' }, relay }]]);
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
  t.deepEqual(calls, [['publish', 'tcp/*:80', 80], ['unpublish', 'tcp/*:80'], ['publish', 'tcp/*:80', 81]]);
});
