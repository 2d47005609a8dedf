/**
 * A client that asks again and again for a while, run as a program in a task or on the host: `node load-client.js KIND
 * TARGET SECONDS`. Prints `DONE FAILED`, the number of answers and of failures.
 *
 *   http URL     16 at a time on kept connections; every 20th answer ends its connection, so that new ones begin
 *   dns NAME     four at a time, at most 500 a second each: a busy name server, not one that is drowned
 */
import dns from 'node:dns/promises';
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const HTTP_AT_A_TIME = 16;
const REQUESTS_PER_CONNECTION = 20;
const DNS_AT_A_TIME = 4;
const DNS_PAUSE_MS = 2;

function get(agent: http.Agent, url: string, last: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent, timeout: 5000, ...(last && { headers: { connection: 'close' } }) }, (response) => {
      response.on('error', reject).on('end', resolve).resume();
    });
    request.on('timeout', () => request.destroy(new Error('no answer'))).on('error', reject);
  });
}

function asker(kind: string, target: string): { atATime: number; ask: (number: number) => Promise<unknown> } {
  if (kind === 'http') {
    const agent = new http.Agent({ keepAlive: true, maxSockets: HTTP_AT_A_TIME });
    return { atATime: HTTP_AT_A_TIME, ask: (number) => get(agent, target, number % REQUESTS_PER_CONNECTION === 0) };
  }
  if (kind === 'dns') {
    const resolver = new dns.Resolver({ timeout: 2000, tries: 1 });
    return { atATime: DNS_AT_A_TIME, ask: () => Promise.all([resolver.resolve4(target), delay(DNS_PAUSE_MS)]) };
  }
  throw new Error(`no such kind of load: ${kind}`);
}

const [, , kind = '', target = '', seconds = ''] = process.argv;
const { atATime, ask } = asker(kind, target);
const deadline = performance.now() + Number(seconds) * 1000;
let done = 0;
let failed = 0;
const askOn = async (): Promise<void> => {
  while (performance.now() < deadline) {
    try {
      await ask(done + failed + 1);
      done++;
    } catch {
      failed++;
      // A target that refuses at once would otherwise be asked as fast as it can refuse.
      await delay(10);
    }
  }
};
await Promise.all(Array.from({ length: atATime }, askOn));
console.log(`${done} ${failed}`);
process.exit(0);
