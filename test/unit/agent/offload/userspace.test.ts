import test from 'ava';
import type { Candidate } from '../../../../agent/offload/candidates.js';
import { RelayUserspace } from '../../../../agent/offload/userspace.js';
import type { FlowRecord } from '../../../../proxy/dataplane/handle.js';

function dns(hostAddress = '192.0.2.1', agreed = false): Candidate {
  return {
    id: 'vote1 x', serviceId: 'vote1', service: 'vote', networkId: 'n1', mode: 'always', obstacle: undefined, taking: ['task1'], held: true,
    published: { key: 'udp/*:53', text: '53/udp', agreed },
    wanted: { address: '10.0.0.2', port: { protocol: 'udp', number: 53, hostAddress }, scheduler: 'rr', affinity: 0, maxConnections: 0, endpoints: [] },
  };
}

function session(vip: string, idle: number, protocol: 'tcp' | 'udp' = 'udp'): FlowRecord {
  return { network: 'ingress', service: 'vote', protocol, client: '192.0.2.9:5000', vip, endpoint: '10.0.0.5:5300', state: 'udp', bytesIn: 0, bytesOut: 0, age: idle, idle, path: 'relay' };
}

test("the relay's silent UDP sessions of a port are told with the host's address; others are not", async (t) => {
  const flows = [session('0.0.0.0:53', 2000), session('0.0.0.0:53', 500), session('0.0.0.0:54', 2000), session('0.0.0.0:53', 2000, 'tcp')];
  const userspace = new RelayUserspace({ relay: { flows: () => Promise.resolve(flows), opened: () => Promise.resolve({}) }, failures: new Map(), hostObstacle: () => Promise.resolve(() => undefined) });
  t.deepEqual(await userspace.silentFlows(dns(), 1000), [
    { protocol: 'udp', client: '192.0.2.9', clientPort: 5000, virtual: '192.0.2.1', virtualPort: 53, endpoint: '10.0.0.5', endpointPort: 5300, balancerPort: 0 },
  ]);
});

test('so are those that have spoken of late', async (t) => {
  const flows = [session('0.0.0.0:53', 2000), session('0.0.0.0:53', 500)].map((flow, index) => ({ ...flow, client: `192.0.2.9:${index}` }));
  const userspace = new RelayUserspace({ relay: { flows: () => Promise.resolve(flows), opened: () => Promise.resolve({}) }, failures: new Map(), hostObstacle: () => Promise.resolve(() => undefined) });
  t.deepEqual((await userspace.liveSessions(dns(), 500)).map(({ clientPort }) => clientPort), [1]);
});

test('a port that the relay does not have is not taken from who has it; what the host lacks is told when it was asked', async (t) => {
  const failures = new Map<string, string>();
  const userspace = new RelayUserspace({ relay: { flows: () => Promise.resolve([]), opened: () => Promise.resolve({ 'udp/*:53': 9 }) }, failures, hostObstacle: () => Promise.resolve((agreed) => (agreed ? undefined : 'it filters')) });
  t.deepEqual([userspace.opened(dns()), userspace.obstacle(dns())], [0, undefined]);
  await userspace.refresh();
  t.deepEqual([userspace.opened(dns()), userspace.obstacle(dns())], [9, 'it filters']);
  t.is(userspace.obstacle(dns(undefined, true)), undefined, 'its owner has agreed');
  failures.set('udp/*:53', 'port 53/udp is in use');
  t.is(userspace.obstacle(dns()), 'port 53/udp is in use');
});
