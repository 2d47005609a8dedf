/**
 * The nft driver on this kernel: the contract of all drivers, and what is its own.
 */
import assert from 'node:assert/strict';
import type { Namespace } from '../../../kernel/netns/netns.js';
import type { OffloadPlan } from '../../../kernel/offload/driver.js';
import { NftDriver } from '../../../kernel/offload/nft-driver.js';
import { run } from '../../../kernel/run/runner.js';
import { offloadContract, type DriverFacts } from '../../contract/offload-driver.js';
import { BALANCER, ENDPOINTS, OffloadNet, SUBNET, VIP } from '../../support/offload-net.js';

const FOREIGN = 'table ip other { chain input { type filter hook prerouting priority -150; policy accept; ip saddr 192.0.2.1 counter drop; }; }';

const facts: DriverFacts = {
  open: (namespace, options) => new NftDriver(namespace, options),
  schedulers: ['rr', 'wrr'],
  // With handles: the kernel gives a new one to whatever is made anew.
  installed: (netns) => run('nft', ['-a', 'list', 'ruleset'], { netns }),
  flush: async (netns) => void (await run('nft', ['flush', 'ruleset'], { netns })),
  installForeign: (netns) => nft(netns, FOREIGN),
  foreign: (netns) => run('nft', ['-a', 'list', 'table', 'ip', 'other'], { netns }),
};

async function nft(netns: Namespace, batch: string): Promise<void> {
  await run('nft', ['-f', '-'], { netns, input: `${batch}\n` });
}

/** Words that the names of the cases to run have; without any, all run. */
export const contract = (...only: string[]): Promise<void> => offloadContract(facts, only.join(' '));

const PLAN: OffloadPlan = {
  subnet: SUBNET,
  balancer: BALANCER,
  timeouts: { established: 7440, closing: 240, udp: 300 },
  services: [
    {
      mark: 0x103,
      address: VIP,
      scheduler: 'rr',
      affinity: 0,
      maxConnections: 0,
      endpoints: [ENDPOINTS.a, ENDPOINTS.b].map((address) => ({ address, port: 0, weight: 1 })),
      phase: 'take',
    },
  ],
};

/** A flow that conntrack knew before our table was there gets neither NAT nor a mark, also while each of its packets is new to NAT. */
export async function leavesWhatWasTracked(): Promise<void> {
  const net = await OffloadNet.create();
  try {
    const { namespace } = net.sandbox;
    await nft(namespace, 'table ip other { chain c { type filter hook prerouting priority 0; ct state new accept; }; }');
    const [quiet, second] = [net.datagrams(), net.datagrams()];
    const at = [await quiet.tell(), await second.tell()];
    const driver = new NftDriver(namespace);
    await driver.set(PLAN);
    for (let i = 0; i < 3; i++) assert.deepEqual([await quiet.tell(), await second.tell()], at);
    const tracked = await run('conntrack', ['-L', '-p', 'udp'], { netns: namespace });
    assert.match(tracked, new RegExp(`sport=${quiet.port} .*mark=0 `));
    assert.doesNotMatch(tracked, /mark=[1-9]/);
    assert.match(await net.picks(2), /^ab$/, 'and no turn was lost to them');
  } finally {
    await net.close();
  }
}

/** Whatever somebody else puts into our table, or takes out of it, has a name. */
export async function namesWhatIsChanged(): Promise<void> {
  const net = await OffloadNet.create();
  try {
    const { namespace } = net.sandbox;
    const driver = new NftDriver(namespace);
    await driver.set(PLAN);
    await nft(
      namespace,
      `add rule ip vipmesh prerouting ip saddr 192.0.2.1 drop
add chain ip vipmesh theirs
delete element ip vipmesh addresses { ${VIP} }
add element ip vipmesh endpoints { 7 : 192.0.2.7 }`,
    );
    await run('sysctl', ['-w', 'net.netfilter.nf_conntrack_udp_timeout=31'], { netns: namespace });
    assert.deepEqual(await driver.verify(), [
      `map addresses lacks ${VIP} : jump service-0x103`,
      'map endpoints has 7 : 192.0.2.7, which is not ours',
      "chain prerouting has a rule that is not ours: 'ip saddr 192.0.2.1 drop'",
      'there is a chain theirs, which is not ours',
      'net.netfilter.nf_conntrack_udp_timeout is 31, not 300',
    ]);
    await driver.set(PLAN);
    assert.deepEqual(await driver.verify(), []);
    // What `show` tells an operator makes the same table.
    const installed = await run('nft', ['list', 'ruleset'], { netns: namespace });
    const commands = driver.show(0x103);
    await driver.remove();
    await run('sh', ['-e'], { netns: namespace, input: commands.join('\n') });
    assert.equal(await run('nft', ['list', 'ruleset'], { netns: namespace }), installed);
  } finally {
    await net.close();
  }
}
