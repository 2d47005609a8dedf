/**
 * A client that sends datagrams of given sizes, as a program inside a task: `node datagram-client.js HOST PORT BYTES…`. Each
 * goes once over IPv4 and once over IPv6, and has to come back (test/support/endpoint-server.ts) as it was.
 *
 * Prints `4 BYTES same` for each, or `different`, or `lost` after some seconds.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { pathToFileURL } from 'node:url';

const PATIENCE = 10_000;

function ask(family: 4 | 6, host: string, port: number, bytes: number): Promise<string> {
  // Text, and none of it twice: a fragment that is lost, doubled or moved shows.
  const text = randomBytes(bytes).toString('base64').slice(0, bytes);
  return new Promise((resolve, reject) => {
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    const settle = (outcome: string): void => {
      clearTimeout(timer);
      socket.close();
      resolve(outcome);
    };
    const timer = setTimeout(() => settle('lost'), PATIENCE);
    socket.on('error', reject);
    socket.on('message', (answer) => settle(answer.toString().endsWith(` ${text}`) ? 'same' : 'different'));
    socket.send(text, port, host);
  });
}

async function main([host = '', port, ...sizes]: readonly string[]): Promise<void> {
  for (const family of [4, 6] as const) {
    for (const bytes of sizes.map(Number)) process.stdout.write(`${family} ${bytes} ${await ask(family, host, Number(port), bytes)}\n`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2));
