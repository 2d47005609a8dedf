/**
 * Flows that are held, as a program inside a task or on a test host:
 *
 *   node held-flows.js tcp HOST PORT COUNT [INTERVAL]  opens COUNT connections, one after the other, and sends nothing on them, or a byte every INTERVAL ms
 *   node held-flows.js udp HOST PORT INTERVAL  sends numbered datagrams from one port, every INTERVAL ms, one at a time
 *
 * Prints one line of JSON (Event) for everything that happens, and goes on until it is ended.
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { pathToFileURL } from 'node:url';

export type Event =
  /** TCP: a connection was opened or ended; could not be opened, or was broken, so long after it was begun. */
  | { readonly kind: 'open' | 'end'; readonly n: number; readonly at: number }
  | { readonly kind: 'error'; readonly n: number; readonly at: number; readonly code: string; readonly afterMs: number; readonly opened: boolean }
  /** UDP: a datagram was sent, and answered by the task with this id. `at` is in milliseconds since the epoch. */
  | { readonly kind: 'sent'; readonly n: number; readonly at: number }
  | { readonly kind: 'answer'; readonly n: number; readonly at: number; readonly by: string };

const tell = (event: Event): void => void process.stdout.write(`${JSON.stringify(event)}\n`);

function hold(host: string, port: number, n: number, interval: number): Promise<void> {
  return new Promise((resolve) => {
    const begun = performance.now();
    let opened = false;
    const socket = connect({ host, port, allowHalfOpen: true });
    socket.on('connect', () => {
      opened = true;
      tell({ kind: 'open', n, at: Date.now() });
      if (interval > 0) setInterval(() => socket.write('.'), interval);
      resolve();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      tell({ kind: 'error', n, at: Date.now(), code: error.code ?? error.message, afterMs: performance.now() - begun, opened });
      resolve();
    });
    socket.on('end', () => tell({ kind: 'end', n, at: Date.now() }));
    socket.resume();
  });
}

function ask(host: string, port: number, interval: number): void {
  const socket = createSocket('udp4');
  socket.on('message', (data) => {
    const [by = '', n = ''] = data.toString().split(' ');
    tell({ kind: 'answer', n: Number(n), at: Date.now(), by });
  });
  // One that is lost shows by its number alone.
  socket.on('error', () => undefined);
  let n = 0;
  socket.bind(0, () =>
    setInterval(() => {
      tell({ kind: 'sent', n: ++n, at: Date.now() });
      socket.send(`${n}`, port, host);
    }, interval),
  );
}

async function main([kind, host = '', port, amount, interval = '0']: readonly string[]): Promise<void> {
  if (kind === 'udp') ask(host, Number(port), Number(amount));
  else for (let n = 1; n <= Number(amount); n++) await hold(host, Number(port), n, Number(interval));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2));
