/**
 * A process that sends packets through the pipeline and reports its garbage collections as JSON on stdout. Started by
 * no-allocation.test.ts with a young generation of 1 MiB, so that a single byte per packet would show.
 *
 * Every path of the pipeline is taken: both directions of TCP and UDP, whole connections from SYN to expiry, refusals, echo,
 * ICMP errors, drops. The harness itself allocates nothing in its loop: packets are made before, and copied by hand.
 */
import { BALANCER, CLIENT, EMPTY_VIP, endpoint, ENDPOINTS, Mesh, NETWORK, service, VIP } from './mesh.js';
import { echoFrame, errorFrame, tcpFrame, udpFrame, VNET } from './packets.js';
import { measure } from './scavenges.js';
import type { Frame } from '../../proxy/wire/frame.js';
import type { Pipeline } from '../../proxy/dataplane/pipeline.js';

const WARM_UP = 400_000;
const PACKETS = Number(process.argv[2] ?? 1_000_000);
/** With `leak`, an object is allocated for every 17 packets: a check that the measurement would see it. */
const leak = process.argv[3] === 'leak';
const kept: object[] = [{}];

const mesh = new Mesh({ maxFlows: 20_000 });
mesh.apply([service(VIP, [endpoint(ENDPOINTS[0])]), service(EMPTY_VIP, [], 'empty')]);

const TO_VIP = { from: CLIENT, to: VIP };
const FROM_ENDPOINT = { from: ENDPOINTS[0], to: BALANCER, sourcePort: 80, destinationPort: 40000 };
const syn = tcpFrame({ ...TO_VIP, flags: 'S' });
const delivered = mesh.pass(syn);
mesh.pass(tcpFrame({ ...FROM_ENDPOINT, flags: 'SA' }));
mesh.pass(tcpFrame(TO_VIP));
const datagram = udpFrame({ ...TO_VIP, sourcePort: 41000, payload: Buffer.alloc(100) });
mesh.pass(datagram);

/** Of a flow that lasts. */
const steady = [
  tcpFrame({ ...TO_VIP, flags: 'AP', payload: Buffer.alloc(1400), partial: true }),
  tcpFrame({ ...FROM_ENDPOINT, payload: Buffer.alloc(64), seq: 0xfffffff0 }),
  datagram,
  udpFrame({ ...FROM_ENDPOINT, sourcePort: 53, destinationPort: 41000, payload: Buffer.alloc(100), partial: true }),
  echoFrame(TO_VIP),
  echoFrame({ from: CLIENT, to: BALANCER }),
  tcpFrame({ from: CLIENT, to: EMPTY_VIP, flags: 'S', seq: 0xfffffff0 }),
  tcpFrame({ ...TO_VIP, sourcePort: 5, flags: 'A', ack: 0xfffffff0 }),
  udpFrame({ from: CLIENT, to: EMPTY_VIP, payload: Buffer.alloc(600) }),
  errorFrame({ from: '10.0.1.1', to: BALANCER }, 11, 0, 0, delivered, 20),
  tcpFrame({ ...TO_VIP, flags: 'SF' }),
  Buffer.alloc(20),
];
/** Of a connection from beginning to end; its client port is set for each. */
const connection = ['S', 'SA', 'A', 'FA', 'FA', 'A'].map((flags, i) => ({
  fromClient: [0, 2, 3, 5].includes(i),
  bytes: tcpFrame({ ...(i === 1 || i === 4 ? FROM_ENDPOINT : TO_VIP), flags }),
}));
const CLIENT_PORT_AT = VNET + 20;
const BALANCER_PORT_AT = VNET + 22;

function load(frame: Frame, bytes: Uint8Array): void {
  const into = frame.bytes;
  for (let i = 0; i < bytes.length; i++) into[i] = bytes[i] as number;
}

let now = mesh.now | 0;
let clientPort = 1024;

function run(pipeline: Pipeline, frame: Frame, packets: number): void {
  for (let i = 0; i < packets; ) {
    for (let n = 0; n < steady.length; n++, i++) {
      load(frame, steady[n] as Uint8Array);
      pipeline.process(NETWORK, frame, (steady[n] as Uint8Array).length, now);
    }
    clientPort = clientPort === 39_999 ? 1024 : clientPort + 1;
    for (let n = 0; n < connection.length; n++, i++) {
      const packet = connection[n] as (typeof connection)[number];
      load(frame, packet.bytes);
      const at = packet.fromClient ? CLIENT_PORT_AT : BALANCER_PORT_AT;
      frame.bytes[at] = clientPort >>> 8;
      frame.bytes[at + 1] = clientPort & 255;
      pipeline.process(NETWORK, frame, packet.bytes.length, now);
    }
    if (leak) kept[0] = { i };
    now = (now + 2) | 0;
    if (now % 100 === 0) pipeline.expire(now);
  }
}

let packets = 0;
const measured = await measure(
  () => run(mesh.pipeline, mesh.frame, WARM_UP / 8),
  () => {
    const before = mesh.count('receivedPackets');
    run(mesh.pipeline, mesh.frame, PACKETS);
    packets = mesh.count('receivedPackets') - before;
  },
);
process.stdout.write(JSON.stringify({ ...measured, packets, unaccounted: mesh.unaccounted(), counters: mesh.nonZero() }));
