/**
 * The demonstration service: an HTTP server that says which task has answered. A program by itself, run in a task:
 *   node vote.js            serves on $PORT, 80 unless told otherwise; in mode sockets on its own address
 *   node vote.js --check    exit code 0 when that server answers: the health check
 *
 * On SIGTERM it finishes what it has begun. It goes on accepting for LINGER, since a connection may have been given to it just
 * before the word that it is leaving got around; closing the listening socket at once would reset that one.
 */
import { createServer, get } from 'node:http';
import { hostname } from 'node:os';

/** Milliseconds. */
const LINGER = 250;
const CHECK_TIMEOUT = 2000;

const port = Number(process.env['PORT'] ?? '80');
const address = process.env['VIPMESH_ADDRESS'];

function serve(): void {
  const id = process.env['HOSTNAME'] ?? hostname();
  let leaving = false;
  const server = createServer((request, response) => {
    request.resume(); // a body that nobody reads would keep the connection busy
    if (leaving) response.setHeader('connection', 'close');
    response.setHeader('content-type', 'text/plain');
    response.end(`Processed by container ID ${id}\n`);
  });
  server.on('error', (error) => {
    console.error(`cannot serve on port ${port}: ${error.message}`);
    process.exit(1);
  });
  server.listen({ port, host: address }, () => console.log(`${id} serves on port ${port}`));
  const leave = (): void => {
    if (leaving) return;
    leaving = true;
    setTimeout(() => {
      server.close(() => process.exit(0));
      server.closeIdleConnections();
    }, LINGER);
  };
  process.on('SIGTERM', leave);
  process.on('SIGINT', leave);
}

function check(): void {
  const request = get({ host: address ?? '127.0.0.1', port, agent: false, timeout: CHECK_TIMEOUT }, (response) => {
    response.resume();
    process.exitCode = response.statusCode === 200 ? 0 : 1;
  });
  request.on('timeout', () => request.destroy(new Error(`no answer within ${CHECK_TIMEOUT} ms`)));
  request.on('error', (error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}

if (process.argv.includes('--check')) check();
else serve();
