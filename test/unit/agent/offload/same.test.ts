import test from 'ava';
import type { Candidate } from '../../../../agent/offload/candidates.js';
import { sameCandidate } from '../../../../agent/offload/same.js';

const CANDIDATE: Candidate = {
  id: 'vote1 8080/tcp',
  serviceId: 'vote1',
  service: 'vote',
  networkId: 'n1',
  mode: 'always',
  obstacle: undefined,
  vip: 0x0a000102,
  published: { key: 'tcp/*:8080', text: '8080/tcp', agreed: false },
  taking: ['task1', 'task2'],
  held: true,
  wanted: { address: '10.0.1.2', port: { protocol: 'tcp', number: 80, hostAddress: '192.0.2.1' }, scheduler: 'rr', affinity: 0, maxConnections: 0, endpoints: [{ address: '10.0.1.11', port: 0, weight: 1 }] },
};

test('a copy is the same; a candidate of which anything is otherwise is not', (t) => {
  t.true(sameCandidate(CANDIDATE, structuredClone(CANDIDATE)));
  const { wanted } = CANDIDATE;
  const { port, ...everyPort } = wanted;
  const { published, ...unpublished } = CANDIDATE;
  const [endpoint] = wanted.endpoints as [(typeof wanted.endpoints)[number]];
  const others: Partial<Candidate>[] = [
    { id: 'vote1' }, { published: { ...published!, key: '' } }, { published: { ...published!, text: '' } }, { published: { ...published!, agreed: true } }, { serviceId: 'vote2' }, { service: 'veto' }, { networkId: 'n2' }, { mode: 'auto' }, { obstacle: 'no' }, { vip: 0 }, { held: false },
    { taking: ['task1'] }, { taking: ['task2', 'task1'] },
    ...[
      { ...wanted, address: '10.0.1.3' }, everyPort, { ...wanted, port: { ...port!, protocol: 'udp' as const } }, { ...wanted, port: { ...port!, number: 81 } }, { ...wanted, port: { ...port!, hostAddress: '192.0.2.2' } },
      { ...wanted, scheduler: 'sh' as const }, { ...wanted, affinity: 1 }, { ...wanted, maxConnections: 1 }, { ...wanted, endpoints: [] },
      ...[{ address: '10.0.1.12' }, { port: 80 }, { weight: 0 }].map((change) => ({ ...wanted, endpoints: [{ ...endpoint, ...change }] })),
    ].map((other) => ({ wanted: other })),
  ];
  t.false(sameCandidate(CANDIDATE, unpublished));
  for (const other of others) t.false(sameCandidate(CANDIDATE, { ...CANDIDATE, ...other }), JSON.stringify(other));
});
