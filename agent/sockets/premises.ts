/**
 * The premises of a node that may have nothing but sockets: tasks are processes of the host, each with an address of loopback, and the
 * relay listens on VIPs as it does on published ports. There is nothing to prepare and nothing to remove.
 */
import type { DnsServer } from '../../overlay/dns/server.js';
import type { NetworkObject, TaskObject } from '../../overlay/model/object.js';
import type { FlowRecord } from '../../proxy/dataplane/handle.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import type { Relay } from '../../proxy/relay/relay.js';
import type { Mirror } from '../reconcile/mirror.js';
import type { Premises, TaskHome } from '../reconcile/premises.js';
import type { DesiredPort, World } from '../reconcile/project.js';
import { startPlainTask } from '../tasks/plain-task.js';
import type { SocketEntry } from '../tasks/socket-table.js';
import { taskFacts } from './facts.js';
import { atHome, homeAddress, projectListeners, sharedView } from './plan.js';

export interface SocketsPremisesOptions {
  readonly nodeId: string;
  readonly mirror: Pick<Mirror, 'networks' | 'services'>;
  readonly relay: Pick<Relay, 'flows' | 'flowsTo' | 'ejectedFor'>;
  readonly dns: Pick<DnsServer, 'update'>;
  /** What the name server serves under, and where: `127.0.0.1:10053`. */
  readonly dnsId: string;
  readonly dnsAddress: string;
}

export class SocketsPremises implements Premises {
  readonly appliedKeys = 0;

  constructor(private readonly options: SocketsPremisesOptions) {}

  start(): void {
    // Nobody can take anything from it.
  }

  localized(network: NetworkObject): NetworkObject {
    return network;
  }

  prepare(): Promise<unknown[]> {
    return Promise.resolve([]);
  }

  home(task: TaskObject): TaskHome {
    const { mirror, nodeId, dnsAddress } = this.options;
    const address = this.#addressOf(task);
    return {
      ...(address !== undefined && { sockets: (entry: Pick<SocketEntry, 'address'>) => isAt(entry, address) }),
      start: ({ output }) => {
        const networks = task.addresses.flatMap(({ networkId }) => mirror.networks.get(networkId) ?? []).filter(({ ingress }) => !ingress);
        const service = mirror.services.get(task.serviceId ?? '')?.spec.name;
        const facts = taskFacts(task, { address, service, networks: networks.map(({ spec }) => spec.name), nodeId, dns: dnsAddress });
        const { command, env, workdir } = task.spec;
        return startPlainTask({ id: task.id, command, env, facts, output, ...(workdir !== undefined && { workdir }) });
      },
      reopen: () => Promise.reject(new Error('tasks end with their agent in mode sockets')),
      leave: () => [],
    };
  }

  apply(world: World): Promise<void> {
    this.options.dns.update(this.options.dnsId, sharedView(atHome(world)));
    return Promise.resolve();
  }

  ports(world: World): Map<string, DesiredPort> {
    return projectListeners(atHome(world));
  }

  flows(): Promise<FlowRecord[]> {
    return this.options.relay.flows();
  }

  flowsTo(task: TaskObject): Promise<number> {
    const address = this.#addressOf(task);
    return address === undefined ? Promise.resolve(0) : this.options.relay.flowsTo(parseIpv4(address));
  }

  ejectedFor(task: TaskObject): Promise<number> {
    return this.options.relay.ejectedFor(task.id);
  }

  removeUnneeded(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #addressOf(task: TaskObject): string | undefined {
    const ingress = [...this.options.mirror.networks.values()].find((network) => network.ingress)?.id;
    return homeAddress(task, ingress)?.address;
  }
}

/** As itself, or as a socket of IPv6 has it (RFC 4291 section 2.5.5.2). */
export function isAt({ address }: Pick<SocketEntry, 'address'>, own: string): boolean {
  const hex = (parseIpv4(own) >>> 0).toString(16).padStart(8, '0');
  return address === hex || address === `00000000000000000000ffff${hex}`;
}
