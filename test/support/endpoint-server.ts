/**
 * An endpoint for tests, run as a program inside a task's namespace: `node endpoint-server.js ID [UDP-PORT [ADDRESS]]`.
 * ADDRESS is what it listens on: 0.0.0.0, or `::` for both families.
 *
 * TCP 80: `/` answers `ID PEER-ADDRESS`, `/blob/N` answers N bytes whose SHA-256 is blobHash(N).
 * TCP 7: reads to the client's end, then answers `ID BYTES SHA-256` of what it has read.
 * UDP 53 or UDP-PORT: answers every datagram with `ID ` and the datagram. Prints `ready` when all are there.
 */
import { createHash } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { pathToFileURL } from 'node:url';
import { Readable } from 'node:stream';

const BLOCK = 1 << 16;

function* blob(bytes: number): Generator<Buffer> {
  for (let at = 0, n = 0; at < bytes; at += BLOCK, n++) {
    // Every block differs, so that a block that is lost, doubled or moved shows.
    const block = Buffer.alloc(BLOCK, createHash('sha256').update(`${n}`).digest());
    yield block.subarray(0, Math.min(BLOCK, bytes - at));
  }
}

/** SHA-256 in hex of what `/blob/N` answers. */
export function blobHash(bytes: number): string {
  const hash = createHash('sha256');
  for (const block of blob(bytes)) hash.update(block);
  return hash.digest('hex');
}

async function serve(id: string, udpPort: number, address: string): Promise<void> {
  const server = http.createServer((request, response) => {
    const bytes = /^\/blob\/(\d+)$/.exec(request.url ?? '')?.[1];
    if (bytes !== undefined) Readable.from(blob(Number(bytes))).pipe(response);
    else response.end(`${id} ${request.socket.remoteAddress?.replace(/^::ffff:/, '')}\n`);
  });
  const digest = net.createServer({ allowHalfOpen: true }, (connection) => {
    const hash = createHash('sha256');
    let bytes = 0;
    connection.on('error', () => connection.destroy());
    connection.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      bytes += chunk.length;
    });
    connection.on('end', () => connection.end(`${id} ${bytes} ${hash.digest('hex')}\n`));
  });
  const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (message, peer) => socket.send(`${id} ${message.toString()}`, peer.port, peer.address));
  server.listen(80, address);
  digest.listen(7, address);
  socket.bind(udpPort, address);
  await Promise.all([server, digest, socket].map((each) => once(each, 'listening')));
  process.stdout.write('ready\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await serve(process.argv[2] ?? 'nobody', Number(process.argv[3] ?? '53'), process.argv[4] ?? '0.0.0.0');
