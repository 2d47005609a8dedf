import test from 'ava';
import { BALANCER, CLIENT, ENDPOINTS, Mesh, plain, PLAIN, snapshot, VIP } from '../../../support/mesh.js';
import { tcpFrame, udpFrame } from '../../../support/packets.js';

/** How long a flow lasts without a packet, to the second, after `prepare`. */
function lifetime(prepare: (mesh: Mesh) => void): number {
  const mesh = new Mesh();
  prepare(mesh);
  for (let seconds = 1; seconds < 10_000; seconds++) {
    mesh.wait(1000);
    if (mesh.table.size === 0) return seconds;
  }
  return Infinity;
}

const steps: Readonly<Record<string, Buffer>> = {
  syn: tcpFrame({ from: CLIENT, to: VIP, flags: 'S' }),
  synAck: tcpFrame({ from: ENDPOINTS[0], to: BALANCER, sourcePort: 80, destinationPort: 40000, flags: 'SA' }),
  ack: tcpFrame({ from: CLIENT, to: VIP }),
  clientFin: tcpFrame({ from: CLIENT, to: VIP, flags: 'FA' }),
  endpointFin: tcpFrame({ from: ENDPOINTS[0], to: BALANCER, sourcePort: 80, destinationPort: 40000, flags: 'FA' }),
  reset: tcpFrame({ from: CLIENT, to: VIP, flags: 'RA' }),
};

const pass = (...names: string[]) => (mesh: Mesh): void => names.forEach((name) => void mesh.pass(steps[name]!));

test('timeouts by state', (t) => {
  t.is(lifetime(pass('syn')), 240);
  t.is(lifetime(pass('syn', 'synAck')), 240);
  t.is(lifetime(pass('syn', 'synAck', 'ack')), 7440);
  t.is(lifetime(pass('syn', 'synAck', 'ack', 'clientFin')), 7440, 'half-closed is open');
  t.is(lifetime(pass('syn', 'synAck', 'ack', 'clientFin', 'endpointFin')), 240);
  t.is(lifetime(pass('syn', 'synAck', 'ack', 'clientFin', 'endpointFin', 'ack')), 10);
  t.is(lifetime(pass('syn', 'synAck', 'ack', 'reset')), 10);
  t.is(lifetime((mesh) => void mesh.pass(udpFrame({ from: CLIENT, to: VIP }))), 300);
});

test('every packet, either way, prolongs a flow', (t) => {
  const there = udpFrame({ from: CLIENT, to: VIP });
  const back = udpFrame({ from: ENDPOINTS[0], to: BALANCER, sourcePort: 53, destinationPort: 40000 });
  t.is(
    lifetime((mesh) => {
      for (const packet of [there, back, there, back]) {
        mesh.pass(packet);
        mesh.wait(299_000);
        t.is(mesh.table.size, 1);
      }
      mesh.pass(there);
    }),
    300,
  );
});

test('a flow that expired is no flow: its next packet is refused, its next datagram begins anew', (t) => {
  const mesh = new Mesh();
  for (const name of ['syn', 'synAck', 'ack']) mesh.pass(steps[name]!);
  mesh.pass(udpFrame({ from: CLIENT, to: VIP }));
  mesh.wait(7_441_000);
  t.is(mesh.count('flowsExpired'), 2);
  mesh.pass(steps.ack!);
  mesh.pass(udpFrame({ from: CLIENT, to: VIP }));
  t.deepEqual([mesh.count('refusedNoFlow'), mesh.count('flowsOpened')], [1, 3]);
});

test('own timeouts', (t) => {
  const mesh = new Mesh({ config: snapshot(1, plain({ timeouts: { established: 100, transitory: 20, closed: 1, icmp: 60, udp: 5 } })) });
  mesh.pass(udpFrame({ from: CLIENT, to: VIP }));
  mesh.wait(6000);
  t.is(mesh.table.size, 0);
});

test('one call does a bounded amount of work, later calls the rest', (t) => {
  const mesh = new Mesh({ maxFlows: 10_000, config: PLAIN });
  for (let i = 0; i < 10_000; i++) mesh.pass(udpFrame({ from: `10.2.${i >> 8}.${i & 255}`, to: VIP }));
  mesh.now += 301_000;
  const sizes = [0, 1, 2].map(() => {
    mesh.pipeline.expire(mesh.now);
    return mesh.table.size;
  });
  t.deepEqual(sizes, [10_000 - 4096, 10_000 - 8192, 0]);
});
