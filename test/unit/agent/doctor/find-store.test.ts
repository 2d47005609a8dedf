import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { askStore, findClock } from '../../../../agent/doctor/find-store.js';

/** A port that answers nobody: it was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('nobody listens: said of each member, and no read is tried', async (t) => {
  const member = `127.0.0.1:${await closedPort()}`;
  t.deepEqual(await askStore({ members: [member], cluster: 'prod' }), {
    kind: 'asked',
    cluster: 'prod',
    members: [{ member, answer: { failed: 'nobody listens', code: 'ECONNREFUSED' } }],
    read: { failed: 'no member answers' },
  });
});

test('the clock is compared with that of the store of the agent here, or the kernel says of its own', async (t) => {
  const server = createServer((_, response) => response.writeHead(200, { date: new Date(Date.now() + 60_000).toUTCString() }).end('{}')).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const member = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const found = await findClock({ kind: 'etcd', members: [member], reachable: true });
  if (!('member' in found)) return t.fail(JSON.stringify(found));
  t.is(found.member, member);
  t.true(Math.abs(found.ahead - 60_000) <= found.uncertainty + 1, `${found.ahead} ± ${found.uncertainty}`);
  t.false('member' in (await findClock({ kind: 'embedded', reachable: true })));
});
