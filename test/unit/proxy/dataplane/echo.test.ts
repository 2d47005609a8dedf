/** Echo queries through a VIP: balanced like datagrams, with the identifier for a port (RFC 5508 3). Both families. */
import test from 'ava';
import { IPV4, IPV6, Mesh } from '../../../support/mesh.js';
import { checksumFault, decode, echoFrame, errorFrame, VNET } from '../../../support/packets.js';

for (const [family, net] of [['IPv4', IPV4], ['IPv6', IPV6]] as const) {
  const [request, reply] = family === 'IPv4' ? ['08', '00'] : ['80', '81'];
  const toVip = { from: net.client, to: net.vip };

  test(`${family}: a query goes to an endpoint, the next of the same identifier too, and the reply comes from the VIP`, (t) => {
    const mesh = new Mesh();
    const there = mesh.pass(echoFrame(toVip, Buffer.from('abcde')));
    const { fromText, toText, l4 } = decode(there);
    t.is(fromText, net.balancer);
    t.true(net.endpoints.includes(toText));
    t.is(l4.toString('hex', 0, 2), `${request}00`);
    t.is(l4.toString('hex', 4), `12340001${Buffer.from('abcde').toString('hex')}`);
    t.is(checksumFault(there), undefined);
    t.is(decode(mesh.pass(echoFrame(toVip))).toText, toText);
    t.not(decode(mesh.pass(echoFrame({ ...toVip, identifier: 9 }))).toText, toText);

    const back = mesh.pass(echoFrame({ from: toText, to: net.balancer, reply: true }, Buffer.from('abcde')));
    t.like(decode(back), { fromText: net.vip, toText: net.client });
    t.is(decode(back).l4.toString('hex', 0, 2), `${reply}00`);
    t.is(decode(back).l4.readUInt16BE(4), 0x1234);
    t.is(checksumFault(back), undefined);
    t.like(mesh.nonZero(), { flowsOpened: 2, forwardedPackets: 4 });
  });

  test(`${family}: two clients with one identifier at one endpoint are told apart`, (t) => {
    const mesh = new Mesh();
    const clients = [net.client, `${net.client}1`, `${net.client}2`, `${net.client}3`];
    const sent = clients.map((from) => decode(mesh.pass(echoFrame({ from, to: net.vip }))));
    sent.forEach((query, i) => {
      const back = mesh.pass(echoFrame({ from: query.toText, to: net.balancer, reply: true, identifier: query.l4.readUInt16BE(4) }));
      t.is(decode(back).toText, clients[i]!);
      t.is(decode(back).l4.readUInt16BE(4), 0x1234);
      t.is(checksumFault(back), undefined);
    });
  });

  test(`${family}: identifier 0 is one like another`, (t) => {
    const mesh = new Mesh();
    const query = decode(mesh.pass(echoFrame({ ...toVip, identifier: 0 })));
    const back = mesh.pass(echoFrame({ from: query.toText, to: net.balancer, reply: true, identifier: query.l4.readUInt16BE(4) }));
    t.is(decode(back).l4.readUInt16BE(4), 0);
    t.is(checksumFault(back), undefined);
  });

  test(`${family}: no endpoint: host unreachable, which quotes the query`, (t) => {
    const mesh = new Mesh();
    const query = echoFrame({ from: net.client, to: net.emptyVip });
    const out = mesh.pass(query);
    const { fromText, toText, l4 } = decode(out);
    t.deepEqual([fromText, toText, l4.toString('hex', 0, 2)], [net.emptyVip, net.client, family === 'IPv4' ? '0301' : '0103']);
    t.deepEqual(l4.subarray(8), query.subarray(VNET));
    t.is(checksumFault(out), undefined);
    t.is(mesh.count('refusedNoEndpoint'), 1);
  });

  test(`${family}: a reply that nobody asked for goes nowhere; a query idle for 60 s is forgotten`, (t) => {
    const mesh = new Mesh();
    const query = decode(mesh.pass(echoFrame(toVip)));
    const answer = echoFrame({ from: query.toText, to: net.balancer, reply: true });
    t.is(mesh.send(echoFrame({ from: query.toText, to: net.balancer, reply: true, identifier: 77 })), undefined);
    mesh.wait(59_000);
    t.truthy(mesh.send(answer));
    mesh.wait(61_000);
    t.is(mesh.send(answer), undefined);
    t.deepEqual([mesh.table.size, mesh.count('droppedIcmpUnmatched')], [0, 2]);
  });

  test(`${family}: an error about a query reaches its client as about its own`, (t) => {
    const mesh = new Mesh();
    const query = echoFrame(toVip);
    const there = mesh.pass(query);
    const router = family === 'IPv4' ? '10.0.1.1' : 'fd00::99';
    const [type, code] = family === 'IPv4' ? [11, 0] : [3, 0];
    const out = mesh.pass(errorFrame({ from: router, to: net.balancer }, type, code, 0, there, 8));
    t.like(decode(out), { fromText: router, toText: net.client });
    t.deepEqual(decode(out).l4.subarray(8), query.subarray(VNET, VNET + (family === 'IPv4' ? 20 : 40) + 8));
    t.is(checksumFault(out), undefined);
  });
}
