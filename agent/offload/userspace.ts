/**
 * Who balances what the kernel does not, as a SandboxOffload asks it: the data plane for VIPs, the relay for published ports.
 */
import os from 'node:os';
import type { UserspaceFlow } from '../../kernel/offload/driver.js';
import type { Dataplane, FlowRecord } from '../../proxy/dataplane/handle.js';
import { formatIpv4 } from '../../proxy/net/addr.js';
import type { Relay } from '../../proxy/relay/relay.js';
import type { Candidate } from './candidates.js';
import type { Userspace } from './sandbox-offload.js';

/** @param index of the network in the data plane */
export function dataplaneUserspace(dataplane: Pick<Dataplane, 'opened' | 'silentFlows'>, index: number): Userspace {
  return {
    opened: ({ taking }) => taking.reduce((sum, id) => sum + dataplane.opened(index, id), 0),
    silentFlows: ({ vip, wanted }, silent) => {
      const flows = vip === undefined ? [] : dataplane.silentFlows(index, vip, silent);
      return Promise.resolve(flows.map((flow) => ({ ...flow, client: formatIpv4(flow.client), virtual: wanted.address, virtualPort: flow.vipPort, endpoint: formatIpv4(flow.endpoint) })));
    },
    obstacle: () => undefined,
  };
}

export interface RelayFacts {
  readonly relay: Pick<Relay, 'flows' | 'opened'>;
  /** Why a port is not served by the relay, by its key: then another program may have it. */
  readonly failures: ReadonlyMap<string, string>;
  /** Why the host's kernel would not carry what is sent to the sandbox, for services that have agreed to its filters or not. Rejects never. */
  readonly hostObstacle: () => Promise<(agreed: boolean) => string | undefined>;
}

/** Reads what others may know at any time from what was asked last: `refresh` asks. */
export class RelayUserspace implements Userspace {
  #opened: Readonly<Record<string, number>> = {};
  #hostObstacle: (agreed: boolean) => string | undefined = () => undefined;

  constructor(private readonly facts: RelayFacts) {}

  /** Never rejects. A relay that has ended takes the agent down by itself. */
  async refresh(): Promise<void> {
    const { relay, hostObstacle } = this.facts;
    [this.#opened, this.#hostObstacle] = await Promise.all([relay.opened().catch(() => this.#opened), hostObstacle()]);
  }

  opened({ published }: Candidate): number {
    return this.#opened[published?.key ?? ''] ?? 0;
  }

  obstacle({ published }: Candidate): string | undefined {
    const failure = this.facts.failures.get(published?.key ?? '');
    return failure ?? this.#hostObstacle(published?.agreed === true);
  }

  silentFlows(candidate: Candidate, silent: number): Promise<UserspaceFlow[]> {
    return this.#sessions(candidate, (idle) => idle >= silent);
  }

  /** Sessions that had a datagram in the last `within` ms. Rejects when they cannot be had. */
  liveSessions(candidate: Candidate, within: number): Promise<UserspaceFlow[]> {
    return this.#sessions(candidate, (idle) => idle <= within);
  }

  async #sessions({ wanted: { port } }: Candidate, fits: (idle: number) => boolean): Promise<UserspaceFlow[]> {
    if (port?.protocol !== 'udp') return [];
    const flows = (await this.facts.relay.flows()).filter(({ protocol, vip, idle }) => protocol === 'udp' && fits(idle) && partsOf(vip).port === port.number);
    // A socket of all addresses does not tell which of them its client asked.
    const addresses = port.hostAddress === undefined ? hostAddresses() : [port.hostAddress];
    return flows.flatMap((flow) => addresses.map((address) => keptFlow(flow, address, port.number)));
  }
}

function keptFlow({ client, endpoint }: FlowRecord, virtual: string, virtualPort: number): UserspaceFlow {
  const [asking, answering] = [partsOf(client), partsOf(endpoint)];
  // To the endpoint it has a socket of its own, which nothing else can have.
  return { protocol: 'udp', client: asking.address, clientPort: asking.port, virtual, virtualPort, endpoint: answering.address, endpointPort: answering.port, balancerPort: 0 };
}

function partsOf(peer: string): { address: string; port: number } {
  const colon = peer.lastIndexOf(':');
  return { address: peer.slice(0, colon), port: Number(peer.slice(colon + 1)) };
}

/** IPv4 addresses that others reach this host by. */
function hostAddresses(): string[] {
  return Object.values(os.networkInterfaces()).flatMap((entries = []) => entries.flatMap(({ family, address, internal }) => (family === 'IPv4' && !internal ? [address] : [])));
}
