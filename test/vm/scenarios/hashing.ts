/**
 * `sh` and `mh` in the kernel and in userspace: whoever balances, a client goes to the same endpoint.
 */
import assert from 'node:assert/strict';
import { run } from '../../../kernel/run/runner.js';
import type { EndpointConfig } from '../../../proxy/config/snapshot.js';
import { formatIpv4, parseIpv4 } from '../../../proxy/net/addr.js';
import { MaglevHashing } from '../../../proxy/sched/mh.js';
import { OPEN_GATE, type Scheduler } from '../../../proxy/sched/scheduler.js';
import { SourceHashing } from '../../../proxy/sched/sh.js';
import { CLIENTS, HashNet, MARK } from '../support/hash-net.js';

type Algorithm = 'sh' | 'mh';

const ADDRESSES = ['10.0.1.100', '10.0.1.107', '10.0.1.5', '10.0.1.33', '10.0.1.250'];
/** The last: with numbers that are not small, and an endpoint that drains. */
const WEIGHTS = [[1, 1, 1, 1, 1], [1, 2, 3, 4, 5], [100, 33, 70, 0, 7]];

const endpointsOf = (weights: readonly number[], port: number): EndpointConfig[] =>
  weights.map((weight, i) => ({ id: `${i}`, address: parseIpv4(ADDRESSES[i] ?? assert.fail()), weight, ...(port !== 0 && { port }) }));

const picksOf = (scheduler: Scheduler, endpoints: readonly EndpointConfig[]): string[] =>
  CLIENTS.map((client) => formatIpv4(endpoints[scheduler.pick(parseIpv4(client), 4000, OPEN_GATE)]?.address ?? assert.fail('nobody')));

function assertSame(kernel: readonly string[], userspace: readonly string[], what: string): void {
  const different = CLIENTS.filter((_, i) => kernel[i] !== userspace[i]);
  const shares = (picks: readonly string[]): string => ADDRESSES.map((address) => picks.filter((pick) => pick === address).length).join(' ');
  assert.equal(different.length, 0, `${what}: ${different.length} of ${CLIENTS.length} clients differ; shares ${shares(kernel)} and ${shares(userspace)}`);
}

/** An endpoint and its weight, as ipvsadm(8) writes it. */
const destination = ({ address, port = 0, weight }: EndpointConfig): string => `-f ${MARK} -r ${formatIpv4(address)}:${port} -m -w ${weight}`;

/**
 * Three sets of weights, each with one endpoint removed, one drained, and one that comes.
 * @param port of the endpoints; 0: the one that the client asks for
 */
export async function agrees(algorithm: Algorithm, port = '0'): Promise<void> {
  const target = Number(port);
  const net = await HashNet.create(ADDRESSES);
  const ipvsadm = (...lines: string[]): Promise<string> => run('ipvsadm', ['-R'], { netns: net.router, input: lines.join('\n') + '\n' });
  try {
    for (const weights of WEIGHTS) {
      const scheduler = algorithm === 'sh' ? new SourceHashing() : new MaglevHashing();
      const same = async (endpoints: readonly EndpointConfig[], what: string): Promise<void> => {
        scheduler.update(endpoints);
        assertSame(await net.answers(target === 0 ? undefined : target), picksOf(scheduler, endpoints), `${algorithm} ${weights.join(' ')} ${what}`);
      };
      const all = endpointsOf(weights, target);
      // The kernel puts a new destination before the others.
      await ipvsadm(`-A -f ${MARK} -s ${algorithm} -b ${algorithm}-fallback`, ...all.toReversed().map((endpoint) => `-a ${destination(endpoint)}`));
      await same(all, 'from the start');

      const [first, second, third, ...others] = all as [EndpointConfig, EndpointConfig, EndpointConfig, ...EndpointConfig[]];
      await ipvsadm(`-d -f ${MARK} -r ${formatIpv4(second.address)}:${target}`);
      await same([first, third, ...others], 'without the second');

      const drained = { ...third, weight: 0 };
      await ipvsadm(`-e ${destination(drained)}`);
      await same([first, drained, ...others], 'the third drained');

      await ipvsadm(`-a ${destination(second)}`);
      await same([second, first, drained, ...others], 'the second is back, as the first');
      await ipvsadm(`-D -f ${MARK}`);
    }
  } finally {
    net.close();
  }
}
