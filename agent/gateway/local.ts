/**
 * The host gateway of a process that is in the host's network namespace itself: the agent with root, and the outer process
 * of a rootless one.
 */
import { isIP } from 'node:net';
import { bindUdp, listenTcp } from '../../kernel/netns/sockets.js';
import { run } from '../../kernel/run/runner.js';
import { ListenError, type HostGateway } from '../host-gateway.js';
import { connectTcp } from './connect.js';
import { explainListenError, unprivilegedPortStart } from './listen-error.js';
import { underlayMtu } from './mtu.js';
import { ResolvConf } from './resolv-conf.js';
import { Upstream, type UpstreamOptions } from './upstream.js';

export interface LocalGatewayOptions extends Omit<UpstreamOptions, 'servers'> {
  /** The file that names the host's resolvers. */
  readonly resolvConf?: string;
}

export class LocalGateway implements HostGateway {
  readonly #upstream: Upstream;

  constructor(options: LocalGatewayOptions = {}) {
    const resolvConf = new ResolvConf(options.resolvConf);
    this.#upstream = new Upstream({ ...options, servers: () => resolvConf.servers() });
  }

  listenTcp(address: string | undefined, port: number): Promise<number> {
    return obtain('tcp', address, port, (literal) => listenTcp(undefined, literal, port));
  }

  bindUdp(address: string | undefined, port: number): Promise<number> {
    return obtain('udp', address, port, (literal) => bindUdp(undefined, literal, port));
  }

  /** Nobody but the caller has it. */
  release(): Promise<void> {
    return Promise.resolve();
  }

  connectTcp(host: string, port: number): Promise<number> {
    return connectTcp(host, port);
  }

  resolve(query: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    return this.#upstream.resolve(query, protocol);
  }

  routes(): Promise<string> {
    return run('ip', ['-json', '-4', 'route', 'show']);
  }

  underlayMtu(own?: string): Promise<number> {
    return underlayMtu(own);
  }

  close(): Promise<void> {
    this.#upstream.close();
    return Promise.resolve();
  }
}

type Open = (address: string) => number;

function obtain(protocol: 'tcp' | 'udp', address: string | undefined, port: number, open: Open): Promise<number> {
  if (address !== undefined && isIP(address) === 0) {
    return Promise.reject(new ListenError(`port ${port}/${protocol}: '${address}' is not an IP address`));
  }
  try {
    return Promise.resolve(address === undefined ? openAll(open) : open(address));
  } catch (error) {
    return Promise.reject(explainListenError({ protocol, address, port }, error as NodeJS.ErrnoException, unprivilegedPortStart()));
  }
}

/** All addresses: dual-stack, or IPv4 alone on a host without IPv6. */
function openAll(open: Open): number {
  try {
    return open('::');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error;
    return open('0.0.0.0');
  }
}
