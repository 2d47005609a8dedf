/**
 * What the packet path costs by itself: nanoseconds per packet through the pure pipeline, no system call in it.
 *
 *   npm run bench:micro
 *
 * Each row is the median of several rounds, with the fastest and the slowest beside it. The machine's speed drifts, so
 * compare rows of one run with each other, not with another run.
 */
import { Counters } from '../../proxy/dataplane/counters.js';
import { Pipeline } from '../../proxy/dataplane/pipeline.js';
import { FlowTable } from '../../proxy/flow/table.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import { makeFrame } from '../../proxy/wire/frame.js';
import { tcpFrame, udpFrame } from '../../test/support/packets.js';

const ROUNDS = 9;
const PACKETS = 200_000;
const CLIENTS = 1024;

interface Case {
  readonly name: string;
  /** Begin the flows. */
  readonly opening: readonly Uint8Array[];
  /** Go round and round in the measurement. */
  readonly frames: readonly Uint8Array[];
}

function pipeline(): Pipeline {
  const made = new Pipeline({
    table: new FlowTable(FlowTable.allocate(262_144), { hashKey: [0x1234567, 0x7654321] }),
    counters: new Counters(Counters.allocate()),
  });
  const endpoints = ['10.0.1.5', '10.0.1.6'].map((address) => ({ id: address, address: parseIpv4(address), weight: 1 }));
  const services = [{ id: 's', name: 'vote', vip: parseIpv4('10.0.1.2'), scheduler: 'rr' as const, endpoints }];
  made.configure({ epoch: 1, networks: [{ index: 0, id: 'n', name: 'overlay1', balancer: parseIpv4('10.0.1.250'), services }] });
  return made;
}

function cases(): Case[] {
  const client = { from: '10.0.1.9', to: '10.0.1.2' };
  const payload = Buffer.alloc(64);
  const tcp = (flows: number): Case => {
    const tuples = Array.from({ length: flows }, (_, index) => ({ ...client, sourcePort: 20_000 + index, destinationPort: 80 }));
    return {
      name: `TCP, established, ${flows} flow${flows === 1 ? '' : 's'}`,
      opening: tuples.map((tuple) => tcpFrame({ ...tuple, flags: 'S' })),
      frames: tuples.map((tuple) => tcpFrame({ ...tuple, flags: 'A', payload })),
    };
  };
  const udp = Array.from({ length: CLIENTS }, (_, index) => udpFrame({ ...client, sourcePort: 20_000 + index, destinationPort: 53, payload }));
  return [tcp(1), tcp(CLIENTS), { name: `UDP, ${CLIENTS} flows`, opening: udp, frames: udp }];
}

/** Nanoseconds per packet of one round. */
function round(target: Pipeline, frames: readonly Uint8Array[]): number {
  const frame = makeFrame();
  let now = 1000;
  const start = process.hrtime.bigint();
  for (let index = 0; index < PACKETS; index++) {
    const bytes = frames[index % frames.length] as Uint8Array;
    frame.bytes.set(bytes);
    if (target.process(0, frame, bytes.length, now) === 0) throw new Error('a packet of the benchmark was dropped');
    if (index % 1000 === 0) now++;
  }
  return Number(process.hrtime.bigint() - start) / PACKETS;
}

for (const { name, opening, frames } of cases()) {
  const target = pipeline();
  const frame = makeFrame();
  for (const bytes of opening) {
    frame.bytes.set(bytes);
    target.process(0, frame, bytes.length, 1000);
  }
  round(target, frames);
  const results = Array.from({ length: ROUNDS }, () => round(target, frames)).sort((a, b) => a - b);
  const [fastest, median, slowest] = [results[0], results[ROUNDS >> 1], results[ROUNDS - 1]].map((value) => (value ?? 0).toFixed(0));
  console.log(`${name.padEnd(32)} ${String(median).padStart(6)} ns/packet   (${fastest} to ${slowest})`);
}
