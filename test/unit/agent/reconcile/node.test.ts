/** What a node answers about a task from what its data plane and its relay know. */
import test from 'ava';
import { Node, type NodeOptions } from '../../../../agent/reconcile/node.js';
import type { NetworkSandbox } from '../../../../agent/sandbox/network-sandbox.js';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import type { ServiceObject, TaskObject } from '../../../../overlay/model/object.js';
import type { Dataplane } from '../../../../proxy/dataplane/handle.js';
import type { Relay } from '../../../../proxy/relay/relay.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { serviceObject } from '../../overlay/fixtures.js';

const PORT = { published: 8080, target: 80, protocol: 'tcp', mode: 'ingress' } as const;

/** @param onVips for how long the data plane says that an endpoint is ejected from network 0 @param onPorts the same of the relay */
async function ejectedFor(service: ServiceObject, onVips: number, onPorts: number): Promise<number> {
  const dataplane: Pick<Dataplane, 'attach' | 'ejectedFor'> = { attach: () => Promise.resolve(), ejectedFor: (network, id) => (network === 0 && id === 't1' ? onVips : 0) };
  const relay: Pick<Relay, 'ejectedFor'> = { ejectedFor: (id) => Promise.resolve(id === 't1' ? onPorts : 0) };
  const mirror = { services: new Map([[service.id, service]]) };
  const node = new Node({ mirror, dataplane, relay, clock: new FakeClock() } as unknown as NodeOptions);
  await node.adopt('n1', { tunFds: [9] } as unknown as NetworkSandbox);
  return node.ejectedFor({ id: 't1', serviceId: service.id, addresses: [{ networkId: 'n1', address: '10.0.1.5' }] } as unknown as TaskObject);
}

test('a task is ejected for as long as some virtual address or published port says', async (t) => {
  const published = { ...serviceObject('vote'), ports: [PORT] };
  t.is(await ejectedFor(published, 0, 0), 0);
  t.is(await ejectedFor(published, 2000, 0), 2000);
  t.is(await ejectedFor(published, 2000, 9000), 9000);
  t.is(await ejectedFor(serviceObject('vote'), 2000, 9000), 2000, 'it has no port');
  t.is(await ejectedFor({ ...published, spec: { ...published.spec, balancing: { ...DEFAULT_BALANCING, ejectAfter: 0 } } }, 2000, 9000), 0);
});
