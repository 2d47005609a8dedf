/**
 * What the agent needs of the host's own network namespace. With root the agent is in it and does these things itself
 * (agent/gateway/local); rootless, the outer process does them and hands descriptors over (agent/gateway/remote).
 */

/** Why a port could not be had, in a sentence that names the port and what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

export interface HostGateway {
  /** A listening TCP socket in the host's namespace. Rejects with ListenError (in use, below 1024, no such address). */
  listenTcp(address: string | undefined, port: number): Promise<number>;
  /** A bound UDP socket in the host's namespace. Rejects with ListenError. */
  bindUdp(address: string | undefined, port: number): Promise<number>;
  /**
   * Sends a DNS query (wire format) to the host's resolvers over `protocol` and answers the response as it came, or
   * undefined when no resolver answered.
   */
  resolve(query: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer | undefined>;
  /** MTU of the host's route to the rest of the world, e.g. 1500. */
  underlayMtu(): Promise<number>;
  close(): Promise<void>;
}
