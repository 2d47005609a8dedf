/**
 * Connections in the kernel whose endpoint is gone, or whose service: both sides are told. Where the kernel had them nobody knows their sequence numbers,
 * so each side gets a segment that cannot be in its window, from whom it takes for its peer. It answers with an ACK that has the true ones
 * (RFC 9293 3.10.7.4), which comes to userspace, as of a flow that nobody has, and gets a RST that it believes; that of a client of a published
 * port comes to the host, which has no such connection either. A sender may be asked so once in 500 ms (tcp_invalid_ratelimit), and is asked once.
 *
 * Without raw sockets a side notices with its next packet.
 */
import { randomBytes } from 'node:crypto';
import type { Namespace } from '../../kernel/netns/netns.js';
import type { KernelFlow } from '../../kernel/offload/driver.js';
import { rawObstacle, sendRaw, type RawPacket } from '../../kernel/raw/raw.js';
import { bareAck, type Peer } from '../../kernel/raw/segment.js';
import type { Dataplane } from '../../proxy/dataplane/handle.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import type { Logger } from '../log.js';

/** Of one endpoint, or of the services that go at once; the others notice with their next packet. */
export const MOST = 4096;
/** At once. */
const BATCH = 256;
/** Over already, or as good as. */
const OVER = new Set(['TIME_WAIT', 'CLOSE']);

export interface EndedParts {
  readonly namespace: Namespace;
  /** Of the data plane. */
  readonly index: number;
  readonly dataplane: Pick<Dataplane, 'refuse'>;
  /** Of published ports: where clients come in. */
  readonly host?: Namespace;
  readonly log: Logger;
  readonly send?: typeof sendRaw;
}

/** Tells both sides of those flows that are connections. Never rejects. */
export async function tellEnded(flows: readonly KernelFlow[], { namespace, index, dataplane, host, log, send = sendRaw }: EndedParts): Promise<void> {
  const open = flows.filter(({ protocol, state }) => protocol === 'tcp' && !OVER.has(state)).slice(0, MOST);
  if (open.length === 0) return;
  try {
    const mute = send === sendRaw && (await rawObstacle()) !== undefined;
    for (let at = 0; at < open.length; at += BATCH) {
      const batch = open.slice(at, at + BATCH);
      await dataplane.refuse(index, batch.map(({ client, virtual, endpoint, seenAs }) => (host ? refused(peerOf(endpoint), peerOf(seenAs)) : refused(peerOf(client), peerOf(virtual)))));
      if (mute) continue;
      const toEndpoints = batch.map(({ seenAs, endpoint }) => strangeAck(seenAs, endpoint));
      const toClients = batch.flatMap(({ virtual, asked, client }) => (host && asked === undefined ? [] : [strangeAck(asked ?? virtual, client)]));
      await send(namespace, host ? toEndpoints : [...toClients, ...toEndpoints]);
      if (host) await send(host, toClients);
    }
  } catch (error) {
    log.warn('offload: connections that have ended were not told so', { err: error, connections: open.length });
  }
}

/** Numbers at random are in nobody's window but once in thousands of times, and then nothing is answered, and nothing lost. */
function strangeAck(from: string, to: string): RawPacket {
  const random = randomBytes(8);
  const peer = peerOf(to);
  return { bytes: bareAck({ from: peerOf(from), to: peer, sequence: random.readUInt32BE(0), acknowledgement: random.readUInt32BE(4) }), to: peer.address };
}

function peerOf(text: string): Peer {
  const colon = text.lastIndexOf(':');
  return { address: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}

function refused(client: Peer, virtual: Peer): { client: number; clientPort: number; vip: number; vipPort: number } {
  return { client: parseIpv4(client.address), clientPort: client.port, vip: parseIpv4(virtual.address), vipPort: virtual.port };
}
