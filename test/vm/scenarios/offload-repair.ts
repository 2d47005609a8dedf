/**
 * The ipvs driver on a kernel that has IPVS: the picture that it gives, endpoints that flap, and what others do to it.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Namespace } from '../../../kernel/netns/netns.js';
import { OffloadError, type OffloadPlan } from '../../../kernel/offload/driver.js';
import { IpvsDriver } from '../../../kernel/offload/ipvs-driver.js';
import { run } from '../../../kernel/run/runner.js';
import { BALANCER, ENDPOINTS, OffloadNet, PATIENCE, SUBNET, VIP, type EndpointId } from '../../support/offload-net.js';
import { pollUntil } from '../../support/poll-until.js';

const MARK = 259;

function plan(phase: 'watch' | 'take', ...ids: EndpointId[]): OffloadPlan {
  const endpoints = ids.map((id) => ({ address: ENDPOINTS[id], port: 0, weight: 1 }));
  const services = [{ mark: MARK, address: VIP, scheduler: 'rr' as const, affinity: 0, maxConnections: 0, endpoints, phase }];
  return { subnet: SUBNET, balancer: BALANCER, timeouts: { established: 7440, closing: 240, udp: 300 }, services };
}

async function withNet(use: (net: OffloadNet, driver: IpvsDriver, namespace: Namespace) => Promise<void>): Promise<void> {
  const net = await OffloadNet.create();
  try {
    await use(net, new IpvsDriver(net.sandbox.namespace), net.sandbox.namespace);
  } finally {
    await net.close();
  }
}

/** What an operator of Swarm would look for, and finds. */
export function showsThePicture(): Promise<void> {
  return withNet(async (net, driver, netns) => {
    await driver.set(plan('watch', 'a', 'b'));
    await driver.set(plan('take', 'a', 'b'));
    const order = await net.picks(10);
    assert.match(order, /^(?:ab){5}$|^(?:ba){5}$/);

    const mangle = await run('iptables', ['-t', 'mangle', '-nvL'], { netns });
    const marked = /^ *(\d+) +\d+ MARK +(?:tcp|6) .* 10\.0\.1\.2 .* MARK set 0x103$/m.exec(mangle) ?? assert.fail(mangle);
    assert.ok(Number(marked[1]) >= 10, mangle);
    const services = await run('ipvsadm', ['-Ln'], { netns });
    assert.match(services, /^FWM {2}259 rr$/m);
    for (const id of ['a', 'b'] as const) {
      assert.match(services, new RegExp(`^  -> ${ENDPOINTS[id].replaceAll('.', '\\.')}:0 +Masq +1 +\\d+ +\\d+ *$`, 'm'));
      const counted = new RegExp(`^  -> ${ENDPOINTS[id].replaceAll('.', '\\.')}:0 +5 +\\d+ +\\d+ +\\d+ +\\d+$`, 'm');
      await pollUntil(`5 connections of ${id} are counted`, async () => counted.test(await run('ipvsadm', ['-Ln', '--stats', '--exact'], { netns })), PATIENCE);
    }
    assert.equal(services.match(/ -> .* Masq /g)?.length, 2);
  });
}

/** While an endpoint flaps, streams to others go on, and no new connection fails. */
export function survivesFlapping(): Promise<void> {
  return withNet(async (net, driver) => {
    await driver.set(plan('watch', 'a', 'b'));
    await driver.set(plan('take', 'a', 'b'));
    const streams = [(await net.connect()).start(), (await net.connect()).start()];
    assert.deepEqual(streams.map(({ by }) => by).sort(), ['a', 'b']);
    for (let i = 0; i < 4; i++) {
      await driver.set(plan('take', 'c', 'a', 'b'));
      assert.deepEqual([...(await net.picks(3))].sort(), ['a', 'b', 'c']);
      await driver.end(MARK, { address: ENDPOINTS.c, port: 0 });
      await driver.set(plan('take', 'a', 'b'));
      assert.deepEqual([...(await net.picks(2))].sort(), ['a', 'b']);
    }
    // In the middle of the list: all that are before it are taken out and put back.
    await driver.set(plan('take', 'a', 'c', 'b'));
    assert.deepEqual(await driver.verify(), []);
    for (const stream of streams) {
      await stream.flows();
      await stream.stop();
    }
  });
}

const UNLOAD = 'iptables -t nat -F; iptables -t nat -X; iptables -t mangle -F; iptables -t mangle -X; ipvsadm -C; modprobe -r xt_ipvs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_mh ip_vs\n';

/** Somebody unloads IPVS: userspace serves, then the kernel again; with modules that cannot be had, userspace goes on. */
export function survivesUnloading(): Promise<void> {
  return withNet(async (net, driver, netns) => {
    const asks = '/proc/sys/kernel/modprobe';
    const { MODPROBE_OPTIONS: options } = process.env;
    const helper = readFileSync(asks, 'utf8');
    const unload = (): Promise<unknown> =>
      pollUntil('ip_vs can be unloaded', async () => {
        await run('sh', [], { netns, input: UNLOAD }).catch(() => undefined);
        return !readFileSync('/proc/modules', 'utf8').includes('ip_vs');
      }, PATIENCE);
    try {
      await driver.set(plan('take', 'a', 'b'));
      await unload();
      assert.notDeepEqual(await driver.verify(), []);
      assert.match(await net.picks(2), /ab|ba/);
      assert.deepEqual(await driver.flows(), []);
      await driver.set(plan('take', 'a', 'b'));
      assert.deepEqual(await driver.verify(), []);
      const before = net.packets;
      assert.match(await net.picks(2), /ab|ba/);
      assert.equal(net.packets, before, 'packets that visited userspace');

      await unload();
      process.env.MODPROBE_OPTIONS = '-d /nowhere';
      writeFileSync(asks, '/bin/false');
      const faults = await driver.verify().catch((reason: unknown) => [String(reason)]);
      assert.notDeepEqual(faults, []);
      const error = await driver.set(plan('take', 'a', 'b')).then(() => undefined, (reason: unknown) => reason);
      assert.ok(error instanceof OffloadError && error.remedy !== undefined, String(error));
      process.stdout.write(`${error.message}: ${error.remedy}\n`);
      assert.match(await net.picks(2), /ab|ba/);
      await driver.remove();
      assert.match(await net.picks(2), /ab|ba/);
    } finally {
      process.env.MODPROBE_OPTIONS = options;
      writeFileSync(asks, helper);
    }
  });
}

/** What somebody does to us, and who then serves a new connection, until we mend it. */
const DAMAGES: readonly (readonly [command: string, meanwhile: 'userspace' | 'kernel' | 'nobody'])[] = [
  ['iptables -t mangle -F', 'userspace'],
  ['iptables -t nat -F', 'kernel'],
  ['ip route flush table 100', 'userspace'],
  // All rules: the main table's come back with it.
  ['ip rule flush; ip rule add pref 32766 lookup main', 'userspace'],
  // Marked packets are local, and nothing there takes them. Nor does anything refuse them: what begins now waits until it is mended.
  ['ipvsadm -C', 'nobody'],
  [`ipvsadm -d -f ${MARK} -r ${ENDPOINTS.a}:0`, 'kernel'],
  [`ipvsadm -e -f ${MARK} -r ${ENDPOINTS.a}:0 -m -w 3`, 'kernel'],
  [`ipvsadm -E -f ${MARK} -s wrr`, 'kernel'],
  ['ipvsadm --set 900 120 300', 'kernel'],
  ['sysctl -qw net.ipv4.vs.expire_nodest_conn=0', 'kernel'],
];

/** Each thing of ours, taken away or changed alone: it is named, and mended. */
export function mendsEachPart(): Promise<void> {
  return withNet(async (net, driver, netns) => {
    await driver.set(plan('take', 'a', 'b'));
    for (const [command, meanwhile] of DAMAGES) {
      await run('sh', ['-c', command], { netns });
      const before = net.packets;
      const served = await net.picks(1).then(() => (net.packets === before ? 'kernel' : 'userspace'), (error: Error) => (error.message.endsWith('no answer') ? 'nobody' : error.message));
      assert.equal(served, meanwhile, command);
      const faults = await driver.verify();
      assert.notDeepEqual(faults, [], command);
      process.stdout.write(`${command}: ${faults.join('; ')}\n`);
      await driver.set(plan('take', 'a', 'b'));
      assert.deepEqual(await driver.verify(), [], command);
      assert.deepEqual([...(await net.picks(2))].sort(), ['a', 'b'], command);
    }
  });
}
