/**
 * Looks from within a task's namespace until something is so: how many tasks the name server there knows of a service, and whether the
 * balancer there has given a flow to a task that was not known before. One socket for all questions; one for each flow, since a flow is a port.
 */
import { createSocket, type Socket } from 'node:dgram';
import { bindUdp } from '../../kernel/netns/sockets.js';
import type { Namespace } from '../../kernel/netns/netns.js';
import { buildQuery } from '../../test/support/dns.js';

/** Milliseconds between two looks: what is found is up to so much older. */
export const PACE_MS = 20;
/** Milliseconds until it is given up. */
const PATIENCE_MS = 60_000;

const NAME_SERVER = '127.0.0.11';
/** Bytes: an answer with some dozens of addresses is more than the 512 of old. */
const EDNS = { size: 4096 };

function socketIn(namespace: Namespace): Socket {
  const socket = createSocket('udp4');
  socket.bind({ fd: bindUdp(namespace, '0.0.0.0', 0) });
  // Refused, unreachable: the next look may do better.
  socket.on('error', () => undefined);
  return socket;
}

/** Calls `look` now and every PACE_MS, until it has called `found`. Resolves with when that was, by performance.now(). */
function untilFound(what: string, look: (found: () => void) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    let over = false;
    const found = (): void => {
      if (over) return;
      over = true;
      clearInterval(timer);
      resolve(performance.now());
    };
    const timer = setInterval(() => {
      if (performance.now() - begin > PATIENCE_MS) {
        over = true;
        clearInterval(timer);
        reject(new Error(`not within ${PATIENCE_MS / 1000} s: ${what}`));
      } else look(found);
    }, PACE_MS);
    look(found);
  });
}

/** When the name server has at least so many tasks of the service. */
export async function knownByName(namespace: Namespace, service: string, tasks: number): Promise<number> {
  const socket = socketIn(namespace);
  const query = buildQuery({ name: `tasks.${service}`, edns: EDNS });
  let found: () => void = () => undefined;
  // ANCOUNT, RFC 1035 section 4.1.1.
  socket.on('message', (answer) => {
    if (answer.length >= 12 && answer.readUInt16BE(6) >= tasks) found();
  });
  try {
    return await untilFound(`${tasks} tasks by name`, (tell) => {
      found = tell;
      socket.send(query, 53, NAME_SERVER, () => undefined);
    });
  } finally {
    socket.close();
  }
}

/** When a flow to the VIP was answered by a task whose id is not in `known`. Endpoints answer a datagram with their id. */
export async function balancedTo(namespace: Namespace, vip: string, port: number, known: ReadonlySet<string>): Promise<number> {
  const sockets = new Set<Socket>();
  try {
    return await untilFound('a new endpoint is given flows', (found) => {
      const socket = socketIn(namespace);
      sockets.add(socket);
      socket.on('message', (answer) => {
        if (!known.has(answer.toString())) found();
        sockets.delete(socket);
        socket.close();
      });
      socket.send('x', port, vip, () => undefined);
    });
  } finally {
    for (const socket of sockets) socket.close();
  }
}
