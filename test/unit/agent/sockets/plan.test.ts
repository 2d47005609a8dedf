/** What mode sockets makes of a world of two networks, and of a service on both. */
import test from 'ava';
import type { LiveTask, World } from '../../../../agent/reconcile/project.js';
import { taskFacts } from '../../../../agent/sockets/facts.js';
import { atHome, homeAddress, listensTo, projectListeners, sharedView } from '../../../../agent/sockets/plan.js';
import { isAt } from '../../../../agent/sockets/premises.js';
import type { NetworkObject, ServiceObject, TaskObject } from '../../../../overlay/model/object.js';
import { formatIpv4 } from '../../../../proxy/net/addr.js';
import { networkSpec, serviceSpec, taskSpec } from '../../overlay/fixtures.js';

const when = '2026-01-01T00:00:00.000Z';
const network = (id: string, name: string, third: number): NetworkObject => ({
  id, spec: networkSpec(name), ingress: name === 'ingress', subnet: `127.64.${third}.0/24`, gateway: `127.64.${third}.1`, balancer: `127.64.${third}.2`, vni: 4096 + third, createdAt: when,
});
const networks = [network('n0', 'ingress', 0), network('n1', 'front', 1), network('n2', 'back', 2)];

const vote: ServiceObject = {
  id: 's1',
  spec: serviceSpec('vote', {
    networks: [{ network: 'front', aliases: [] }, { network: 'back', aliases: ['ballot'] }],
    expose: [{ port: 53, protocol: 'udp' }, { port: 8000, protocol: 'tcp' }],
    ports: [{ published: 8080, target: 8000, protocol: 'tcp', mode: 'ingress' }],
  }),
  version: 1,
  vips: [{ networkId: 'n1', address: '127.64.1.3' }, { networkId: 'n2', address: '127.64.2.3' }, { networkId: 'n0', address: '127.64.0.3' }],
  ports: [{ published: 8080, target: 8000, protocol: 'tcp', mode: 'ingress' }],
  createdAt: when,
  updatedAt: when,
};

const task = (slot: number): TaskObject => ({
  id: `t${slot}`, name: `vote.${slot}.t${slot}`, serviceId: 's1', slot, spec: taskSpec, version: 1, labels: {}, node: 'host1',
  addresses: [
    { networkId: 'n1', address: `127.64.1.1${slot}`, interface: 'eth0' },
    { networkId: 'n2', address: `127.64.2.1${slot}`, interface: 'eth1' },
    { networkId: 'n0', address: `127.64.0.1${slot}`, interface: 'eth2' },
  ],
  desired: 'running', status: { state: 'running', since: when, health: 'none' }, createdAt: when,
});
const live = (slot: number, more: Partial<LiveTask> = {}): LiveTask => ({ task: task(slot), phase: 'up', healthy: true, ready: true, listens: true, remote: false, ...more });
const world = (...tasks: LiveTask[]): World => ({ networks, services: [vote], live: tasks });

test('a task listens on its first network; on ingress when it has no other; nowhere without one', (t) => {
  const { addresses } = task(1);
  t.is(homeAddress({ addresses }, 'n0')?.address, '127.64.1.11');
  t.is(homeAddress({ addresses: [...addresses].reverse() }, 'n0')?.address, '127.64.2.11');
  t.is(homeAddress({ addresses: addresses.slice(2) }, 'n0')?.address, '127.64.0.11');
  t.is(homeAddress({ addresses: [] }, 'n0'), undefined);
});

test('the ports of a service: those that are named and the targets of those that are published, each once', (t) => {
  t.deepEqual(listensTo(vote.spec), [{ port: 53, protocol: 'udp' }, { port: 8000, protocol: 'tcp' }]);
  t.deepEqual(listensTo({ ports: [] }), []);
});

test('a socket for each VIP and port, and for each published port, all to the one address of a task', (t) => {
  const listeners = projectListeners(atHome(world(live(1), live(2, { phase: 'draining' }))));
  const shown = [...listeners.values()].map(({ port, relay }) => `${relay.id} ${port.address ?? '*'} → ${relay.endpoints.map(({ address, port: target, weight }) => `${formatIpv4(address)}:${target} w${weight}`).join(', ')}`);
  t.deepEqual(shown, [
    'tcp/*:8080 * → 127.64.1.11:8000 w1, 127.64.1.12:8000 w0',
    'udp/127.64.1.3:53 127.64.1.3 → 127.64.1.11:53 w1, 127.64.1.12:53 w0',
    'tcp/127.64.1.3:8000 127.64.1.3 → 127.64.1.11:8000 w1, 127.64.1.12:8000 w0',
    'udp/127.64.2.3:53 127.64.2.3 → 127.64.1.11:53 w1, 127.64.1.12:53 w0',
    'tcp/127.64.2.3:8000 127.64.2.3 → 127.64.1.11:8000 w1, 127.64.1.12:8000 w0',
  ]);
  t.true([...listeners].every(([key, { relay }]) => key === relay.id));
});

test('names of all networks but ingress, for everybody', (t) => {
  const view = sharedView(atHome(world(live(1), live(2, { phase: 'draining' }))));
  t.deepEqual(view.networks.map(({ name, services }) => [name, services.map((service) => [service.name, service.vip, service.aliases, service.tasks.map(({ address }) => address)])]), [
    ['front', [['vote', '127.64.1.3', [], ['127.64.1.11']]]],
    ['back', [['vote', '127.64.2.3', ['ballot'], ['127.64.1.11']]]],
  ]);
});

test('what a task is told', (t) => {
  const around = { address: '127.64.1.11', service: 'vote', networks: ['front', 'back'], nodeId: '0123456789ab', dns: '127.0.0.1:10053' };
  t.deepEqual(taskFacts(task(1), around), {
    VIPMESH_ADDRESS: '127.64.1.11', VIPMESH_TASK: 'vote.1.t1', VIPMESH_SERVICE: 'vote', VIPMESH_SLOT: '1', VIPMESH_NETWORKS: 'front,back', VIPMESH_NODE: 'host1', VIPMESH_DNS: '127.0.0.1:10053', VIPMESH_NODE_ID: '0123456789ab',
  });
  const oneOff = taskFacts({ name: 'run.t9', slot: 0, node: 'host1' }, { ...around, address: undefined, service: undefined, networks: [] });
  t.deepEqual(Object.keys(oneOff), ['VIPMESH_TASK', 'VIPMESH_NETWORKS', 'VIPMESH_NODE', 'VIPMESH_DNS', 'VIPMESH_NODE_ID']);
});

test('which sockets of the host are a task’s: those on its address, in either family', (t) => {
  t.true(isAt({ address: '7f40010b' }, '127.64.1.11'));
  t.true(isAt({ address: '00000000000000000000ffff7f40010b' }, '127.64.1.11'));
  for (const address of ['7f40010c', '00000000', '00000000000000000000000000000000']) t.false(isAt({ address }, '127.64.1.11'), address);
});
