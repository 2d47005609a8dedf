/** The underlay's socket of VXLAN in userspace: bound once, and again when the worker could not use it. */
import test from 'ava';
import { UserspaceWeaver } from '../../../../agent/reconcile/userspace-weaver.js';
import type { NodeRecord } from '../../../../overlay/model/object.js';

const self: NodeRecord = { id: 'a', hostname: 'host-a', availability: 'active', labels: {}, mode: 'rootless', address: '192.0.2.1', vxlanPort: 4789, mtu: 1450, version: '1', createdAt: '' };
const mirror = { nodes: new Map([['a', self]]), networks: new Map(), attached: new Map(), tasks: new Map() };
const sandboxes = { entries: () => new Map().entries(), weave: () => Promise.resolve([]) };

test('a socket that could not be used is given back before another is asked for', async (t) => {
  const done: string[] = [];
  const refusals = [new Error('no GRO')];
  const weaver = new UserspaceWeaver({
    nodeId: 'a',
    mirror,
    gateway: {
      bindUdp: (address, port) => Promise.resolve(void done.push(`bind ${address}:${port}`)).then(() => 9),
      release: (protocol, address, port) => Promise.resolve(void done.push(`release ${protocol} ${address}:${port}`)),
    },
    worker: {
      setNodes: () => Promise.resolve(),
      open: () => {
        const refusal = refusals.pop();
        return refusal ? Promise.reject(refusal) : Promise.resolve(void done.push('open'));
      },
    },
  });
  t.deepEqual((await weaver.weave(sandboxes)).map(String), ['Error: no GRO']);
  t.deepEqual(await weaver.weave(sandboxes), []);
  t.deepEqual(await weaver.weave(sandboxes), []);
  t.deepEqual(done, ['bind 192.0.2.1:4789', 'release udp 192.0.2.1:4789', 'bind 192.0.2.1:4789', 'open']);
});
