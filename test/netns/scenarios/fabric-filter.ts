/**
 * Scenarios for the host's filter: what may speak to a node's VXLAN gets through, whatever else comes there is dropped and counted.
 * Datagrams are crafted here, byte by byte.
 */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import type { DropReason } from '../../../agent/sandbox/filter-table.js';
import { HostFilter } from '../../../agent/sandbox/host-filter.js';
import { ipBatch } from '../../../kernel/netns/links.js';
import type { Namespace } from '../../../kernel/netns/netns.js';
import { bindUdp } from '../../../kernel/netns/sockets.js';
import { run } from '../../../kernel/run/runner.js';
import { type FabricFilter, fabricFilter } from '../../../overlay/vxlan/filter.js';
import { udpFrame, VNET } from '../../support/packets.js';
import { pollUntil } from '../../support/poll-until.js';
import { addHost, type FabricNet, type FabricNode, PORT, underlay, VNI, withFabric } from './support/fabric-net.js';

const SINK = 5000;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const ARP = 0x0806;

/** An Ethernet frame in VXLAN (RFC 7348 section 5). */
function vxlan(vni: number, ethertype: number, inner: Uint8Array): Buffer {
  const header = Buffer.alloc(22);
  header.writeUInt8(0x08, 0);
  header.writeUInt32BE(vni << 8, 4);
  // To the first node's device, which takes what is for it only.
  header.write('02420a00010c', 8, 'hex');
  header.writeUInt16BE(ethertype, 20);
  return Buffer.concat([header, inner]);
}

interface Bench {
  readonly a: FabricNode;
  readonly b: FabricNode;
  readonly rogue: Namespace;
  readonly filter: HostFilter;
  readonly wanted: FabricFilter;
  /** What the first node's task was sent. */
  readonly got: string[];
  /** Sends a datagram to the first node, and waits until it was dropped for that reason, or let in. */
  readonly send: (from: Socket, datagram: Uint8Array, as: DropReason | 'let in', port?: number, to?: string) => Promise<void>;
}

const socketIn = (netns: Namespace, address: string, port = 0): Socket => createSocket('udp4').bind({ fd: bindUdp(netns, address, port) });
const wantedBy = ({ nodes, fabric }: FabricNet, index: number): FabricFilter => fabricFilter(nodes[index]!.record, nodes.map(({ record }) => record), [fabric(index)])!;

async function withFilters(use: (bench: Bench) => Promise<void>): Promise<void> {
  await withFabric([1500, 1500], async (net) => {
    const [a, b] = net.nodes as [FabricNode, FabricNode];
    const filters = [a, b].map(({ host }) => new HostFilter(host, 'vm1a2b-')) as [HostFilter, HostFilter];
    for (const [index, { sandbox }] of net.nodes.entries()) {
      await filters[index]!.set(wantedBy(net, index));
      await sandbox.setFabric(net.fabric(index));
    }
    const rogue = await addHost(net.directory, 2);
    const got: string[] = [];
    const sink = socketIn(a.task, a.address, SINK).on('message', (bytes) => got.push(bytes.toString()));
    const filter = filters[0];
    const send: Bench['send'] = async (from, datagram, as, port = PORT, to = underlay(0)) => {
      const [before, received] = [await filter.drops(), got.length];
      await new Promise<void>((resolve, reject) => from.send(datagram, port, to, (error) => (error ? reject(error) : resolve())));
      if (as === 'let in') return void (await pollUntil('it is let in', () => got.length > received));
      await pollUntil(`it is dropped: ${as}`, async () => (await filter.drops())[as] > before[as]);
      assert.deepEqual(await filter.drops(), { ...before, [as]: before[as] + 1 });
      assert.equal(got.length, received);
    };
    await use({ a, b, rogue, filter, wanted: wantedBy(net, 0), got, send });
    sink.close();
  });
}

/** What the second node's task would say, or whoever `from` names. */
const inner = (from: string, payload = 'hello'): Buffer => udpFrame({ from, to: from.includes(':') ? 'fd3a:9c01:77e2:1::15' : '10.0.1.15', sourcePort: 7, destinationPort: SINK, payload: Buffer.from(payload) }).subarray(VNET);

/** Known nodes, networks and sources get in, in both families; nothing else does, and each is counted by its reason. */
export async function refuses(): Promise<void> {
  await withFilters(async ({ a, b, rogue, filter, got, send }) => {
    for (const address of [b.address, b.address6]) assert.match(await run('ping', ['-c', '1', '-W', '10', address], { netns: a.task }), / 0% packet loss/);
    assert.deepEqual(await filter.drops(), { 'unknown-vtep': 0, 'unknown-vni': 0, 'foreign-source': 0, 'clear-text': 0 });
    const [node, other] = [socketIn(b.host, underlay(1)), socketIn(rogue, underlay(2))];
    const good = vxlan(VNI, IPV4, inner(b.address));
    await send(node, good, 'let in');
    await send(other, good, 'unknown-vtep');
    await send(node, vxlan(VNI + 1, IPV4, inner(b.address)), 'unknown-vni');
    await send(node, good, 'unknown-vni', PORT + 1);
    // Nobody's, a task's of the first node itself, a VIP or anything else.
    for (const source of ['10.0.1.99', a.address, a.addresses.balancer, '8.8.8.8']) await send(node, vxlan(VNI, IPV4, inner(source)), 'foreign-source');
    await send(node, vxlan(VNI, IPV6, inner('fd3a:9c01:77e2:1::99')), 'foreign-source');
    await send(node, vxlan(VNI, IPV6, inner(b.address)), 'foreign-source');
    await send(node, vxlan(VNI, ARP, Buffer.alloc(28)), 'foreign-source');
    // Cut short.
    await send(node, good.subarray(0, 37), 'foreign-source');
    await send(node, good.subarray(0, 8), 'foreign-source');
    await send(node, good.subarray(0, 6), 'unknown-vni');
    await send(node, good.subarray(0, 0), 'unknown-vni');
    await send(other, good.subarray(0, 0), 'unknown-vtep');
    // Its socket takes what comes to any address of the host.
    await ipBatch(a.host, ['addr add 192.0.2.1/32 dev eth0']);
    await ipBatch(rogue, ['route add 192.0.2.1/32 via 192.168.9.1']);
    await send(other, good, 'unknown-vtep', PORT, '192.0.2.1');
    // In fragments, of which only the first says what it is.
    await ipBatch(rogue, [`route add ${underlay(0)}/32 dev eth0 mtu lock 600`]);
    await send(other, vxlan(VNI, IPV4, inner(b.address, 'x'.repeat(1000))), 'unknown-vtep');
    await ipBatch(b.host, [`route add ${underlay(0)}/32 dev eth0 mtu lock 600`]);
    await send(node, vxlan(VNI, IPV4, inner(b.address, 'y'.repeat(1000))), 'let in');
    assert.deepEqual(got, ['hello', 'y'.repeat(1000)]);
    node.close();
    other.close();
  });
}

/** Somebody flushes the ruleset; an agent dies and another comes; the cluster changes: counters go on, and it goes when it is to go. */
export async function staysInstalled(): Promise<void> {
  await withFilters(async ({ a, b, filter, wanted, send }) => {
    assert.deepEqual(await filter.repair(), []);
    await run('nft', ['flush', 'ruleset'], { netns: a.host });
    assert.deepEqual(await filter.repair(), ['table ip vipmesh-fabric-vm1a2b is gone']);
    assert.deepEqual(await filter.repair(), []);
    const node = socketIn(b.host, underlay(1));
    await send(node, vxlan(VNI, IPV4, inner('10.0.1.99')), 'foreign-source');
    await run('nft', ['-f', '-'], { netns: a.host, input: 'add element ip vipmesh-fabric-vm1a2b vteps { 192.168.9.77 }\nflush chain ip vipmesh-fabric-vm1a2b fabric\n' });
    const put = await filter.repair();
    assert.deepEqual([put.length, put[0]], [6, 'table ip vipmesh-fabric-vm1a2b: set vteps has 192.168.9.77, which is not ours']);
    assert.deepEqual(await filter.repair(), []);

    const next = new HostFilter(a.host, 'vm1a2b-');
    await next.set(wanted);
    assert.equal((await next.drops())['foreign-source'], 1, 'taken over as it is');
    await next.set({ ...wanted, sources: [...wanted.sources, { vtep: underlay(1), port: PORT, vni: VNI, address: '10.0.1.99' }, { vtep: underlay(1), port: PORT, vni: VNI, address: 'fd00::99' }], networks: [...wanted.networks, { vtep: underlay(1), port: PORT + 1, vni: 5000 }] });
    assert.equal((await next.drops())['foreign-source'], 1);
    assert.deepEqual(await next.repair(), []);
    await send(node, vxlan(5000, IPV4, inner(b.address)), 'clear-text', PORT + 1);
    await next.set(wanted);
    assert.deepEqual(await next.repair(), []);
    await next.set(undefined);
    assert.equal(await run('nft', ['list', 'ruleset'], { netns: a.host }), '');
    node.close();
  });
}
