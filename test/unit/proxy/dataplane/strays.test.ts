import test from 'ava';
import { FORGET, HOLD } from '../../../../proxy/dataplane/strays.js';
import { parseIpv4 } from '../../../../proxy/net/addr.js';
import { BALANCER, CLIENT, ENDPOINTS, IPV6, Mesh, NETWORK, plain, snapshot, VIP } from '../../../support/mesh.js';
import { decode, tcpFrame, udpFrame } from '../../../support/packets.js';

const RST = 4;
const HOLD_MS = HOLD * 100;
const FORGET_MS = FORGET * 100;
const OFFLOADED = snapshot(1, plain().map((service) => ({ ...service, offloaded: true })));

const fromClient = (sourcePort = 40000, flags = 'A'): Buffer => tcpFrame({ from: CLIENT, to: VIP, sourcePort, flags, seq: 7, ack: 9 });
const fromEndpoint = (from: string = ENDPOINTS[0]): Buffer => tcpFrame({ from, to: BALANCER, sourcePort: 80, destinationPort: 40000, flags: 'A', seq: 7, ack: 9 });

/** Passes the same frame every second, and answers for which seconds there was a RST. */
function everySecond(mesh: Mesh, frame: () => Buffer, seconds: number): number[] {
  const refused: number[] = [];
  for (let second = 0; second < seconds; second++) {
    const out = mesh.send(frame());
    if (out !== undefined) {
      if ((decode(out).flags & RST) === 0) throw new Error('not a RST');
      refused.push(second);
    }
    mesh.now += 1000;
  }
  return refused;
}

test('a segment of a flow that nobody here knows is refused at once where the kernel has none', (t) => {
  const mesh = new Mesh();
  t.deepEqual(everySecond(mesh, fromClient, 1), [0]);
  t.deepEqual(everySecond(mesh, fromEndpoint, 1), [0]);
  t.is(mesh.count('refusedNoFlow'), 2);
});

test('where the kernel has some, it is held for a while, in both directions, and refused when nobody has taken it by then', (t) => {
  const mesh = new Mesh({ config: OFFLOADED });
  const late = [HOLD_MS / 1000, HOLD_MS / 1000 + 1];
  t.deepEqual(everySecond(mesh, fromClient, HOLD_MS / 1000 + 2), late);
  t.deepEqual(everySecond(mesh, fromEndpoint, HOLD_MS / 1000 + 2), late);
  t.is(mesh.count('droppedKernelFlow'), (2 * HOLD_MS) / 1000);
  t.is(mesh.count('refusedNoFlow'), 4);
  t.is(mesh.table.size, 0);
});

test('an endpoint of published ports that the kernel has is held; others are not, nor is what is known to have ended', (t) => {
  const config = snapshot(1, plain());
  const mesh = new Mesh({ config: { ...config, networks: config.networks.map((network) => ({ ...network, offloaded: [parseIpv4(ENDPOINTS[0])] })) } });
  t.deepEqual(everySecond(mesh, fromEndpoint, 3), []);
  t.deepEqual(everySecond(mesh, () => fromEndpoint(ENDPOINTS[1]), 1), [0]);
  t.deepEqual(everySecond(mesh, fromClient, 1), [0]);
  mesh.pipeline.refuse(NETWORK, [{ client: parseIpv4(ENDPOINTS[0]), clientPort: 80, vip: parseIpv4(BALANCER), vipPort: 40000 }]);
  t.deepEqual(everySecond(mesh, fromEndpoint, 1), [0]);
});

test('one that was taken meanwhile is held anew the next time', (t) => {
  const mesh = new Mesh({ config: OFFLOADED });
  t.deepEqual(everySecond(mesh, fromClient, 3), []);
  mesh.now += FORGET_MS;
  t.deepEqual(everySecond(mesh, fromClient, 3), []);
});

test('each flow has its own time', (t) => {
  const mesh = new Mesh({ config: OFFLOADED });
  everySecond(mesh, () => fromClient(1000), 6);
  everySecond(mesh, () => fromClient(2000), 5);
  t.is(decode(mesh.pass(fromClient(1000))).flags & RST, RST);
  t.is(mesh.send(fromClient(2000)), undefined);
});

test('with more flows than are remembered every one is held', (t) => {
  const mesh = new Mesh({ config: OFFLOADED });
  for (let port = 1; port < 0x10000; port++) mesh.send(fromClient(port));
  t.is(mesh.count('droppedKernelFlow'), 0xffff);
});

test('new connections, datagrams, RSTs, IPv6, strangers and services that are not offloaded are answered as ever', (t) => {
  const [vote, empty] = OFFLOADED.networks[0]!.services;
  const mesh = new Mesh({ config: snapshot(1, [vote!, { ...empty!, offloaded: false }]) });
  t.is(decode(mesh.pass(fromClient(40000, 'S'))).destinationPort, 80);
  t.is(mesh.count('forwardedPackets'), 1);
  mesh.send(fromClient(40001, 'R'));
  t.is(mesh.count('droppedStrayReset'), 1);
  mesh.send(udpFrame({ from: ENDPOINTS[1], to: BALANCER, sourcePort: 53, destinationPort: 5000 }));
  mesh.send(tcpFrame({ from: IPV6.client, to: IPV6.vip, flags: 'A' }));
  mesh.send(tcpFrame({ from: CLIENT, to: '10.0.1.3', flags: 'A' }));
  mesh.send(fromEndpoint('10.0.1.77'));
  t.is(mesh.count('refusedNoFlow'), 4);
  t.is(mesh.count('droppedKernelFlow'), 0);
});

test('connections that are said to be over are refused at once, others are held', (t) => {
  const mesh = new Mesh({ config: OFFLOADED });
  mesh.pipeline.refuse(NETWORK, [{ client: parseIpv4(CLIENT), clientPort: 40000, vip: parseIpv4(VIP), vipPort: 80 }]);
  t.like(decode(mesh.pass(fromClient(40000))), { flags: RST, seq: 9, destinationPort: 40000 });
  t.is(mesh.send(fromClient(40001)), undefined);
  mesh.wait(FORGET_MS);
  t.is(mesh.send(fromClient(40000)), undefined);
});
