/**
 * What mode sockets makes of the world. Pure. All tasks share one network, so each has one address, whatever the number of networks that
 * it is on: the one on its first network. A VIP is a listening socket for each port that its service has named.
 */
import type { DnsView } from '../../overlay/dns/view.js';
import type { ServiceObject, TaskAddress, TaskObject } from '../../overlay/model/object.js';
import type { ExposedPort, ServiceSpec } from '../../overlay/model/spec.js';
import { byService, endpointsOf, portKey, projectDns, projectPorts, relayPortOf, type DesiredPort, type LiveTask, type World } from '../reconcile/project.js';

/** Where a task is to listen. Undefined: it is on no network. @param ingressId carries published ports, and counts when there is no other */
export function homeAddress({ addresses }: Pick<TaskObject, 'addresses'>, ingressId: string | undefined): TaskAddress | undefined {
  return addresses.find(({ networkId }) => networkId !== ingressId) ?? addresses[0];
}

/** The ports that a service's tasks listen to, as far as it names them: each once. */
export function listensTo({ expose = [], ports }: Pick<ServiceSpec, 'expose' | 'ports'>): ExposedPort[] {
  const all = [...expose, ...ports.map(({ target, protocol }) => ({ port: target, protocol }))];
  return all.filter(({ port, protocol }, index) => all.findIndex((other) => other.port === port && other.protocol === protocol) === index);
}

/** The same world, with every task at its one address. */
export function atHome(world: World): World {
  const ingress = ingressOf(world);
  const move = (live: LiveTask): LiveTask => {
    const home = homeAddress(live.task, ingress);
    return home === undefined ? live : { ...live, task: { ...live.task, addresses: live.task.addresses.map((each) => ({ ...each, address: home.address })) } };
  };
  return { ...world, live: world.live.map(move) };
}

/** Listening sockets of VIPs and of published ports, by key. @param world as of atHome */
export function projectListeners(world: World): Map<string, DesiredPort> {
  const listeners = projectPorts(world);
  const tasks = byService(world);
  for (const service of world.services) {
    for (const port of vipListeners(service, ingressOf(world))) {
      const endpoints = endpointsOf(service, tasks.get(service.id) ?? [], port.networkId);
      listeners.set(portKey(port), { port, relay: relayPortOf(service, port, endpoints) });
    }
  }
  return listeners;
}

/** What is to be bound for the VIPs of a service. */
export function vipListeners({ spec, vips }: Pick<ServiceObject, 'spec' | 'vips'>, ingressId: string | undefined): (DesiredPort['port'] & { readonly networkId: string })[] {
  return vips
    .filter(({ networkId }) => networkId !== ingressId)
    .flatMap(({ networkId, address }) => listensTo(spec).map(({ port, protocol }) => ({ networkId, address, published: port, target: port, protocol, mode: 'ingress' as const })));
}

/** One for all: names of every network. @param world as of atHome */
export function sharedView(world: World): DnsView {
  const ingress = ingressOf(world);
  return { networks: [...projectDns(world)].filter(([id]) => id !== ingress).map(([, network]) => network) };
}

function ingressOf(world: Pick<World, 'networks'>): string | undefined {
  return world.networks.find((network) => network.ingress)?.id;
}
