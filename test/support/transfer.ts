/**
 * Bytes between tasks, for scenarios: `serve` answers each connection with as many as it asks for, the same ones each time, and `fetch` says what
 * of them has come. An executable: `node transfer.js serve`, `node transfer.js fetch BYTES ADDRESS…`.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const PORT = 9000;
const PIECE = 1 << 20;

/** What one serves and the other gets: the key stream of AES. */
function* stream(bytes: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16));
  const zeros = Buffer.alloc(PIECE);
  for (let left = bytes; left > 0; left -= PIECE) yield cipher.update(zeros.subarray(0, Math.min(left, PIECE)));
}

export function digestOf(bytes: number): string {
  const hash = createHash('sha256');
  for (const piece of stream(bytes)) hash.update(piece);
  return hash.digest('hex');
}

/** The command of a service that serves. */
export const SERVE_BYTES = [process.execPath, fileURLToPath(import.meta.url), 'serve'];

/** The command of a client, which prints a line `ADDRESS DIGEST` for each. */
export function fetchBytes(bytes: number, addresses: readonly string[]): string[] {
  return [process.execPath, fileURLToPath(import.meta.url), 'fetch', `${bytes}`, ...addresses];
}

function serve(): void {
  createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (line) => Readable.from(stream(Number(line.toString()))).pipe(socket));
  }).listen(PORT, '::');
}

function fetch(bytes: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256');
    const socket = connect(PORT, host, () => socket.write(`${bytes}\n`));
    socket.on('data', (piece) => hash.update(piece));
    socket.on('end', () => resolve(hash.digest('hex')));
    socket.on('error', reject);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [what, bytes, ...hosts] = process.argv.slice(2);
  if (what === 'serve') serve();
  for (const host of hosts) process.stdout.write(`${host} ${await fetch(Number(bytes), host)}\n`);
}
