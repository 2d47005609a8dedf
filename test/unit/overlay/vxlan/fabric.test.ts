import test from 'ava';
import type { NodeRecord } from '../../../../overlay/model/object.js';
import { type FabricView, networkFabric, networkMtu } from '../../../../overlay/vxlan/fabric.js';
import { fabricFilter } from '../../../../overlay/vxlan/filter.js';

const node = (number: number, more: Partial<NodeRecord> = {}): NodeRecord => ({
  id: `id${number}`, hostname: `host${number}`, availability: 'active', labels: {}, mode: 'root', address: `192.168.9.${number}`, vxlanPort: 4789, mtu: 1450, version: '0', createdAt: '2024-01-01T00:00:00Z', ...more,
});
const task = (host: number, address: string, networkId = 'n1', address6?: string): { node: string; addresses: [{ networkId: string; address: string; address6?: string; interface: string }] } => ({
  node: `host${host}`, addresses: [{ networkId, address, ...(address6 !== undefined && { address6 }), interface: 'eth0' }],
});

const view: FabricView = {
  self: node(1),
  nodes: [node(3, { mtu: 1350, vxlanPort: 4800 }), node(1), node(2), node(4)],
  network: { id: 'n1', vni: 4097, encrypted: false },
  attached: {
    id1: { gateway: '10.0.1.1', balancer: '10.0.1.2', gateway6: 'fd00::1', balancer6: 'fd00::2' },
    id2: { gateway: '10.0.1.3', balancer: '10.0.1.4', gateway6: 'fd00::3', balancer6: 'fd00::4' },
    id3: { gateway: '10.0.1.5', balancer: '10.0.1.6', gateway6: 'fd00::5', balancer6: 'fd00::6' },
  },
  tasks: [task(1, '10.0.1.10', 'n1', 'fd00::10'), task(2, '10.0.1.20', 'n1', 'fd00::20'), task(2, '10.0.2.20', 'n2'), task(3, '10.0.1.30', 'n1', 'fd00::30'), task(4, '10.0.1.40', 'n1', 'fd00::40')],
};

test('a remote node that has something on the network is a peer, with what is behind it', (t) => {
  t.deepEqual(networkFabric(view), {
    link: { vni: 4097, local: '192.168.9.1', port: 4789, mtu: 1450, balancer: '10.0.1.2' },
    peers: [
      { underlay: '192.168.9.2', port: 4789, balancer: '10.0.1.4', balancer6: 'fd00::4', reaches: ['10.0.1.20', '10.0.1.3', 'fd00::20', 'fd00::3'] },
      { underlay: '192.168.9.3', port: 4800, balancer: '10.0.1.6', balancer6: 'fd00::6', mtu: 1350, reaches: ['10.0.1.30', '10.0.1.5', 'fd00::30', 'fd00::5'] },
    ],
  });
});

test('the same cluster is the same fabric, in whatever order it is told', (t) => {
  t.deepEqual(networkFabric({ ...view, nodes: [...view.nodes].reverse(), tasks: [...view.tasks].reverse() }), networkFabric(view));
});

test('no VXLAN for a node that is alone, or that has nothing on the network; a peer that is alone is none', (t) => {
  const { vxlanPort: _, ...alone } = node(1);
  t.is(networkFabric({ ...view, self: alone }), undefined);
  t.is(networkFabric({ ...view, self: node(4) }), undefined);
  const { vxlanPort: __, ...other } = node(2);
  t.deepEqual(networkFabric({ ...view, nodes: [other] })?.peers, []);
});

test('encrypted: a port of its own, and less room', (t) => {
  const fabric = networkFabric({ ...view, network: { ...view.network, encrypted: true } })!;
  t.is(fabric.link.port, 4790);
  t.is(fabric.link.mtu, 1416);
  t.deepEqual(fabric.peers.map(({ port, mtu }) => [port, mtu]), [[4790, undefined], [4801, 1316]]);
});

test('ESP takes 34 to 37 bytes: the packet on the underlay is as large as it may be, and no larger', (t) => {
  for (let underlay = 1280; underlay <= 1504; underlay++) {
    // RFC 4303: outer header, SPI, sequence, IV, what is encrypted in words of four, check value.
    const onWire = (inner: number): number => 20 + 8 + 8 + Math.ceil((8 + 8 + 14 + inner + 2) / 4) * 4 + 16;
    const mtu = networkMtu(underlay - 50, true);
    t.true(onWire(mtu) <= underlay && onWire(mtu + 1) > underlay, `${underlay}: ${mtu}`);
  }
  t.is(networkMtu(1450, false), 1450);
});

test('who may speak: known nodes, on networks that this node has, with sources of their own', (t) => {
  const plain = networkFabric(view)!;
  const encrypted = networkFabric({ ...view, network: { id: 'n1', vni: 4098, encrypted: true }, attached: { id1: view.attached.id1!, id2: { gateway: '10.0.3.3', balancer: '10.0.3.4' } }, tasks: [] })!;
  t.deepEqual(fabricFilter(view.self, view.nodes, [plain, encrypted]), {
    local: '192.168.9.1',
    port: 4789,
    encryptedPort: 4790,
    vteps: new Set(['192.168.9.3', '192.168.9.2', '192.168.9.4']),
    networks: [
      { vtep: '192.168.9.2', port: 4789, vni: 4097 },
      { vtep: '192.168.9.3', port: 4789, vni: 4097 },
      { vtep: '192.168.9.2', port: 4790, vni: 4098 },
    ],
    sources: [
      ...['10.0.1.4', 'fd00::4', '10.0.1.20', '10.0.1.3', 'fd00::20', 'fd00::3'].map((address) => ({ vtep: '192.168.9.2', port: 4789, vni: 4097, address })),
      ...['10.0.1.6', 'fd00::6', '10.0.1.30', '10.0.1.5', 'fd00::30', 'fd00::5'].map((address) => ({ vtep: '192.168.9.3', port: 4789, vni: 4097, address })),
      ...['10.0.3.4', '10.0.3.3'].map((address) => ({ vtep: '192.168.9.2', port: 4790, vni: 4098, address })),
    ],
  });
  const { vxlanPort: _, ...alone } = node(1);
  t.is(fabricFilter(alone, [], []), undefined);
});
