/**
 * The ipvs driver on a kernel that has IPVS: the contract of all drivers, and what is its own.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createNamespace, type Namespace } from '../../../kernel/netns/netns.js';
import type { OffloadPlan } from '../../../kernel/offload/driver.js';
import { IpvsDriver } from '../../../kernel/offload/ipvs-driver.js';
import { run, start } from '../../../kernel/run/runner.js';
import { CASES, offloadContract, type DriverFacts } from '../../contract/offload-driver.js';
import { BALANCER, ENDPOINTS, SUBNET, VIP } from '../../support/offload-net.js';

/** The legacy kind: the guest's kernel has no nf_tables. */
const IPTABLES = 'iptables-legacy';

async function shell(netns: Namespace, script: string): Promise<string> {
  return run('sh', ['-e'], { netns, input: script });
}

const facts: DriverFacts = {
  open: (namespace, options) => new IpvsDriver(namespace, options),
  schedulers: ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh'],
  // In the order of the lists: what is put in once more is elsewhere. Without counters, and without tables that are merely there.
  installed: (netns) =>
    shell(netns, `${IPTABLES}-save | grep -e ^-A -e '^:.* - ' | sed 's/ *\\[[0-9:]*\\]//' || true; ipvsadm -Ln --nosort | sed 's/ *[0-9]* *[0-9]* *$//'; ip rule; ip route show table 100 || true`),
  flush: async (netns) =>
    void (await shell(netns, `for table in mangle nat; do ${IPTABLES} -t $table -F; ${IPTABLES} -t $table -X; done; ipvsadm -C; ip rule del pref 60 || true`)),
  installForeign: async (netns) =>
    void (await shell(netns, `${IPTABLES} -t mangle -N OTHER; ${IPTABLES} -t mangle -A PREROUTING -s 192.0.2.1 -j OTHER; ipvsadm -A -t 192.0.2.2:80 -s rr; ip rule add pref 60 from 192.0.2.3 lookup 7`)),
  foreign: (netns) => shell(netns, `${IPTABLES}-save -t mangle | grep -e OTHER; ipvsadm -Sn | grep 192.0.2.2; ip rule | grep 192.0.2.3`),
};

/** A guest is slow: the cases are dealt out to as many scenarios as fit into their time. */
const part = (number: number) => (): Promise<void> => offloadContract(facts, CASES.filter((_, i) => i % 4 === number));
export const contract1 = part(0);
export const contract2 = part(1);
export const contract3 = part(2);
export const contract4 = part(3);

const PLAN: OffloadPlan = {
  subnet: SUBNET,
  balancer: BALANCER,
  timeouts: { established: 7440, closing: 240, udp: 300 },
  services: [
    {
      mark: 0x103,
      address: VIP,
      scheduler: 'sh',
      affinity: 0,
      maxConnections: 9,
      endpoints: [ENDPOINTS.b, ENDPOINTS.a].map((address) => ({ address, port: 0, weight: 1 })),
      phase: 'take',
    },
  ],
};

/** What others change in what is ours has a name, and is mended; what stands in the way of it is told instead. */
export async function namesWhatIsChanged(): Promise<void> {
  const netns = createNamespace('/run/netns', 'sandbox');
  const driver = new IpvsDriver(netns);
  await driver.set(PLAN);
  const installed = await facts.installed(netns);
  await shell(
    netns,
    `${IPTABLES} -t mangle -D VIPMESH-NEW 2; ${IPTABLES} -t nat -D POSTROUTING -j VIPMESH-POST; ipvsadm -d -f 259 -r ${ENDPOINTS.b}; ipvsadm -a -f 259 -r ${ENDPOINTS.b} -m
ip rule del pref 50; ip route flush table 100; sysctl -qw net.ipv4.vs.conntrack=0; ipvsadm --set 900 120 300`,
  );
  assert.deepEqual(await driver.verify(), [
    'POSTROUTING of table nat has no jump to VIPMESH-POST',
    `chain VIPMESH-NEW of table mangle lacks the rule '-d ${VIP}/32 -p udp -j MARK --set-xmark 0x103/0xffffffff'`,
    `the IPVS service of mark 259 has '-f 259 -r ${ENDPOINTS.b}:0 -m -w 1' and should have '-f 259 -r ${ENDPOINTS.b}:0 -m -w 1 -x 9 -y 9'`,
    'the routing rule of marks from 0x100 on is missing',
    `the route that makes ${VIP} local for marked packets is missing`,
    'net.ipv4.vs.conntrack is not 1',
    'the timeouts of IPVS are not those that were set',
  ]);
  await driver.set(PLAN);
  assert.deepEqual(await driver.verify(), []);

  await shell(netns, `${IPTABLES} -t mangle -A VIPMESH-NEW -p icmp -j DROP`);
  await assert.rejects(driver.verify().then(() => driver.set(PLAN)), {
    name: 'OffloadError',
    remedy: /^delete it with: iptables(?:-legacy)? -t mangle -D VIPMESH-NEW -p icmp -j DROP$/,
  });
  await shell(netns, `${IPTABLES} -t mangle -D VIPMESH-NEW -p icmp -j DROP; ${IPTABLES} -t mangle -I PREROUTING -s 192.0.2.1 -j MARK --set-mark 0x104`);
  await assert.rejects(driver.set(PLAN), { name: 'OffloadError', message: /^mark 0x104 is used by another tool/, remedy: /--mark-base/ });

  // What `show` tells an operator makes the same.
  const commands = driver.show(0x103);
  await driver.remove();
  await facts.flush(netns);
  await shell(netns, commands.join('\n'));
  const lines = (text: string): string[] => text.split('\n').sort();
  assert.deepEqual(lines(await facts.installed(netns)), lines(installed));
  // Another agent's driver that looks after a flush of the rules.
  await shell(netns, `for table in mangle nat; do ${IPTABLES} -t $table -F; ${IPTABLES} -t $table -X; done`);
  assert.deepEqual(await new IpvsDriver(netns).installed(), [{ mark: 0x103, takes: true }]);
  netns.remove();
}

/** The lock that all legacy iptables share, held by another for longer than is waited for. */
export async function tellsWhoWaits(): Promise<void> {
  const netns = createNamespace('/run/netns', 'sandbox');
  const driver = new IpvsDriver(netns);
  const held = start('flock', ['--no-fork', '-x', '/run/xtables.lock', 'sh', '-c', 'echo held; exec sleep 600'], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(held.stdout!, 'data');
    await assert.rejects(driver.set(PLAN), { name: 'OffloadError', message: /^another program has held the xtables lock/, remedy: /fuser/ });
  } finally {
    held.kill();
    await once(held, 'exit');
  }
  await driver.set(PLAN);
  assert.deepEqual(await driver.verify(), []);
  netns.remove();
}
