import test from 'ava';
import type { LiveTask, World } from '../../../../agent/reconcile/project.js';
import { projectDns, projectPorts, projectSnapshot, takingPart, viewOf } from '../../../../agent/reconcile/project.js';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import { DEFAULT_DEPLOYMENT } from '../../../../overlay/model/updates.js';
import type { NetworkObject, ServiceObject, TaskObject } from '../../../../overlay/model/object.js';
import { parseIpv4 } from '../../../../proxy/net/addr.js';

const when = '2026-01-01T00:00:00.000Z';

function network(id: string, name: string, third: number, more: Partial<NetworkObject> = {}): NetworkObject {
  return {
    id,
    spec: { name, driver: 'overlay', ipv6: false, internal: false, labels: {} },
    ingress: name === 'ingress',
    subnet: `10.0.${third}.0/24`,
    gateway: `10.0.${third}.1`,
    balancer: `10.0.${third}.3`,
    vni: 4096 + third,
    createdAt: when,
    ...more,
  };
}

const ingress = network('n0', 'ingress', 0);
const overlay1 = network('n1', 'overlay1', 1);

const vote: ServiceObject = {
  id: 's1',
  spec: {
    name: 'vote',
    labels: {},
    task: { command: ['vote'], env: {}, stopGracePeriod: 10_000 },
    networks: [{ network: 'overlay1', aliases: ['ballot'] }],
    replicas: 3,
    endpointMode: 'vip',
    ports: [{ published: 8080, target: 80, protocol: 'tcp', mode: 'ingress' }],
    restart: { condition: 'any', delay: 1000 },
    balancing: DEFAULT_BALANCING, ...DEFAULT_DEPLOYMENT,
  },
  version: 1,
  vips: [
    { networkId: 'n1', address: '10.0.1.2' },
    { networkId: 'n0', address: '10.0.0.2' },
  ],
  ports: [{ published: 8080, target: 80, protocol: 'tcp', mode: 'ingress' }],
  createdAt: when,
  updatedAt: when,
};

function task(slot: number): TaskObject {
  return {
    id: `t${slot}`,
    name: `vote.${slot}.t${slot}`,
    serviceId: 's1',
    slot,
    spec: vote.spec.task,
    version: 1,
    labels: {},
    node: 'host1',
    addresses: [
      { networkId: 'n1', address: `10.0.1.${10 + slot}`, interface: 'eth0' },
      { networkId: 'n0', address: `10.0.0.${10 + slot}`, interface: 'eth1' },
    ],
    desired: 'running',
    status: { state: 'running', since: when, health: 'none' },
    createdAt: when,
  };
}

function live(slot: number, more: Partial<LiveTask> = {}): LiveTask {
  return { task: task(slot), phase: 'up', healthy: true, ready: true, listens: true, remote: false, ...more };
}

function world(...tasks: LiveTask[]): World {
  return { networks: [ingress, overlay1], services: [vote], live: tasks };
}

test('a draining or unhealthy task stays an endpoint of weight 0', (t) => {
  const snapshot = projectSnapshot(world(live(2, { phase: 'draining' }), live(1), live(3, { healthy: false })), 7, () => 4, 1450);
  t.is(snapshot.epoch, 7);
  t.is(snapshot.networks[1]?.mtu, 1450);
  const service = snapshot.networks[1]?.services[0];
  t.is(service?.vip, parseIpv4('10.0.1.2'));
  t.deepEqual(service?.endpoints, [
    { id: 't1', address: parseIpv4('10.0.1.11'), weight: 1 },
    { id: 't2', address: parseIpv4('10.0.1.12'), weight: 0 },
    { id: 't3', address: parseIpv4('10.0.1.13'), weight: 0 },
  ]);
});

test("weights are the replicas' own; what does not take part has none", (t) => {
  const weighted = { ...vote, spec: { ...vote.spec, balancing: { ...DEFAULT_BALANCING, scheduler: 'wlc' as const, weight: 4, slotWeights: { 2: 9, 3: 0 } } } };
  const tuned = (...tasks: LiveTask[]): World => ({ ...world(...tasks), services: [weighted] });
  const weightsOf = (tasks: World): (number | undefined)[] => projectSnapshot(tasks, 1, () => 0, 1450).networks[1]?.services[0]?.endpoints.map(({ weight }) => weight) ?? [];
  t.deepEqual(weightsOf(tuned(live(1), live(2), live(3))), [4, 9, 0]);
  t.deepEqual(weightsOf(tuned(live(1), live(2, { phase: 'draining' }), live(3))), [4, 0, 0]);
  const relay = projectPorts(tuned(live(1), live(2))).get('tcp/*:8080')?.relay;
  t.is(relay?.scheduler, 'wlc');
  t.deepEqual(relay?.endpoints.map(({ weight }) => weight), [4, 9]);
});

test("a service's scheduler, policy and time-outs", (t) => {
  const balancing = { ...DEFAULT_BALANCING, scheduler: 'mh' as const, maxConns: 3, timeouts: { ...DEFAULT_BALANCING.timeouts, udp: 120_000 } };
  const [service] = projectSnapshot({ ...world(live(1)), services: [{ ...vote, spec: { ...vote.spec, balancing } }] }, 1, () => 0, 1450).networks[1]?.services ?? [];
  t.like(service, { scheduler: 'mh', policy: { maxConnections: 3 }, timeouts: { udp: 120, established: 7440 } });
  const relay = projectPorts({ ...world(live(1)), services: [{ ...vote, spec: { ...vote.spec, balancing } }] }).get('tcp/*:8080')?.relay;
  t.like(relay, { scheduler: 'mh', policy: { maxConnections: 3 }, timeouts: { udp: 120, established: 7440 } });
});

test('a network without a sandbox here is left out', (t) => {
  const snapshot = projectSnapshot(world(live(1)), 1, (id) => (id === 'n1' ? 0 : undefined), 1450);
  t.deepEqual(snapshot.networks.map((entry) => entry.name), ['overlay1']);
});

test('tasks that listen are preferred; when none does, all take part', (t) => {
  const slow = live(1, { ready: false, listens: false });
  const quick = live(2);
  const ill = live(3, { healthy: false, ready: true });
  t.deepEqual(takingPart([slow, quick, ill]), [quick]);
  t.deepEqual(takingPart([slow, ill]), [slow]);
  t.deepEqual(takingPart([ill]), []);
  // Two that never listen: one was given its time, the other, a moment younger, not yet.
  const mute = live(4, { listens: false });
  t.deepEqual(takingPart([mute, slow]), [mute, slow]);
  t.deepEqual(takingPart([quick, mute, slow]), [quick, mute]);
});

test('a published port balances over the addresses on ingress', (t) => {
  const ports = projectPorts(world(live(1), live(2)));
  t.deepEqual([...ports.keys()], ['tcp/*:8080']);
  const relay = ports.get('tcp/*:8080')?.relay;
  t.is(relay?.targetPort, 80);
  t.deepEqual(relay?.endpoints.map((endpoint) => endpoint.address), [parseIpv4('10.0.0.11'), parseIpv4('10.0.0.12')]);
});

test("mode=host is for this node's own tasks, and only as long as there are some; mode=ingress for all", (t) => {
  const both: ServiceObject = { ...vote, ports: [...vote.ports, { published: 9090, target: 80, protocol: 'tcp', mode: 'host', proxyProtocol: 'v2' }] };
  const portsOf = (...tasks: LiveTask[]): unknown =>
    [...projectPorts({ ...world(...tasks), services: [both] })].map(([key, { relay }]) => [key, relay.proxyProtocol, relay.endpoints.map(({ id, weight, remote = false }) => `${id} ${weight} ${remote}`)]);
  t.deepEqual(portsOf(live(1, { remote: true }), live(2)), [
    ['tcp/*:8080', undefined, ['t1 1 true', 't2 1 false']],
    ['tcp/*:9090', 'v2', ['t2 1 false']],
  ]);
  t.deepEqual(portsOf(live(1, { remote: true })), [['tcp/*:8080', undefined, ['t1 1 true']]]);
  t.deepEqual(portsOf(), [['tcp/*:8080', undefined, []]]);
  // The one that is about to end keeps its connections; that another node's listens already is none of its business.
  t.deepEqual(portsOf(live(1, { remote: true }), live(2, { phase: 'draining' })), [
    ['tcp/*:8080', undefined, ['t1 1 true', 't2 0 false']],
    ['tcp/*:9090', 'v2', ['t2 0 false']],
  ]);
  t.deepEqual(portsOf(live(1, { remote: true }), live(2, { listens: false, ready: false })), [
    ['tcp/*:8080', undefined, ['t1 1 true', 't2 0 false']],
    ['tcp/*:9090', 'v2', ['t2 1 false']],
  ]);
});

test('the name server hears of tasks that take part only, with aliases and VIP', (t) => {
  const networks = projectDns(world(live(1), live(2, { phase: 'draining' })));
  t.deepEqual(networks.get('n1')?.services, [
    { name: 'vote', aliases: ['ballot'], vip: '10.0.1.2', tasks: [{ id: 't1', name: 'vote.1.t1', address: '10.0.1.11', aliases: [] }] },
  ]);
});

test("a stack's service is also known by its name inside the stack", (t) => {
  const inStack = { ...vote, spec: { ...vote.spec, name: 'demo_vote', labels: { 'vipmesh.stack.service': 'vote' } } };
  const networks = projectDns({ networks: [overlay1], services: [inStack], live: [] });
  t.deepEqual(networks.get('n1')?.services[0]?.aliases, ['ballot', 'vote']);
});

test('a one-off task is named on its networks, and its view leaves ingress out', (t) => {
  const { serviceId: _none, ...rest } = task(1);
  const one: TaskObject = { ...rest, id: 'aa', name: 'run.aa', slot: 0 };
  const networks = projectDns({ networks: [ingress, overlay1], services: [], live: [{ task: one, phase: 'up', healthy: true, ready: true, listens: true, remote: false }] });
  t.deepEqual(networks.get('n1')?.tasks.map((entry) => entry.name), ['run.aa']);
  t.deepEqual(viewOf(one, networks, 'n0').networks.map((entry) => entry.name), ['overlay1']);
});

test('IPv6 addresses of network, service and tasks are beside the others', (t) => {
  const six = { ...overlay1, subnet6: 'fd00:1::/64', gateway6: 'fd00:1::1', balancer6: 'fd00:1::3' };
  const service = { ...vote, vips: vote.vips.map((vip) => (vip.networkId === 'n1' ? { ...vip, address6: 'fd00:1::2' } : vip)) };
  const plain = task(1);
  const one: TaskObject = { ...plain, addresses: plain.addresses.map((entry) => (entry.networkId === 'n1' ? { ...entry, address6: 'fd00:1::b' } : entry)) };
  const both: World = { networks: [ingress, six], services: [service], live: [{ ...live(1), task: one }] };
  const [onIngress, onSix] = projectSnapshot(both, 1, (id) => (id === 'n1' ? 1 : 0), 1450).networks;
  const word = 0xfd000001 | 0;
  t.deepEqual(onSix, {
    index: 1, id: 'n1', name: 'overlay1', balancer: parseIpv4('10.0.1.3'), balancer6: [word, 0, 0, 3], mtu: 1450,
    services: [{
      ...onSix?.services[0], vip: parseIpv4('10.0.1.2'), vip6: [word, 0, 0, 2],
      endpoints: [{ id: 't1', address: parseIpv4('10.0.1.11'), address6: [word, 0, 0, 11], weight: 1 }],
    }],
  } as typeof onSix);
  t.false('balancer6' in (onIngress ?? {}) || 'vip6' in (onIngress?.services[0] ?? {}) || 'address6' in (onIngress?.services[0]?.endpoints[0] ?? {}));
  const names = projectDns(both).get('n1');
  t.is(names?.subnet6, 'fd00:1::/64');
  t.like(names?.services[0], { vip6: 'fd00:1::2', tasks: [{ address: '10.0.1.11', address6: 'fd00:1::b' }] });
  t.deepEqual(viewOf(one, projectDns(both), 'n0').networks.map((entry) => entry.name), ['overlay1']);
});

test('a port is ready when some task that takes part listens, or had the time to', (t) => {
  const ready = (...tasks: LiveTask[]): unknown => projectPorts(world(...tasks)).get('tcp/*:8080')?.ready;
  t.is(ready(), undefined);
  t.is(ready(live(1, { ready: false, listens: false })), undefined);
  t.is(ready(live(1, { phase: 'draining' })), undefined);
  t.is(ready(live(1, { ready: false, listens: false }), live(2)), true);
  t.is(ready(live(1, { listens: false })), true);
});
