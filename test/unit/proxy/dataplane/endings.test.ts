/** How flows end that no packet ends: expiry, a swept configuration, eviction, an endpoint that does not answer. Both families. */
import test from 'ava';
import { DEFAULT_POLICY, DEFAULT_TIMEOUTS } from '../../../../proxy/config/snapshot.js';
import { type Addresses, endpoint, ENDPOINTS, IPV4, IPV6, ipv6Of, Mesh, plain, service, snapshot, VIP } from '../../../support/mesh.js';
import { checksumFault, decode, tcpFrame, udpFrame } from '../../../support/packets.js';

const RST = 4;
const ACK = 16;

/** Opens a connection as far as `established`; the endpoint's IPv4 address and the port it sees. */
function connect(mesh: Mesh, net: Addresses, sourcePort = 40000): { endpoint: string; text: string; port: number } {
  const syn = decode(mesh.pass(tcpFrame({ from: net.client, to: net.vip, sourcePort, flags: 'S', seq: 100 })));
  mesh.pass(tcpFrame({ from: syn.toText, to: net.balancer, sourcePort: 80, destinationPort: syn.sourcePort, flags: 'SA', seq: 500, ack: 101 }));
  mesh.pass(tcpFrame({ from: net.client, to: net.vip, sourcePort, flags: 'A', seq: 101, ack: 501 }));
  const address = ENDPOINTS.find((text) => text === syn.toText || ipv6Of(text) === syn.toText);
  return { endpoint: address!, text: syn.toText, port: syn.sourcePort };
}

function otherThan(address: string): string {
  return ENDPOINTS.find((other) => other !== address)!;
}

for (const [family, net] of [['IPv4', IPV4], ['IPv6', IPV6]] as const) {
  test(`${family}: an established flow that expires ends with RST to both sides`, (t) => {
    const mesh = new Mesh({ config: snapshot(1, plain({ timeouts: { ...DEFAULT_TIMEOUTS, established: 300 } })) });
    const flow = connect(mesh, net);
    mesh.wait(299_000);
    t.deepEqual(mesh.emitted, []);
    mesh.wait(2000);
    const [toClient, toEndpoint] = mesh.takeEmitted();
    t.like(decode(toClient!), { fromText: net.vip, toText: net.client, sourcePort: 80, destinationPort: 40000, flags: RST | ACK, seq: 501, ack: 101 });
    t.like(decode(toEndpoint!), { fromText: net.balancer, toText: flow.text, sourcePort: flow.port, destinationPort: 80, flags: RST | ACK, seq: 101, ack: 501 });
    t.deepEqual([toClient, toEndpoint].map((frame) => checksumFault(frame!)), [undefined, undefined]);
    t.deepEqual([mesh.table.size, mesh.book.size, mesh.count('flowsExpired')], [0, new Mesh().book.size, 1]);
  });

  test(`${family}: what never was established, and what is over, expires in silence`, (t) => {
    const mesh = new Mesh();
    mesh.pass(tcpFrame({ from: net.client, to: net.vip, flags: 'S' }));
    mesh.pass(udpFrame({ from: net.client, to: net.vip }));
    connect(mesh, net, 5);
    mesh.pass(tcpFrame({ from: net.client, to: net.vip, sourcePort: 5, flags: 'RA' }));
    mesh.wait(400_000);
    t.deepEqual([mesh.table.size, mesh.emitted.length, mesh.count('flowsExpired')], [0, 0, 3]);
  });

  test(`${family}: an endpoint that leaves takes its connections with it at once, without another packet`, (t) => {
    const mesh = new Mesh();
    const dead = connect(mesh, net, 1);
    const live = connect(mesh, net, 2);
    mesh.pass(udpFrame({ from: net.client, to: net.vip, sourcePort: 3 }));
    mesh.apply([service(VIP, [endpoint(live.endpoint)])]);
    const emitted = mesh.takeEmitted().map(decode);
    t.is(emitted.length, 2);
    t.like(emitted[0]!, { toText: net.client, destinationPort: 1, seq: 501 });
    t.like(emitted[1]!, { toText: dead.text, seq: 101 });
    t.is(decode(mesh.pass(tcpFrame({ from: net.client, to: net.vip, sourcePort: 2 }))).toText, live.text);
    t.is(mesh.count('emittedResets'), 2);
  });
}

test('a sweep of many flows takes several steps, and ends', (t) => {
  const mesh = new Mesh({ maxFlows: 20_000 });
  for (let port = 1; port <= 20_000; port++) mesh.pass(udpFrame({ from: IPV4.client, to: VIP, sourcePort: port }));
  mesh.configure([service(VIP, [endpoint(ENDPOINTS[0])])]);
  let steps = 1;
  while (mesh.pipeline.sweep()) steps++;
  t.true(steps > 3 && steps < 100, `${steps} steps`);
  t.deepEqual([mesh.table.size, mesh.count('flowsEnded')], [10_000, 10_000]);
});

test('a snapshot from which nothing is gone starts no sweep', (t) => {
  const mesh = new Mesh();
  connect(mesh, IPV4);
  mesh.configure(plain());
  t.false(mesh.pipeline.sweep());
});

test('time-outs that get shorter hold for flows that are there', (t) => {
  const mesh = new Mesh();
  connect(mesh, IPV4);
  mesh.apply(plain({ timeouts: { ...DEFAULT_TIMEOUTS, established: 300 } }));
  mesh.wait(302_000);
  t.deepEqual([mesh.table.size, mesh.takeEmitted().length], [0, 2]);
});

test('another task at the same address is another endpoint', (t) => {
  const mesh = new Mesh({ config: snapshot(1, [service(VIP, [endpoint(ENDPOINTS[0], 1, 'task1')])]) });
  connect(mesh, IPV4);
  mesh.apply([service(VIP, [endpoint(ENDPOINTS[0], 1, 'task2')])]);
  t.is(mesh.takeEmitted().length, 2);
  t.is(mesh.table.size, 0);
});

test('an established flow that gives way to a new one is told so', (t) => {
  const mesh = new Mesh({ maxFlows: 2 });
  connect(mesh, IPV4, 1);
  mesh.wait(60_000);
  connect(mesh, IPV4, 2);
  connect(mesh, IPV4, 3);
  t.deepEqual(mesh.takeEmitted().map((frame) => decode(frame).flags & RST), [RST, RST]);
  t.is(mesh.count('flowsEvicted'), 1);
});

test('a SYN that nobody answers counts once, and goes elsewhere when that ejects the endpoint', (t) => {
  const mesh = new Mesh({ config: snapshot(1, plain({ policy: { ...DEFAULT_POLICY, ejectAfter: 2, ejectFor: 30_000 } })) });
  const send = (sourcePort: number): string => decode(mesh.pass(tcpFrame({ from: IPV4.client, to: VIP, sourcePort, flags: 'S' }))).toText;
  const dead = send(1);
  const live = send(2);
  t.is(live, otherThan(dead));
  const answer = (port: number): void => void mesh.pass(tcpFrame({ from: live, to: IPV4.balancer, sourcePort: 80, destinationPort: port, flags: 'SA' }));
  answer(2);
  for (let i = 0; i < 3; i++) t.is(send(1), dead, 'one failure, however often it is sent');
  t.is(mesh.count('connectFailures'), 1);
  t.is(send(3), dead);
  t.is(send(3), live, 'the second failure ejects, and the connection begins anew');
  t.deepEqual([mesh.count('connectFailures'), mesh.count('endpointsEjected')], [2, 1]);
  for (let port = 10; port < 20; port++) t.is(send(port), live);
  mesh.wait(30_000);
  t.deepEqual(new Set([20, 21].map(send)), new Set([dead, live]), 'after its time it takes its turn again');
});

test('SYNs that are lost while the endpoint takes others eject nobody; once it takes none they do', (t) => {
  const mesh = new Mesh({ config: snapshot(1, plain({ policy: { ...DEFAULT_POLICY, ejectAfter: 2 } })) });
  const send = (sourcePort: number): string => decode(mesh.pass(tcpFrame({ from: IPV4.client, to: VIP, sourcePort, flags: 'S' }))).toText;
  const answer = (from: string, port: number): void => void mesh.pass(tcpFrame({ from, to: IPV4.balancer, sourcePort: 80, destinationPort: port, flags: 'SA' }));
  const [first, second] = [send(1), send(2)];
  t.deepEqual([send(3), send(4), send(5), send(6)], [first, second, first, second]);
  mesh.wait(100);
  t.is(send(7), first);
  answer(first, 7);
  answer(second, 2);
  mesh.wait(900);
  for (const port of [1, 3, 5]) t.is(send(port), first);
  t.deepEqual([mesh.count('connectFailures'), mesh.count('endpointsEjected')], [0, 0]);
  mesh.wait(2000);
  t.is(send(1), first);
  t.is(send(3), second, 'nobody was answered since these were sent');
  t.deepEqual([mesh.count('connectFailures'), mesh.count('endpointsEjected')], [2, 1]);
});

for (const [family, net] of [['IPv4', IPV4], ['IPv6', IPV6]] as const) {
  test(`${family}: a SYN that comes again goes to an endpoint that answers, when a second has passed and its own has answered nobody`, (t) => {
    const mesh = new Mesh({ config: snapshot(1, plain({ policy: DEFAULT_POLICY })) });
    const send = (sourcePort: number) => decode(mesh.pass(tcpFrame({ from: net.client, to: net.vip, sourcePort, flags: 'S' })));
    const answer = ({ toText, sourcePort }: ReturnType<typeof send>): void => void mesh.pass(tcpFrame({ from: toText, to: net.balancer, sourcePort: 80, destinationPort: sourcePort, flags: 'SA' }));
    const [dead, live] = [send(1), send(2)];
    t.not(dead.toText, live.toText);
    mesh.wait(1000);
    t.is(send(1).toText, dead.toText, 'no other is known to be better');
    mesh.wait(500);
    answer(live);
    mesh.wait(200);
    t.is(send(1).toText, dead.toText, 'it may still be on its way');
    mesh.wait(100);
    const third = send(3);
    t.is(third.toText, dead.toText);
    const again = send(4);
    t.is(again.toText, live.toText);
    mesh.wait(900);
    answer(again);
    mesh.wait(100);
    const moved = send(3);
    t.is(moved.toText, live.toText);
    t.deepEqual([mesh.count('connectFailures'), mesh.count('endpointsEjected'), mesh.table.size], [2, 0, 4]);
    // One that was only slow is told that nobody waits any more.
    const late = tcpFrame({ from: dead.toText, to: net.balancer, sourcePort: 80, destinationPort: third.sourcePort, flags: 'SA' });
    t.is(decode(mesh.pass(late)).flags, RST);
    answer(moved);
    mesh.wait(2000);
    t.is(send(3).toText, live.toText, 'it is open there');
  });
}

test('a SYN that the endpoint refuses is a failure; one that it takes ends the row', (t) => {
  const mesh = new Mesh({ config: snapshot(1, plain({ policy: { ...DEFAULT_POLICY, ejectAfter: 2 } })) });
  const open = (sourcePort: number, flags: string): string => {
    const syn = decode(mesh.pass(tcpFrame({ from: IPV4.client, to: VIP, sourcePort, flags: 'S' })));
    mesh.pass(tcpFrame({ from: syn.toText, to: IPV4.balancer, sourcePort: 80, destinationPort: syn.sourcePort, flags }));
    return syn.toText;
  };
  const [first, second] = [open(1, 'RA'), open(2, 'SA')];
  t.is(open(3, 'SA'), first);
  open(4, 'SA');
  t.is(open(5, 'RA'), first);
  t.is(mesh.count('endpointsEjected'), 0, 'not two in a row');
  open(6, 'SA');
  t.is(open(7, 'RA'), first);
  t.deepEqual([mesh.count('connectFailures'), mesh.count('endpointsEjected')], [3, 1]);
  for (let port = 10; port < 20; port++) t.is(open(port, 'SA'), second);
});

test('a SYN that was refused and comes once more begins anew; a late copy of one that was taken does not', (t) => {
  const mesh = new Mesh();
  const send = (sourcePort: number) => decode(mesh.pass(tcpFrame({ from: IPV4.client, to: VIP, sourcePort, flags: 'S', seq: 100 })));
  const answer = ({ toText, sourcePort }: ReturnType<typeof send>, flags: string): void =>
    void mesh.pass(tcpFrame({ from: toText, to: IPV4.balancer, sourcePort: 80, destinationPort: sourcePort, flags, seq: 500, ack: 101 }));
  const refused = send(1);
  answer(refused, 'RA');
  const again = send(1);
  t.is(again.toText, otherThan(refused.toText));
  t.deepEqual([mesh.count('flowsOpened'), mesh.table.size], [2, 1]);
  send(1);
  answer(again, 'SA');
  mesh.pass(tcpFrame({ from: IPV4.client, to: VIP, sourcePort: 1, flags: 'A', seq: 101, ack: 501 }));
  answer(again, 'RA');
  t.is(send(1).toText, again.toText, 'although it was repeated before it was taken');
  t.deepEqual([mesh.count('connectFailures'), mesh.count('flowsOpened')], [2, 2]);
});

test('a port that no endpoint serves ejects nobody, in one family or in both', (t) => {
  const mesh = new Mesh({ config: snapshot(1, plain({ policy: { ...DEFAULT_POLICY, ejectAfter: 1 } })) });
  const open = (net: Addresses, sourcePort: number, destinationPort: number, flags: string): void => {
    const syn = decode(mesh.pass(tcpFrame({ from: net.client, to: net.vip, sourcePort, destinationPort, flags: 'S' })));
    mesh.pass(tcpFrame({ from: syn.toText, to: net.balancer, sourcePort: destinationPort, destinationPort: syn.sourcePort, flags }));
  };
  open(IPV4, 1, 80, 'SA');
  for (let port = 2; port < 12; port++) open(IPV4, port, 81, 'RA');
  for (let port = 12; port < 22; port++) open(IPV6, port, 80, 'RA');
  t.deepEqual([mesh.count('connectFailures'), mesh.count('endpointsEjected')], [20, 0]);
  open(IPV4, 30, 80, 'RA');
  t.is(mesh.count('endpointsEjected'), 1, 'the other one took a connection to this port');
});

test('max-conns: an endpoint has no more flows than that, and a place is free when one ends', (t) => {
  const mesh = new Mesh({ config: snapshot(1, plain({ policy: { ...DEFAULT_POLICY, maxConnections: 1 } })) });
  connect(mesh, IPV4, 1);
  connect(mesh, IPV4, 2);
  t.is(decode(mesh.pass(tcpFrame({ from: IPV4.client, to: VIP, sourcePort: 3, flags: 'S' }))).flags, RST | ACK);
  t.is(mesh.count('refusedNoEndpoint'), 1);
  mesh.pass(tcpFrame({ from: IPV4.client, to: VIP, sourcePort: 1, flags: 'RA' }));
  mesh.wait(12_000);
  connect(mesh, IPV4, 3);
  t.is(mesh.table.size, 2);
});

test('a snapshot with more IPv6 addresses than there is room for is refused as a whole', (t) => {
  const mesh = new Mesh({ maxFlows: 1 });
  const held = mesh.book.size;
  const many = Array.from({ length: 300 }, (_, i) => endpoint(`10.0.${2 + (i >> 8)}.${i & 255}`));
  t.throws(() => mesh.configure([service(VIP, many)]), { message: /address book is full/ });
  t.is(mesh.book.size, held);
  const syn = decode(mesh.pass(tcpFrame({ from: IPV6.client, to: IPV6.vip, flags: 'S' })));
  t.true(IPV6.endpoints.includes(syn.toText), 'the one before is in force');
});
