/**
 * A TCP connection as a bare descriptor: nothing is read from it here, so that it can be handed to another process.
 */
import { closeSync } from 'node:fs';
import { lookup } from 'node:dns/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { POLLOUT } from '../../kernel/ffi/constants.js';
import { errnoName, poll } from '../../kernel/ffi/libc.js';
import { PollSet } from '../../kernel/ffi/structs.js';
import { socketError } from '../../kernel/netns/socket-info.js';
import { beginConnect, openSocket } from '../../kernel/netns/sockets.js';
import { ConnectError } from '../host-gateway.js';

/** Milliseconds for one address. */
const TIMEOUT_MS = 5000;
/** Milliseconds between two looks, at first and at most. */
const LOOK_MS = { first: 1, longest: 50 };

/** Tries the addresses of `host` in the order in which the system's resolver has them. Rejects with ConnectError. Another `open` is for tests. */
export async function connectTcp(host: string, port: number, open = openSocket): Promise<number> {
  let failure = 'it has no address';
  for (const { address, family } of await addressesOf(host)) {
    const connected = await tryAddress(address, port, () => open('tcp', family === 6 ? 'ipv6' : 'ipv4'));
    if (typeof connected === 'number') return connected;
    failure = connected;
  }
  throw new ConnectError(`${host}:${port} cannot be reached: ${failure}`);
}

async function addressesOf(host: string): Promise<readonly { address: string; family: number }[]> {
  try {
    return await lookup(host, { all: true });
  } catch (error) {
    throw new ConnectError(`${host} cannot be resolved (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
}

/** The descriptor, or why not: also that this host has nothing of the address's family. */
async function tryAddress(address: string, port: number, open: () => number): Promise<number | string> {
  let fd: number | undefined;
  try {
    fd = open();
    beginConnect(fd, address, port);
    const failure = await outcome(fd);
    if (failure === undefined) return fd;
    closeSync(fd);
    return `${failure} from ${address}`;
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    return (error as Error).message;
  }
}

/** undefined: it is connected. */
async function outcome(fd: number): Promise<string | undefined> {
  const set = new PollSet(1);
  const end = performance.now() + TIMEOUT_MS;
  for (let pause = LOOK_MS.first; ; pause = Math.min(2 * pause, LOOK_MS.longest)) {
    set.set(0, fd, POLLOUT);
    if (poll(set.bytes, 1, 0) > 0) {
      const errno = socketError(fd);
      return errno === 0 ? undefined : errnoName(errno);
    }
    if (performance.now() > end) return 'no answer';
    await wait(pause);
  }
}
