import test from 'ava';
import { readConnections, readCounts, readServices, readTimeouts } from '../../../../kernel/ipvs/read.js';
import { IPVS_CONNECTIONS, IPVS_SAVED, IPVS_STATS, IPVS_THRESHOLDS } from '../offload/outputs.js';

test("services and destinations, in the kernel's order, with their thresholds", (t) => {
  const at = (address: string, port: number, weight: number, limit = 0) => ({ address, port, weight, upper: limit, lower: limit });
  t.deepEqual(readServices(IPVS_SAVED, IPVS_THRESHOLDS), [
    { mark: 259, scheduler: 'rr', flags: [], persistence: 0, destinations: [at('10.0.1.5', 0, 1), at('10.0.1.4', 0, 1)] },
    { mark: 260, scheduler: 'sh', flags: ['sh-fallback'], persistence: 600, destinations: [at('10.0.1.5', 8080, 3, 100), at('10.0.1.4', 8080, 2, 100)] },
    { mark: 261, scheduler: 'mh', flags: ['mh-fallback'], persistence: 0, destinations: [at('10.0.1.5', 0, 1), at('10.0.1.4', 0, 1)] },
  ]);
});

test('services by address are nobody\'s concern, and nothing is no service', (t) => {
  t.deepEqual(readServices('-A -t 10.9.9.9:80 -s rr\n-a -t 10.9.9.9:80 -r 10.0.1.4:80 -m -w 1\n-A -f 7 -s wlc\n', ''), [
    { mark: 7, scheduler: 'wlc', flags: [], persistence: 0, destinations: [] },
  ]);
  t.deepEqual(readServices('', ''), []);
});

test('counts, per destination', (t) => {
  t.deepEqual(readCounts(IPVS_THRESHOLDS, IPVS_STATS).slice(0, 3), [
    { mark: 259, address: '10.0.1.5', port: 0, active: 1, inactive: 1, connections: 2, bytesIn: 142, bytesOut: 60 },
    { mark: 259, address: '10.0.1.4', port: 0, active: 1, inactive: 0, connections: 1, bytesIn: 170, bytesOut: 112 },
    { mark: 260, address: '10.0.1.5', port: 8080, active: 0, inactive: 0, connections: 0, bytesIn: 0, bytesOut: 0 },
  ]);
});

test('connections, and no templates of persistence', (t) => {
  t.deepEqual(readConnections(IPVS_CONNECTIONS), [
    { protocol: 'tcp', expires: 2, state: 'CLOSE', client: '10.0.1.5:57360', virtual: '10.0.1.3:80', destination: '10.0.1.4:80' },
    { protocol: 'tcp', expires: 7434, state: 'ESTABLISHED', client: '10.0.1.5:59480', virtual: '10.0.1.2:8080', destination: '10.0.1.5:8080' },
    { protocol: 'tcp', expires: 7433, state: 'ESTABLISHED', client: '10.0.1.5:35790', virtual: '10.0.1.2:8080', destination: '10.0.1.4:8080' },
    { protocol: 'udp', expires: 290, state: 'UDP', client: '10.0.1.5:5000', virtual: '10.0.1.2:53', destination: '10.0.1.5:53' },
  ]);
});

test('timeouts', (t) => {
  t.deepEqual(readTimeouts('Timeout (tcp tcpfin udp): 7440 240 300\n'), { established: 7440, closing: 240, udp: 300 });
  t.is(readTimeouts(''), undefined);
});
