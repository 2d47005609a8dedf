/**
 * `sh` and `mh` in the kernel, as the driver `ipvs` installs them, and in userspace: whoever balances, a client goes to the same endpoint.
 */
import assert from 'node:assert/strict';
import { IpvsDriver } from '../../../kernel/offload/ipvs-driver.js';
import type { EndpointConfig } from '../../../proxy/config/snapshot.js';
import { formatIpv4, parseIpv4 } from '../../../proxy/net/addr.js';
import { MaglevHashing } from '../../../proxy/sched/mh.js';
import { OPEN_GATE, type Scheduler } from '../../../proxy/sched/scheduler.js';
import { SourceHashing } from '../../../proxy/sched/sh.js';
import { BALANCER, CLIENTS, HashNet, SUBNET, VIP } from '../support/hash-net.js';

type Algorithm = 'sh' | 'mh';

const ADDRESSES = ['10.0.1.100', '10.0.1.107', '10.0.1.5', '10.0.1.33', '10.0.1.250'];
/** The last: with numbers that are not small, and an endpoint that drains. */
const WEIGHTS = [[1, 1, 1, 1, 1], [1, 2, 3, 4, 5], [100, 33, 70, 0, 7]];

const TIMEOUTS = { established: 7440, closing: 240, udp: 300 };

const endpointsOf = (weights: readonly number[], port: number): EndpointConfig[] =>
  weights.map((weight, i) => ({ id: `${i}`, address: parseIpv4(ADDRESSES[i] ?? assert.fail()), weight, ...(port !== 0 && { port }) }));

const picksOf = (scheduler: Scheduler, endpoints: readonly EndpointConfig[]): string[] =>
  CLIENTS.map((client) => formatIpv4(endpoints[scheduler.pick(parseIpv4(client), 4000, OPEN_GATE)]?.address ?? assert.fail('nobody')));

function assertSame(kernel: readonly string[], userspace: readonly string[], what: string): void {
  const different = CLIENTS.filter((_, i) => kernel[i] !== userspace[i]);
  const shares = (picks: readonly string[]): string => ADDRESSES.map((address) => picks.filter((pick) => pick === address).length).join(' ');
  assert.equal(different.length, 0, `${what}: ${different.length} of ${CLIENTS.length} clients differ; shares ${shares(kernel)} and ${shares(userspace)}`);
}

/**
 * Each set of weights with one endpoint removed, then back, then all in another order, and one that drains.
 * @param target port of the endpoints; 0: the one that the client asks for
 */
async function agree(algorithm: Algorithm, sets: readonly (readonly number[])[], target: number): Promise<void> {
  const net = await HashNet.create(ADDRESSES);
  const driver = new IpvsDriver(net.router);
  try {
    for (const [i, weights] of sets.entries()) {
      const scheduler = algorithm === 'sh' ? new SourceHashing() : new MaglevHashing();
      const service = { mark: 0x103 + i, address: VIP, scheduler: algorithm, affinity: 0, maxConnections: 0, phase: 'take' } as const;
      const same = async (endpoints: readonly EndpointConfig[], what: string): Promise<void> => {
        scheduler.update(endpoints);
        const destinations = endpoints.map(({ address, weight }) => ({ address: formatIpv4(address), port: target, weight }));
        await driver.set({ subnet: SUBNET, balancer: BALANCER, timeouts: TIMEOUTS, services: [{ ...service, ...net.published(target), endpoints: destinations }] });
        assert.deepEqual(await driver.verify(), []);
        assertSame(await net.answers(target), picksOf(scheduler, endpoints), `${algorithm} ${weights.join(' ')} ${what}`);
      };
      const all = endpointsOf(weights, target);
      const [first, second, third, ...others] = all as [EndpointConfig, EndpointConfig, EndpointConfig, ...EndpointConfig[]];
      const drained = { ...third, weight: 0 };
      await same(all, 'from the start');
      await same([first, third, ...others], 'without the second');
      await same([second, first, third, ...others], 'the second is back, as the first');
      // Not with one that drains: put back, it is one that never had a weight, and `mh` gives it no positions.
      await same([third, first, second, ...others], 'in another order');
      await same([drained, first, second, ...others], 'one drained');
    }
  } finally {
    net.close();
  }
}

export const sh = (): Promise<void> => agree('sh', WEIGHTS, 0);
export const mh = (): Promise<void> => agree('mh', WEIGHTS, 0);
/** Only `mh` hashes the port of an endpoint. */
export const mhWithPorts = (): Promise<void> => agree('mh', WEIGHTS.slice(1, 2), 8080);
