/**
 * The nft driver on this kernel: the contract of all drivers, and what is its own.
 */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import type { OffloadPlan, OffloadService } from '../../../kernel/offload/driver.js';
import { NftDriver } from '../../../kernel/offload/nft-driver.js';
import { run } from '../../../kernel/run/runner.js';
import type { Command } from '../../../kernel/nftables/render.js';
import { readTable } from '../../../kernel/nftables/apply.js';
import { generationOf, transact } from '../../../kernel/nftables/transaction.js';
import { createNamespace, type Namespace } from '../../../kernel/netns/netns.js';
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
      `table ip vipmesh: map addresses lacks ${VIP} : jump service-0x103`,
      'table ip vipmesh: map endpoints has 0x7 : 192.0.2.7, which is not ours',
      `table ip vipmesh: chain prerouting has a rule that is not ours and drops packets: look with \`ip netns exec ${namespace.name} nft list chain ip vipmesh prerouting\``,
      'table ip vipmesh: there is a chain theirs, which is not ours',
      'net.netfilter.nf_conntrack_udp_timeout is 31, not 300',
    ]);
    await driver.set(PLAN);
    assert.deepEqual(await driver.verify(), []);
    // Weights, or a scheduler, that nftables cannot have keep no flow from its end.
    const [taken] = PLAN.services;
    await driver.set({ ...PLAN, services: [{ ...taken!, scheduler: 'lc', phase: 'finish' }] });
    assert.deepEqual(await driver.verify(), []);
    await assert.rejects(driver.set({ ...PLAN, services: [{ ...taken!, scheduler: 'lc' }] }), /nftables cannot choose by scheduler lc/);
    await driver.set(PLAN);
    // What `show` tells an operator makes the same table.
    const installed = await run('nft', ['list', 'ruleset'], { netns: namespace });
    const commands = driver.show(0x103);
    await driver.remove();
    await run('sh', ['-e'], { netns: namespace, input: commands.join('\n') });
    assert.equal(await run('nft', ['list', 'ruleset'], { netns: namespace }), installed);
    // All is flushed just before the driver of another agent looks: it sees whose flows there are.
    const stream = await net.connect();
    await nft(namespace, 'flush ruleset');
    const next = new NftDriver(namespace);
    assert.deepEqual(await next.installed(), [{ mark: 0x103, takes: true }]);
    await next.set(PLAN);
    await stream.exchange();
    assert.equal((await next.flows()).some(({ client }) => client.endsWith(`:${stream.localPort}`)), true);
    await next.remove();
    assert.deepEqual(await next.installed(), []);
  } finally {
    await net.close();
  }
}

/** Changes by netlink: all or nothing, and only of the generation that they are meant for. */
export async function transacts(): Promise<void> {
  const namespace = createNamespace(mkdtempSync(join(os.tmpdir(), 'netns-')), 'vm-nft');
  const driver = new NftDriver(namespace);
  await driver.set(PLAN);
  const read = async (): Promise<NonNullable<Awaited<ReturnType<typeof readTable>>>> => (await readTable(namespace, 'vipmesh')) ?? assert.fail('no table');
  const { maps } = await read();
  const generation = generationOf(namespace) ?? assert.fail('no generation');
  const commands: Command[] = [
    { do: 'add-chain', chain: 'service-0x7' },
    { do: 'add-rule', chain: 'service-0x7', rule: 'ct mark set numgen inc mod 5 offset 0x7000' },
    { do: 'add-elements', map: 'addresses', elements: [['10.0.1.77', 'jump service-0x7']] },
    { do: 'add-elements', map: 'ports', elements: [['10.0.1.77 . udp . 5300', 'jump service-0x7']] },
    { do: 'add-elements', map: 'endpoints', elements: [['0x7000', ENDPOINTS.c]] },
    { do: 'add-elements', map: 'endpoint-ports', elements: [['0x7001', `${ENDPOINTS.c} . 8080`]] },
  ];
  const before = await run('nft', ['-a', 'list', 'ruleset'], { netns: namespace });
  assert.equal(await transact(namespace, 'vipmesh', commands, maps, generation - 1), false, 'another generation');
  await assert.rejects(transact(namespace, 'vipmesh', [...commands, { do: 'delete-chain', chain: 'nowhere' }], maps, generation), { code: 'ENOENT' });
  assert.equal(await run('nft', ['-a', 'list', 'ruleset'], { netns: namespace }), before, 'nothing of what failed is there');

  assert.equal(await transact(namespace, 'vipmesh', commands, maps, generation), true);
  assert.equal(generationOf(namespace), generation + 1);
  const after = await read();
  assert.deepEqual(after.chains.get('service-0x7')?.rules, ['ct mark set numgen inc mod 5 offset 0x7000']);
  const elements = (map: string): [string, string][] => [...(after.maps.get(map)?.elements ?? [])].filter(([key]) => !maps.get(map)?.elements.has(key));
  assert.deepEqual(['addresses', 'ports', 'endpoints', 'endpoint-ports'].flatMap(elements), [
    ['10.0.1.77', 'jump service-0x7'],
    ['10.0.1.77 . udp . 5300', 'jump service-0x7'],
    ['0x7000', ENDPOINTS.c],
    ['0x7001', `${ENDPOINTS.c} . 8080`],
  ]);
  const undo: Command[] = [
    { do: 'delete-elements', map: 'addresses', keys: ['10.0.1.77'] },
    { do: 'delete-elements', map: 'ports', keys: ['10.0.1.77 . udp . 5300'] },
    { do: 'delete-elements', map: 'endpoints', keys: ['0x7000'] },
    { do: 'delete-elements', map: 'endpoint-ports', keys: ['0x7001'] },
    { do: 'flush-chain', chain: 'service-0x7' },
    { do: 'delete-chain', chain: 'service-0x7' },
  ];
  assert.equal(await transact(namespace, 'vipmesh', undo, maps, generation + 1), true);
  assert.equal(await run('nft', ['-a', 'list', 'ruleset'], { netns: namespace }), before);
  namespace.remove();
}

function manyServices(count: number): OffloadService[] {
  const [one = assert.fail()] = PLAN.services;
  const address = (n: number, network: number): string => `10.${network}.${n >> 8}.${n & 255}`;
  const endpoints = (n: number): OffloadService['endpoints'] => [16, 17].map((network) => ({ address: address(n, network), port: 0, weight: 1 }));
  return Array.from({ length: count }, (_, n) => ({ ...one, mark: 0x100 + n, address: address(n, 18), endpoints: endpoints(n) }));
}

/** With many services: installed, changed one by one, verified, removed. How long that takes is only told. */
export async function scales(): Promise<void> {
  for (const count of [10, 10_000]) {
    const namespace = createNamespace(mkdtempSync(join(os.tmpdir(), 'netns-')), 'vm-nft');
    const driver = new NftDriver(namespace);
    const took: string[] = [];
    const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
      const began = performance.now();
      const result = await work();
      took.push(`${what} ${(performance.now() - began).toFixed(1)} ms`);
      return result;
    };
    const services = manyServices(count);
    const plan = { ...PLAN, subnet: '10.0.0.0/8' };
    await timed('install', () => driver.set({ ...plan, services }));
    assert.deepEqual(await timed('verify all', () => driver.verify()), []);
    const added = { address: '10.19.0.1', port: 0, weight: 1 };
    const change = async (): Promise<void> => {
      const turn = services.findIndex(({ endpoints }) => endpoints.length === 2);
      services[turn] = { ...services[turn]!, endpoints: [added, ...services[turn]!.endpoints] };
      await driver.set({ ...plan, services });
    };
    await timed('first change', change);
    await timed('second change', change);
    await timed('third change', change);
    assert.deepEqual(await timed('verify what is known', () => driver.verify()), []);
    // What is known came about without reading: another driver reads.
    const other = new NftDriver(namespace);
    const installed = await run('nft', ['-a', 'list', 'chain', 'ip', 'vipmesh', 'service-0x101'], { netns: namespace });
    assert.match(installed, /numgen inc mod 3 offset/);
    await other.set({ ...plan, services });
    assert.equal(await run('nft', ['-a', 'list', 'chain', 'ip', 'vipmesh', 'service-0x101'], { netns: namespace }), installed);
    assert.deepEqual(await other.verify(), []);
    await timed('remove', () => driver.remove());
    process.stdout.write(`${count} services: ${took.join(', ')}\n`);
    namespace.remove();
  }
}
