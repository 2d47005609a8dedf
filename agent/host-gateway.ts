/**
 * What the agent needs of the host's own network namespace. With root the agent is in it and does these things itself
 * (agent/gateway/local); rootless, the outer process does them and hands descriptors over (agent/gateway/remote).
 */

/** Why a port could not be had, in a sentence that names the port and what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/** A host cannot be reached, in a sentence that names it. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError';
}

export interface HostGateway {
  /** A listening TCP socket in the host's namespace. Rejects with ListenError (in use, below 1024, no such address). */
  listenTcp(address: string | undefined, port: number): Promise<number>;
  /** A bound UDP socket in the host's namespace. Rejects with ListenError. */
  bindUdp(address: string | undefined, port: number): Promise<number>;
  /**
   * A socket of listenTcp or bindUdp, asked for with the same words, is not wanted any more. The descriptor is the caller's to close; this is
   * for whoever keeps the socket open for the next agent process.
   */
  release(protocol: 'tcp' | 'udp', address: string | undefined, port: number): Promise<void>;
  /**
   * A TCP connection from the host's namespace, as a descriptor that does not block. `host`: an address, or a name that the host can resolve.
   * Rejects with ConnectError.
   */
  connectTcp(host: string, port: number): Promise<number>;
  /**
   * Sends a DNS query (wire format) to the host's resolvers over `protocol` and answers the response as it came, or
   * undefined when no resolver answered.
   */
  resolve(query: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer | undefined>;
  /** The host's IPv4 routes, as `ip -json route show` has them. */
  routes(): Promise<string>;
  /** MTU of the host's route to the rest of the world, e.g. 1500; with `own`, of the device that has this address of the host's. */
  underlayMtu(own?: string): Promise<number>;
  close(): Promise<void>;
}
