/**
 * Scenarios for kernel/, on a test host. Each runs as root and as root of a user namespace.
 */
import assert from 'node:assert/strict';
import { readFileSync, readlinkSync, mkdtempSync, readdirSync, writeFileSync, existsSync } from 'node:fs';
import dgram from 'node:dgram';
import net from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { parseIpv4 } from '../../../proxy/net/addr.js';
import { EINVAL } from '../../../proxy/device/device.js';
import { FakeClock } from '../../../proxy/time/clock.js';
import { FRAME_SIZE } from '../../../proxy/wire/frame.js';
import { deviceContract } from '../../contract/device.js';
import { IpBatchError, ipBatch, setSysctl } from '../../../kernel/netns/links.js';
import {
  AsyncWithinError,
  createNamespace,
  listNamespaces,
  NamespaceExistsError,
  openNamespace,
  removeNamespace,
} from '../../../kernel/netns/netns.js';
import { RouteChanges } from '../../../kernel/netns/route-changes.js';
import { bindUdp, listenTcp } from '../../../kernel/netns/sockets.js';
import { HostProbe } from '../../../kernel/offload/host-probe.js';
import { udpFrame } from '../../support/packets.js';
import { pollUntil } from '../../support/poll-until.js';
import { startPty } from '../../support/pty.js';
import { sendRaw, type RawPacket } from '../../../kernel/raw/raw.js';
import { bareAck } from '../../../kernel/raw/segment.js';
import { run, start } from '../../../kernel/run/runner.js';
import { openTun, type TunDevice, TunUnavailableError } from '../../../kernel/tun/tun.js';

const here = (): string => readlinkSync('/proc/thread-self/ns/net');

/** As root the directory that `ip netns` knows; otherwise one of the user's own. */
function directory(): string {
  const root = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/)[1] === '0';
  return root ? '/run/netns' : mkdtempSync(join(os.tmpdir(), 'netns-'));
}

function mountsUnder(path: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.split(' ')[4]?.startsWith(path));
}

export async function namespaces(): Promise<void> {
  const dir = directory();
  const home = here();
  const a = createNamespace(dir, 'vm-a');
  const b = createNamespace(dir, 'vm-b');
  assert.equal(here(), home, 'createNamespace comes back');
  assert.deepEqual(listNamespaces(dir, 'vm-'), ['vm-a', 'vm-b']);
  assert.throws(() => createNamespace(dir, 'vm-a'), NamespaceExistsError);
  assert.equal(a.within(() => b.within(here) !== here() && here() !== home), true, 'nests');
  assert.equal(here(), home);
  assert.throws(() => a.within(() => assert.fail('thrown inside')), /thrown inside/);
  assert.equal(here(), home, 'comes back after a throw');
  assert.throws(() => a.within(() => Promise.reject(new Error('refused'))), AsyncWithinError);
  assert.equal(here(), home, 'comes back after a promise');

  const inside = a.within(here);
  assert.equal((await run('readlink', ['/proc/self/ns/net'], { netns: a })).trim(), inside, 'run forks in the namespace');
  const child = start('readlink', ['/proc/self/ns/net'], { netns: a, stdio: ['ignore', 'pipe', 'inherit'] });
  const [text] = (await child.stdout!.take(1).toArray()) as [Buffer];
  assert.equal(text.toString().trim(), inside, 'start forks in the namespace');
  const terminal = startPty('sh', ['-c', 'readlink /proc/self/ns/net; stty size'], { netns: a, env: process.env, columns: 81, rows: 25 });
  let shown = '';
  terminal.onData((chunk) => (shown += chunk.toString()));
  assert.deepEqual(await terminal.exited, { code: 0, signal: null });
  assert.equal(shown, `${inside}\r\n25 81\r\n`);

  assert.match(await run('ip', ['-br', 'link', 'show', 'lo'], { netns: a }), /LOOPBACK,UP/);
  const again = openNamespace(dir, 'vm-a');
  assert.equal(again.within(here), inside);
  again.close();
  if (dir === '/run/netns') assert.match(await run('ip', ['netns']), /vm-a/);

  a.remove();
  a.remove();
  assert.deepEqual(listNamespaces(dir, 'vm-'), ['vm-b']);
  assert.notDeepEqual(mountsUnder(dir), []);
  b.remove();
  writeFileSync(join(dir, 'vm-left-over'), '');
  assert.throws(() => openNamespace(dir, 'vm-left-over'), { code: 'EINVAL' });
  removeNamespace(dir, 'vm-left-over');
  removeNamespace(dir, 'vm-never-was');
  assert.deepEqual(readdirSync(dir), []);
  assert.deepEqual(mountsUnder(dir), [], 'no mount is left');
}

/** `ip netns add` after us must neither cover our namespaces nor keep us from removing them. Root only. */
export async function besideIpNetns(): Promise<void> {
  const ours = createNamespace('/run/netns', 'vm-ours');
  await run('ip', ['netns', 'add', 'theirs']);
  assert.deepEqual(listNamespaces('/run/netns', ''), ['theirs', 'vm-ours']);
  ours.remove();
  assert.match(await run('ip', ['netns']), /^theirs\b/);
  await run('ip', ['netns', 'del', 'theirs']);
  const late = createNamespace('/run/netns', 'vm-late');
  late.remove();
  assert.deepEqual(mountsUnder('/run/netns'), []);
}

/** A namespace must go although another mount namespace, such as a task's, has a copy of its mount. */
export async function copiedMounts(): Promise<void> {
  const dir = directory();
  const ns = createNamespace(dir, 'vm-a');
  const inode = ns.within(here);
  const task = start('unshare', ['--mount', 'sh', '-c', 'echo ready; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await task.stdout!.take(1).toArray();
  ns.remove();
  assert.equal(existsSync(join(dir, 'vm-a')), false);
  assert.doesNotMatch(readFileSync(`/proc/${task.pid}/mountinfo`, 'utf8'), /vm-a/, `${inode} is still pinned`);
  task.kill('SIGKILL');
}

export async function links(): Promise<void> {
  const ns = createNamespace(directory(), 'vm-a');
  try {
    await ipBatch(ns, ['link add d0 type veth peer name d1', 'addr add 10.9.0.1/24 dev d0', 'link set d0 up']);
    assert.match(await run('ip', ['-4', 'addr', 'show', 'd0'], { netns: ns }), /10\.9\.0\.1\/24/);
    await assert.rejects(ipBatch(ns, ['link set d0 mtu 1400', 'link set nosuch up', 'link del d0']), (error) => {
      assert.ok(error instanceof IpBatchError);
      assert.equal(error.line, 'link set nosuch up');
      assert.match(error.reason, /Cannot find device/);
      return true;
    });
    assert.match(await run('ip', ['link', 'show', 'd0'], { netns: ns }), /mtu 1400/, 'stopped at the line that failed');
    setSysctl(ns, 'net/ipv4/ip_forward', '1');
    const forward = (): string => readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim();
    assert.equal(ns.within(forward), '1');
    assert.equal(forward(), '0', 'only there');
  } finally {
    ns.remove();
  }
}

/** The kernel tells of links, routes and routing rules of this namespace, and of no others. */
export async function routeChanges(): Promise<void> {
  const [namespace, other] = [createNamespace(directory(), 'vm-a'), createNamespace(directory(), 'vm-b')];
  const changes = new RouteChanges(namespace);
  const tells = async (lines: readonly string[], where = namespace): Promise<boolean> => {
    await ipBatch(where, lines);
    return changes.changed();
  };
  assert.equal(changes.changed(), true, 'the first time nobody knows');
  assert.equal(changes.changed(), false);
  assert.equal(await tells(['link add d0 type veth peer name d1']), true);
  assert.equal(await tells(['link add d0 type veth peer name d1'], other), false);
  assert.equal(await tells(['link set d0 up', 'link set d1 up', 'route add 192.0.2.1/32 dev d0']), true);
  assert.equal(await tells(['route del 192.0.2.1/32 dev d0']), true);
  assert.equal(await tells(['rule add pref 60 to 192.0.2.1 blackhole']), true);
  await ipBatch(namespace, Array.from({ length: 2000 }, (_, n) => `route add 10.0.${n >> 8}.${n & 255}/32 dev d0`));
  assert.equal(changes.changed(), true, 'more than it had room for');
  await pollUntil('that was all', () => !changes.changed());
  changes.close();
  assert.equal(changes.changed(), true);
  changes.close();
  for (const one of [namespace, other]) one.remove();
}

/** All of many packets go, whatever is collected meanwhile. */
export async function rawPackets(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const namespace = createNamespace(directory(), 'vm-a');
  await ipBatch(namespace, ['link set lo up']);
  const bytes = bareAck({ from: { address: '192.0.2.1', port: 1 }, to: { address: '127.0.0.1', port: 2 }, sequence: 3, acknowledgement: 4 });
  let sent: number | undefined;
  // Between two packets, too.
  const collecting = (): void => {
    collect();
    if (sent === undefined) setImmediate(collecting);
  };
  collecting();
  void sendRaw(namespace, new Array<RawPacket>(100).fill({ bytes, to: '127.0.0.1' }), 60_000).then((count) => (sent = count));
  await pollUntil('all are sent', () => sent === 100);
  assert.equal(await sendRaw(namespace, [{ bytes, to: '198.51.100.1' }]), 0, 'there is no route');
  namespace.remove();
}

/** Facts of a host that stay are not asked for again; one that changes is, at once. */
export async function hostProbe(): Promise<void> {
  const host = createNamespace(directory(), 'vm-a');
  const clock = new FakeClock();
  const probe = new HostProbe(host, { name: 'vm0000-ingress', address: '10.0.0.2' }, clock);
  const first = await probe.facts();
  assert.deepEqual([first.nftables, first.other], [[], undefined]);
  const again = await probe.facts();
  assert.equal(again.nftables, first.nftables, 'the very same');
  await run('nft', ['add table inet fw; add chain inet fw input { type filter hook input priority 0; policy drop; }'], { netns: host });
  await ipBatch(host, ['link set lo up', 'route add 10.0.0.2/32 dev lo']);
  setSysctl(host, 'net/ipv4/ip_forward', '0');
  const third = await probe.facts();
  assert.deepEqual([third.nftables.map(({ name }) => name), third.closed[0]], [['inet fw input'], 'all']);
  assert.match(third.other?.reason ?? '', /another route to 10\.0\.0\.2/);
  const fourth = await probe.facts();
  assert.equal(fourth.nftables, third.nftables);
  assert.equal(fourth.other, third.other);
  clock.advance(60_000);
  assert.notEqual((await probe.facts()).nftables, third.nftables, 'now and then all is asked for');
  probe.close();
  host.remove();
}

export async function sockets(): Promise<void> {
  const ns = createNamespace(directory(), 'vm-a');
  try {
    const server = net.createServer((socket) => socket.end('tcp'));
    server.listen({ fd: listenTcp(ns, '127.0.0.1', 80) });
    assert.throws(() => listenTcp(ns, '127.0.0.1', 80), {
      code: 'EADDRINUSE',
      message: 'bind(127.0.0.1:80): EADDRINUSE: address already in use',
    });
    assert.throws(() => listenTcp(ns, '10.9.9.9', 81), { code: 'EADDRNOTAVAIL' });
    const dual = net.createServer((socket) => socket.end('dual')).listen({ fd: listenTcp(ns, '::', 82) });
    const echo = dgram.createSocket('udp4', (message, peer) => echo.send(message, peer.port, peer.address));
    echo.bind({ fd: bindUdp(ns, '127.0.0.1', 53) });
    assert.equal(await run('nc', ['-N', '127.0.0.1', '80'], { netns: ns }), 'tcp');
    assert.equal(await run('nc', ['-N', '127.0.0.1', '82'], { netns: ns }), 'dual', 'IPv4 to ::');
    assert.equal(await run('nc', ['-u', '-w', '10', '-W', '1', '127.0.0.1', '53'], { netns: ns, input: 'udp' }), 'udp');
    await assert.rejects(run('nc', ['-N', '127.0.0.1', '80']), { exitCode: 1 }, 'not in our own namespace');
    server.close();
    dual.close();
    echo.close();
  } finally {
    ns.remove();
  }
}

export async function tun(): Promise<void> {
  const ns = createNamespace(directory(), 'vm-a');
  try {
    for (const queues of [1, 3]) {
      const devices = openTun(ns, { name: 'vip0', mtu: 1400, queues });
      assert.equal(devices.length, queues);
      assert.match(await run('ip', ['link', 'show', 'vip0'], { netns: ns }), /UP.* mtu 1400/);
      assert.throws(() => openTun(ns, { name: 'vip0', mtu: 1400, queues }), { code: 'EBUSY' });
      assert.throws(() => openTun(ns, { name: 'vip0', mtu: 1400, queues: 4 - queues }), { code: 'EBUSY' });
      for (const device of devices) {
        assert.equal(device.write(new Uint8Array(FRAME_SIZE), 10), -EINVAL, 'a header without a packet');
        assert.match(await run('ip', ['link', 'show', 'vip0'], { netns: ns }), /UP/, 'there until the last of its queues is closed');
        device.close();
        device.close();
      }
      await assert.rejects(run('ip', ['link', 'show', 'vip0'], { netns: ns }), /does not exist/, 'gone with its descriptors');
    }
  } finally {
    ns.remove();
  }
}

/** A flow's packets come to the queue that its other direction was written to; the kernel does that by itself. */
export async function tunQueues(): Promise<void> {
  const ns = createNamespace(directory(), 'vm-a');
  setSysctl(ns, 'net/ipv6/conf/default/disable_ipv6', '1');
  setSysctl(ns, 'net/ipv4/ip_forward', '1');
  const [from] = openTun(ns, { name: 'from', mtu: 1500, queues: 1 }) as [TunDevice];
  const to = openTun(ns, { name: 'to', mtu: 1500, queues: 4 });
  try {
    await ipBatch(ns, ['route add 10.1.0.2/32 dev from', 'route add 10.2.0.2/32 dev to']);
    const frame = new Uint8Array(FRAME_SIZE);
    const request = udpFrame({ from: '10.1.0.2', to: '10.2.0.2', sourcePort: 4000, destinationPort: 80 });
    const reply = udpFrame({ from: '10.2.0.2', to: '10.1.0.2', sourcePort: 80, destinationPort: 4000 });
    for (let queue = 0; queue < to.length; queue++) {
      assert.equal(to[queue]!.write(reply, reply.length), reply.length);
      assert.ok((await pollUntil('it arrives', () => from.read(frame))) > 0);
      assert.equal(from.write(request, request.length), request.length);
      assert.equal(await pollUntil('it comes to one of the queues', () => to.findIndex((device) => device.read(frame) > 0) + 1), queue + 1);
    }
  } finally {
    for (const device of [from, ...to]) device.close();
    ns.remove();
  }
}

/** The device contract over two TUNs with the kernel's router between them. */
export async function deviceContractOverTun(): Promise<void> {
  for (const contract of deviceContract) {
    const ns = createNamespace(directory(), 'vm-a');
    setSysctl(ns, 'net/ipv6/conf/default/disable_ipv6', '1');
    setSysctl(ns, 'net/ipv4/ip_forward', '1');
    const [from] = openTun(ns, { name: 'from', mtu: 65_535, queues: 1 }) as [TunDevice];
    const [to] = openTun(ns, { name: 'to', mtu: 65_535, queues: 1 }) as [TunDevice];
    try {
      await ipBatch(ns, ['route add 10.1.0.2/32 dev from', 'route add 10.2.0.2/32 dev to']);
      await contract.run({ from, to, source: parseIpv4('10.1.0.2'), destination: parseIpv4('10.2.0.2') });
      process.stdout.write(`ok: ${contract.name}\n`);
    } finally {
      from.close();
      to.close();
      ns.remove();
    }
  }
}

/** As root of a user namespace: a file of the machine's root that only root may read stands in for a closed /dev/net/tun. */
export async function tunRefused(): Promise<void> {
  const ns = createNamespace(directory(), 'vm-a');
  try {
    await run('mount', ['--bind', '/etc/shadow', '/dev/net/tun']);
    assert.throws(() => openTun(ns, { name: 'vip0', mtu: 1400, queues: 1 }), (error) => {
      assert.ok(error instanceof TunUnavailableError);
      assert.match(error.message, /^\/dev\/net\/tun is not readable by uid [1-9]\d*: chmod 0666 \/dev\/net\/tun, or run as root$/);
      return true;
    });
  } finally {
    ns.remove();
  }
}

/** System calls and namespaces work in a worker thread, which moves alone. */
export async function workerThread(): Promise<void> {
  const ns = createNamespace(directory(), 'vm-a');
  try {
    const source = `
      import { readlinkSync } from 'node:fs';
      import { parentPort, workerData } from 'node:worker_threads';
      const { enterNamespace } = await import(workerData.module);
      enterNamespace(workerData.fd);
      parentPort.postMessage(readlinkSync('/proc/thread-self/ns/net'));`;
    const module = new URL('../../../kernel/netns/netns.js', import.meta.url).href;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData: { module, fd: ns.fd } });
    const seen = await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
    assert.equal(seen, ns.within(here));
    assert.notEqual(here(), seen);
  } finally {
    ns.remove();
  }
}
