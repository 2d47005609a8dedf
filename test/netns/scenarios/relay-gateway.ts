/**
 * Scenarios for the host gateway, on a test host.
 */
import assert from 'node:assert/strict';
import { closeSync, readlinkSync } from 'node:fs';
import { LocalGateway } from '../../../agent/gateway/local.js';
import { ipBatch } from '../../../kernel/netns/links.js';
import { run } from '../../../kernel/run/runner.js';
import { GatewayPair } from '../../support/gateway-pair.js';

const PORT = 8081;

/** The inner process is in a network namespace without any link; the sockets it serves are the host's. */
export async function pair(): Promise<void> {
  const local = new LocalGateway();
  const inner = await GatewayPair.start(local, ['unshare', '--user', '--map-root-user', '--net', '--mount']);
  assert.notEqual(await inner.ask({ do: 'namespace' }), readlinkSync('/proc/self/ns/net'));
  await inner.ask({ do: 'listen', port: PORT });
  await inner.ask({ do: 'serveTcp' });
  for (const address of ['127.0.0.1', '::1']) assert.equal(await run('nc', ['-d', address, `${PORT}`], { timeout: 90_000 }), 'inner');
  await inner.ask({ do: 'bind', port: PORT });
  await inner.ask({ do: 'serveUdp' });
  assert.equal(await run('sh', ['-c', `printf x | nc -u -w 10 -W 1 127.0.0.1 ${PORT}`], { timeout: 90_000 }), 'inner:x');
  await assert.rejects(inner.ask({ do: 'listen', port: PORT }), { name: 'ListenError' });
  inner.child.kill('SIGKILL');
  await inner.exited;
  await assert.rejects(local.listenTcp(undefined, PORT), { name: 'ListenError' }, 'it waits for the next inner process');
  inner.kept.closeAll();
  closeSync(await local.listenTcp(undefined, PORT));
}

export async function privilegedPort(): Promise<void> {
  const gateway = new LocalGateway();
  const expected = { name: 'ListenError', message: /port 80\/tcp is not allowed: below 1024 .*ip_unprivileged_port_start=80/ };
  await assert.rejects(gateway.listenTcp(undefined, 80), expected);
  await assert.rejects(gateway.bindUdp('127.0.0.1', 53), { name: 'ListenError' });
  closeSync(await gateway.listenTcp(undefined, 1024));
}

export async function mtu(): Promise<void> {
  const gateway = new LocalGateway();
  assert.equal(await gateway.underlayMtu(), 1500, 'no route');
  await ipBatch(undefined, [
    'link add up0 type veth peer name up1',
    'link set up0 mtu 1400 up',
    'link set up1 mtu 1400 up',
    'address add 192.0.2.1/24 dev up0',
    'route add default via 192.0.2.2',
  ]);
  assert.equal(await gateway.underlayMtu(), 1400, 'the device of the default route');
  await ipBatch(undefined, ['route replace default via 192.0.2.2 mtu 1300']);
  assert.equal(await gateway.underlayMtu(), 1300, 'the route itself');
  await ipBatch(undefined, ['link add mesh0 mtu 1350 type veth peer name mesh1', 'link set mesh0 up', 'address add 198.18.0.1/24 dev mesh0']);
  assert.equal(await gateway.underlayMtu('198.18.0.1'), 1350, 'the device that other nodes reach this host by');
  assert.equal(await gateway.underlayMtu('192.0.2.1'), 1300, 'the route, where it is by that device');
}

export async function withoutIpv6(): Promise<void> {
  await run('sysctl', ['-q', '-w', 'net.ipv6.conf.all.disable_ipv6=1']);
  const gateway = new LocalGateway();
  const fd = await gateway.listenTcp(undefined, PORT);
  assert.match(await run('ss', ['-Hlnt', `sport = :${PORT}`]), /LISTEN/);
  closeSync(fd);
  closeSync(await gateway.bindUdp(undefined, PORT));
}
