/**
 * What cannot be had on this node, asked before anything is written: depends on the mode that the agent runs in. Here for the modes
 * with sandboxes; of mode sockets in agent/sockets/limits.ts.
 */
import { isLoopbackSubnet } from '../../overlay/model/subnets.js';
import type { NetworkSpec, ServiceSpec } from '../../overlay/model/spec.js';
import type { Cidr } from '../../proxy/net/addr.js';
import { ipv6Problem } from '../sandbox/ipv6.js';

export interface Refusal {
  /** The cause, a sentence that names the network or service. */
  readonly message: string;
  readonly remedy: string;
}

export interface Limits {
  /** Where networks without a subnet of their own get one; absent: SUBNET_POOL. */
  readonly pool?: Cidr;
  /** What they keep clear of. */
  routes(): Promise<Cidr[]>;
  network(spec: NetworkSpec): Promise<Refusal | undefined>;
  /** A service that is to be as `spec` says. */
  service(spec: ServiceSpec): Refusal | undefined;
}

export interface SandboxFacts {
  /** Of the networks' links, bytes. */
  readonly mtu: number;
  /** Subnets that the host has routes to. */
  routes(): Promise<Cidr[]>;
  /** Why no network can be encrypted here. */
  encryptionProblem(): Promise<Refusal | undefined>;
}

export function sandboxLimits(facts: SandboxFacts): Limits {
  return {
    routes: () => facts.routes(),
    async network(spec) {
      if (spec.subnet !== undefined && isLoopbackSubnet(spec.subnet)) {
        return { message: `network ${spec.name} cannot have subnet ${spec.subnet}: loopback addresses never leave a task's network namespace, so they are for mode sockets only`, remedy: 'use a private subnet such as 10.0.1.0/24, or none' };
      }
      const ipv6 = spec.ipv6 ? ipv6Problem(facts.mtu) : undefined;
      if (ipv6) return { ...ipv6, message: `network ${spec.name} cannot have IPv6: ${ipv6.message}` };
      const encryption = spec.encrypted === true ? await facts.encryptionProblem() : undefined;
      return encryption && { ...encryption, message: `network ${spec.name} cannot be encrypted: ${encryption.message}` };
    },
    service: () => undefined,
  };
}
