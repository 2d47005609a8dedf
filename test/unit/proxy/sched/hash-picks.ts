/** `sh` and `mh` held against the vectors: what both tests do. */
import type { ExecutionContext } from 'ava';
import type { EndpointConfig } from '../../../../proxy/config/snapshot.js';
import { parseIpv4 } from '../../../../proxy/net/addr.js';
import { parseIpv6, type Ipv6 } from '../../../../proxy/net/addr6.js';
import type { Scheduler } from '../../../../proxy/sched/scheduler.js';
import type { HashFlags } from '../../../../proxy/sched/sh.js';
import { refusing } from '../../../contract/scheduler.js';
import { CLIENTS_4, CLIENTS_6, PORTS, type HashPicks, type HashVector } from './ipvs-vectors.js';

const FLAGS: Readonly<Record<keyof HashPicks, HashFlags>> = {
  plain: { port: false, fallback: false },
  port: { port: true, fallback: false },
  fallback: { port: false, fallback: true },
  both: { port: true, fallback: true },
};

const fold = ([a, b, c, d]: Ipv6): number => a ^ b ^ c ^ d;

export function endpointsOf({ addresses, ports, family }: HashVector, weights: readonly number[]): EndpointConfig[] {
  return addresses.map((text, i) => {
    const common = { id: text, weight: weights[i]!, ...(ports && { port: ports[i]! }) };
    return family === 6 ? { ...common, address: 0x0a000000 + i, address6: parseIpv6(text) } : { ...common, address: parseIpv4(text) };
  });
}

export function checkHashVector(t: ExecutionContext, vector: HashVector, expected: HashPicks, make: (flags: HashFlags) => Scheduler): void {
  const v6 = vector.family === 6;
  const clients = v6 ? CLIENTS_6.map((text) => fold(parseIpv6(text))) : CLIENTS_4.map(parseIpv4);
  const gate = refusing(...vector.refused);
  for (const flags of Object.keys(FLAGS) as (keyof HashPicks)[]) {
    const scheduler = make(FLAGS[flags]);
    scheduler.update(endpointsOf(vector, vector.weightsBefore));
    scheduler.update(endpointsOf(vector, vector.weights));
    const picks = clients.map((client, i) => scheduler.pick(client, PORTS[i]!, gate, v6));
    let sum = 0;
    for (let i = 0; i < 8192; i++) sum = (Math.imul(sum, 31) + scheduler.pick((0x0a090000 + i * 40503) | 0, i, gate, v6) + 1) | 0;
    t.deepEqual([...picks, sum >>> 0], expected[flags], flags);
  }
}
