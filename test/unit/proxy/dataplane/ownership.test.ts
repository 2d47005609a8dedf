/**
 * Several workers, each with flows of its own: whatever queue a packet comes in by, it is answered by exactly one of them, and
 * both directions, queries and the errors that quote them meet at the same one.
 */
import test from 'ava';
import { type Addresses, IPV4, IPV6, Mesh } from '../../../support/mesh.js';
import { checksumFault, decode, echoFrame, errorFrame, tcpFrame, udpFrame } from '../../../support/packets.js';

const WORKERS = 3;

class Workers {
  readonly meshes = Array.from({ length: WORKERS }, (_, index) => new Mesh({ worker: { index, count: WORKERS } }));

  /** What comes out for a frame that came in at worker `at`, and who answered. */
  pass(bytes: Uint8Array, at: number): { out: Buffer; by: number } {
    let by = at;
    let result = this.meshes[by]!.process(bytes);
    if (result < 0) {
      const { frame, pipeline } = this.meshes[by]!;
      const handed = Buffer.from(frame.bytes.subarray(0, pipeline.handOverLength));
      by = -result - 1;
      result = this.meshes[by]!.process(handed);
    }
    if (result <= 0) throw new Error(`worker ${by} answered ${result}`);
    return { out: Buffer.from(this.meshes[by]!.frame.bytes.subarray(0, result)), by };
  }
}

const tcp = (from: string, to: string, sourcePort: number, destinationPort: number, flags: string) => tcpFrame({ from, to, sourcePort, destinationPort, flags });

for (const [family, net] of [['IPv4', IPV4], ['IPv6', IPV6]] as [string, Addresses][]) {
  test(`${family}: connections, by whatever queue their packets come`, (t) => {
    const workers = new Workers();
    const owners = new Set<number>();
    for (let port = 40_000; port < 40_030; port++) {
      const at = port % WORKERS;
      const syn = workers.pass(tcp(net.client, net.vip, port, 80, 'S'), at);
      const { toText, sourcePort } = decode(syn.out);
      const answer = workers.pass(tcp(toText, net.balancer, 80, sourcePort, 'SA'), (at + 1) % WORKERS);
      t.like(decode(answer.out), { fromText: net.vip, toText: net.client, destinationPort: port });
      const ack = workers.pass(tcp(net.client, net.vip, port, 80, 'A'), (at + 2) % WORKERS);
      t.is(decode(ack.out).toText, toText);
      t.deepEqual([answer.by, ack.by], [syn.by, syn.by]);
      t.deepEqual([syn, answer, ack].map(({ out }) => checksumFault(out)), [undefined, undefined, undefined]);
      owners.add(syn.by);
    }
    t.is(owners.size, WORKERS);
    t.is(workers.meshes.reduce((sum, mesh) => sum + mesh.table.size, 0), 30);
    for (const mesh of workers.meshes) {
      t.is(mesh.table.size, 10);
      t.true(mesh.count('handedOver') > 0);
      t.is(mesh.unaccounted(), 0);
    }
  });

  test(`${family}: a port that is taken is replaced by one of the same worker`, (t) => {
    const workers = new Workers();
    const ports = new Set<string>();
    for (let i = 0; i < 60; i++) {
      const { out, by } = workers.pass(udpFrame({ from: `${net.client}${i < 10 ? i : ''}`, to: net.vip, sourcePort: 7000 + 2 * (i % 6) }), 0);
      const { toText, sourcePort } = decode(out);
      const back = workers.pass(udpFrame({ from: toText, to: net.balancer, sourcePort: 53, destinationPort: sourcePort }), (by + 1) % WORKERS);
      t.is(back.by, by);
      ports.add(`${toText} ${sourcePort}`);
    }
    t.true(ports.size > 6);
  });

  test(`${family}: queries and errors`, (t) => {
    const workers = new Workers();
    for (let identifier = 0; identifier < 12; identifier++) {
      const query = workers.pass(echoFrame({ from: net.client, to: net.vip, identifier }), 0);
      const { toText, l4 } = decode(query.out);
      const reply = workers.pass(echoFrame({ from: toText, to: net.balancer, reply: true, identifier: l4.readUInt16BE(4) }), 1);
      t.is(reply.by, query.by);
      const [type, code] = family === 'IPv4' ? [3, 1] : [1, 3];
      const toClient = workers.pass(errorFrame({ from: toText, to: net.balancer }, type, code, 0, query.out, 8), 2);
      t.deepEqual([toClient.by, decode(toClient.out).toText], [query.by, net.client]);
      const toEndpoint = workers.pass(errorFrame({ from: net.client, to: net.vip }, type, code, 0, reply.out, 8), 0);
      t.deepEqual([toEndpoint.by, decode(toEndpoint.out).toText], [query.by, toText]);
    }
  });
}
