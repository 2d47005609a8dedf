/**
 * A process that forwards packets of established flows for some seconds, as a worker at full rate does, and prints its
 * garbage collections as JSON: `node --max-semi-space-size=1 garbage-child.js SECONDS`. With a young generation of 1 MiB, a
 * byte per packet would show within a second.
 */
import { BALANCER, CLIENT, ENDPOINTS, Mesh, NETWORK, VIP } from '../../test/support/mesh.js';
import { tcpFrame, udpFrame } from '../../test/support/packets.js';
import { measure, type Measured } from '../../test/support/scavenges.js';

export interface Garbage extends Measured {
  readonly packets: number;
}

const PACKETS_PER_LOOK = 100_000;

const seconds = Number(process.argv[2] ?? '10');
const mesh = new Mesh();
const toVip = { from: CLIENT, to: VIP };
const answered = { from: ENDPOINTS[0], to: BALANCER, sourcePort: 80, destinationPort: 40_000 };
mesh.pass(tcpFrame({ ...toVip, flags: 'S' }));
mesh.pass(tcpFrame({ ...answered, flags: 'SA' }));
const frames = [
  tcpFrame(toVip),
  tcpFrame({ ...toVip, payload: Buffer.alloc(1400), partial: true }),
  tcpFrame({ ...answered, payload: Buffer.alloc(64) }),
  udpFrame({ ...toVip, sourcePort: 41_000, payload: Buffer.alloc(100) }),
];
for (const bytes of frames) mesh.pass(bytes);

let packets = 0;
let now = mesh.now;

function forward(milliseconds: number): void {
  const { frame, pipeline } = mesh;
  const start = performance.now();
  for (let elapsed = 0; elapsed < milliseconds; elapsed = performance.now() - start) {
    // Few looks at the clock: what it answers is an object of its own each time.
    for (let i = 0; i < PACKETS_PER_LOOK; i++) {
      const bytes = frames[i & 3]!;
      frame.bytes.set(bytes);
      if (pipeline.process(NETWORK, frame, bytes.length, now) <= 0) throw new Error('a packet was not forwarded');
      if (i % 1000 === 0) now += 1;
    }
    packets += PACKETS_PER_LOOK;
    pipeline.expire(now);
  }
}

const measured = await measure(
  () => forward(250),
  () => {
    packets = 0;
    forward(seconds * 1000);
  },
);
const garbage: Garbage = { ...measured, packets };
console.log(JSON.stringify(garbage));
