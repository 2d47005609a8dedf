/** What connects a node's networks with other nodes': in which order, and what happens when the host's filter cannot be had. */
import test from 'ava';
import { fabrics } from '../../../../agent/reconcile/fabrics.js';
import { problemOf } from '../../../../agent/reconcile/failure.js';
import { Weaver } from '../../../../agent/reconcile/weaver.js';
import type { NetworkObject, NodeRecord, TaskObject } from '../../../../overlay/model/object.js';
import type { Attached } from '../../../../overlay/store/keys.js';
import type { Fabric } from '../../../../overlay/vxlan/fabric.js';
import type { FabricFilter } from '../../../../overlay/vxlan/filter.js';

function node(id: string, last: number): NodeRecord {
  return { id, hostname: `host-${id}`, availability: 'active', labels: {}, mode: 'root', address: `192.0.2.${last}`, vxlanPort: 4789, mtu: 1450, version: '1', createdAt: '' };
}

function task(id: string, on: string, state: string, address: string): TaskObject {
  return { id, node: on, status: { state }, addresses: [{ networkId: 'n1', address, interface: 'eth0' }] } as unknown as TaskObject;
}

const network = { id: 'n1', vni: 4097, spec: { name: 'overlay1' } } as NetworkObject;
const mirror = {
  nodes: new Map([['a', node('a', 1)], ['b', node('b', 2)]]),
  networks: new Map([['n1', network]]),
  attached: new Map<string, Attached>([['n1', { a: { gateway: '10.0.1.1', balancer: '10.0.1.2' }, b: { gateway: '10.0.1.4', balancer: '10.0.1.3' } }]]),
  tasks: new Map([task('t1', 'host-b', 'running', '10.0.1.9'), task('t2', 'host-b', 'failed', '10.0.1.8'), task('t3', 'host-a', 'running', '10.0.1.7')].map((one) => [one.id, one])),
};

test('a network reaches what other nodes have that has not ended; one that is not known needs nothing', (t) => {
  const fabricOf = fabrics(mirror, 'a');
  t.deepEqual(fabricOf('n1')?.peers, [{ underlay: '192.0.2.2', port: 4789, balancer: '10.0.1.3', reaches: ['10.0.1.4', '10.0.1.9'] }]);
  t.is(fabricOf('n2'), undefined);
  t.is(fabrics(mirror, 'c')('n1'), undefined);
});

function woven(filter: { set(filter: FabricFilter | undefined): Promise<void>; repair(): Promise<string[]> }, apply: () => Promise<void> = () => Promise.resolve(), spec: object = {}) {
  const done: string[] = [];
  const told = { set: (wanted: FabricFilter | undefined) => filter.set(wanted).then(() => void done.push(wanted ? `filter ${[...wanted.vteps].join()}` : 'no filter')), repair: () => filter.repair() };
  const encryption = { appliedKeys: 5, apply: () => apply().then(() => void done.push('encryption')), repair: () => Promise.resolve([]), close: () => Promise.resolve(void done.push('no encryption')) };
  const networks = new Map([['n1', { ...network, spec: { ...network.spec, ...spec } }]]);
  const weaver = new Weaver({ nodeId: 'a', mirror: { ...mirror, networks }, filter: told, encryption });
  const sandboxes = {
    entries: () => new Map([['n1', {} as never]]).entries(),
    weave: (fabricOf: (id: string) => Fabric | undefined) => {
      done.push(`fabric ${fabricOf('n1')?.link.vni ?? 'none'}`);
      return Promise.resolve([]);
    },
  };
  return { weaver, sandboxes, done };
}

/** What users are told of what failed. */
async function told(weaver: Weaver, sandboxes: Parameters<Weaver['weave']>[0]): Promise<unknown[]> {
  return (await weaver.weave(sandboxes)).map((failure) => problemOf(failure, String));
}

test('who may speak is said first; at the end nobody may', async (t) => {
  const { weaver, sandboxes, done } = woven({ set: () => Promise.resolve(), repair: () => Promise.resolve([]) });
  t.deepEqual(await weaver.weave(sandboxes), []);
  await weaver.close();
  t.deepEqual(done, ['encryption', 'filter 192.0.2.2', 'fabric 4097', 'no encryption', 'no filter']);
  t.is(weaver.things.length, 2);
  t.is(weaver.appliedKeys, 5);
});

test('without the filter nothing is connected', async (t) => {
  const { weaver, sandboxes, done } = woven({ set: () => Promise.reject(new Error('no nftables')), repair: () => Promise.resolve([]) });
  t.deepEqual(await told(weaver, sandboxes), [{ about: 'other nodes', message: 'this node is not connected to other nodes, since it cannot filter who may speak to it: no nftables' }]);
  t.deepEqual(done, ['encryption']);
});

test('what cannot be encrypted is not connected, the others are', async (t) => {
  const filter = { set: () => Promise.resolve(), repair: () => Promise.resolve([]) };
  const noEsp = (): Promise<void> => Promise.reject(new Error('no ESP'));
  for (const [encrypted, fabric] of [[true, 'fabric none'], [false, 'fabric 4097']] as const) {
    const { weaver, sandboxes, done } = woven(filter, noEsp, { encrypted });
    t.deepEqual(await told(weaver, sandboxes), [{ about: 'encrypted networks', message: 'this node is not on encrypted networks: no ESP' }]);
    t.deepEqual(done, ['filter 192.0.2.2', fabric]);
  }
});
