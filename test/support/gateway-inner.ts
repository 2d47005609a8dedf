/**
 * An inner process for tests of the rootless gateway pair: does what its parent tells it over the channel that the gateway
 * uses too. Commands are `{ do, …}`, answers `{ did, …}`.
 */
import { createSocket } from 'node:dgram';
import { readlinkSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { connectOuterGateway } from '../../agent/gateway/remote.js';
import { openSockets } from './open-sockets.js';

export type InnerCommand =
  | { readonly do: 'listen' | 'bind'; readonly address?: string; readonly port: number }
  | { readonly do: 'release'; readonly protocol: 'tcp' | 'udp'; readonly port: number }
  /** Says what comes over a connection until its end. */
  | { readonly do: 'connect'; readonly host: string; readonly port: number }
  /** Serves the descriptor of the last listen or bind: TCP says `inner`, UDP echoes with `inner:` before it. */
  | { readonly do: 'serveTcp' | 'serveUdp' }
  | { readonly do: 'resolve'; readonly query: string; readonly protocol: 'udp' | 'tcp' }
  | { readonly do: 'mtu' | 'sockets' | 'namespace' | 'close' };

export interface InnerAnswer {
  readonly did: unknown;
  readonly error?: { readonly name: string; readonly message: string };
}

const { server, port } = JSON.parse(process.argv[2] ?? '') as { server: string; port: number };
const gateway = connectOuterGateway({ servers: () => [server], port });
gateway.onDisconnect(() => {
  // Seen by the parent as the exit code, once the channel is gone.
  gateway.underlayMtu().catch((error: Error) => process.exit(error.name === 'GatewayError' ? 42 : 1));
});

let last = -1;

async function obey(command: InnerCommand): Promise<unknown> {
  switch (command.do) {
    case 'listen':
      return (last = await gateway.listenTcp(command.address, command.port));
    case 'bind':
      return (last = await gateway.bindUdp(command.address, command.port));
    case 'release':
      await gateway.release(command.protocol, undefined, command.port);
      return null;
    case 'connect': {
      const socket = new Socket({ fd: await gateway.connectTcp(command.host, command.port) });
      return (await socket.toArray()).join('');
    }
    case 'serveTcp': {
      const server = createServer((socket) => socket.end('inner'));
      await new Promise<void>((resolve) => server.listen({ fd: last }, resolve));
      return last;
    }
    case 'serveUdp': {
      const socket = createSocket('udp6');
      socket.on('message', (data, from) => socket.send(`inner:${data.toString()}`, from.port, from.address));
      socket.bind({ fd: last });
      return last;
    }
    case 'resolve':
      return (await gateway.resolve(Buffer.from(command.query, 'base64'), command.protocol))?.toString('base64');
    case 'mtu':
      return gateway.underlayMtu();
    case 'namespace':
      return readlinkSync('/proc/self/ns/net');
    case 'sockets':
      return openSockets();
    case 'close':
      await gateway.close();
      return gateway.underlayMtu();
  }
}

process.on('message', (message) => {
  if (typeof message !== 'object' || message === null || !('do' in message)) return;
  obey(message as InnerCommand).then(
    (did) => process.send?.({ did: did ?? null } satisfies InnerAnswer),
    ({ name, message: text }: Error) => process.send?.({ did: null, error: { name, message: text } } satisfies InnerAnswer),
  );
});
process.send?.({ did: 'ready' } satisfies InnerAnswer);
