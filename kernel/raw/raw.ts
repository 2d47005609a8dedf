/**
 * IPv4 packets with a source address that is not ours, by a raw socket: the only import of raw-socket, an optional package that needs
 * a compiler when it is installed (scripts/native.mjs). What is sent, and to whom, others decide.
 */
import type { Namespace } from '../netns/netns.js';

/** What we use of it. */
interface RawSocketModule {
  createSocket(options: { protocol: number }): RawSocket;
}

interface RawSocket {
  send(bytes: Buffer, offset: number, length: number, address: string, done: (error: Error | null) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  close(): void;
}

/** IPPROTO_RAW: the header is ours, and nothing is ever received (raw(7)). */
const IPPROTO_RAW = 255;
/** Packets are small, and go to the kernel at once: whoever waits for them is not to wait for long. */
const LONGEST_MS = 2000;

/** Why packets cannot be sent so: a sentence; undefined: they can. */
export async function rawObstacle(): Promise<string | undefined> {
  const found = await load();
  return typeof found === 'string' ? found : undefined;
}

async function load(): Promise<RawSocketModule | string> {
  try {
    // @ts-expect-error it brings no types, and may not be there at all
    // eslint-disable-next-line @typescript-eslint/no-unsafe-assignment
    const loaded: { default: RawSocketModule } = await import('raw-socket');
    return loaded.default;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_MODULE_NOT_FOUND') return 'the optional package raw-socket is not installed';
    if (code === 'MODULE_NOT_FOUND') return 'the optional package raw-socket was installed without a compiler or the headers of Node';
    return `the optional package raw-socket cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
  }
}

export interface RawPacket {
  readonly bytes: Buffer;
  /** IPv4 text. */
  readonly to: string;
}

/**
 * Sends packets in a namespace. Answers how many went; those that have no route, or no room, do not, nor do those that take longer than `within`
 * milliseconds. Throws where `rawObstacle` names one, or without CAP_NET_RAW.
 */
export async function sendRaw(namespace: Namespace, packets: readonly RawPacket[], within = LONGEST_MS): Promise<number> {
  const found = await load();
  if (typeof found === 'string') throw new Error(found);
  const socket = namespace.within(() => found.createSocket({ protocol: IPPROTO_RAW }));
  let timer: NodeJS.Timeout | undefined;
  let sent = 0;
  try {
    await Promise.race([
      Promise.all(packets.map(({ bytes, to }) => new Promise<void>((resolve) => socket.send(bytes, 0, bytes.length, to, (error) => resolve(void (error === null && sent++)))))),
      new Promise<never>((_, reject) => socket.on('error', reject)),
      // The addon does not hold what it works for: without a timer that waits, too, the socket and all who wait for it may be collected as garbage.
      new Promise<void>((resolve) => (timer = setTimeout(resolve, within))),
    ]);
    return sent;
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}
