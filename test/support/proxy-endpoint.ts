/**
 * An endpoint that expects the PROXY protocol, version 2, in front of every connection, run as a program inside a task:
 * `node proxy-endpoint.js ID`. It reads the header by itself, octet by octet as the specification's section 2.2 has it, and tells what it says
 * as `ID CLIENT PORT LOCAL-PORT`.
 *
 * TCP 80: waits for a request and answers it so, in HTTP. TCP 25: says so at once, before the client has said anything.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

const SIGNATURE = '0d0a0d0a000d0a515549540a';

/** What the header says, and what comes after it; undefined as long as it is not whole. Throws when it is none. */
function read(bytes: Buffer): { readonly said: string; readonly rest: Buffer } | undefined {
  if (bytes.length < 16) return undefined;
  if (bytes.toString('hex', 0, 12) !== SIGNATURE || bytes[12] !== 0x21) throw new Error(`no header: ${bytes.toString('hex')}`);
  const length = bytes.readUInt16BE(14);
  if (bytes.length < 16 + length) return undefined;
  const size = bytes[13] === 0x11 ? 4 : 16;
  const address = bytes.subarray(16, 16 + size);
  const client = size === 4 ? address.join('.') : (address.toString('hex').match(/..../g) ?? []).join(':');
  const ports = 16 + 2 * size;
  return { said: `${client} ${bytes.readUInt16BE(ports)} ${bytes.readUInt16BE(ports + 2)}`, rest: bytes.subarray(16 + length) };
}

function serve(id: string, greets: boolean): Server {
  return createServer((socket) => {
    let bytes = Buffer.alloc(0);
    let over = false;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      const header = read(bytes);
      if (over || header === undefined || !(greets || header.rest.includes('\r\n\r\n'))) return;
      over = true;
      socket.end(`${greets ? '' : 'HTTP/1.0 200 OK\r\n\r\n'}${id} ${header.said}\n`);
    });
  });
}

const id = process.argv[2] ?? 'nobody';
const servers = [serve(id, false).listen(80), serve(id, true).listen(25)];
await Promise.all(servers.map((server) => once(server, 'listening')));
