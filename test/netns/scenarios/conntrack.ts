/**
 * Connection tracking is told to remember UDP flows, on a test host: as root and as root of a user namespace.
 */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { trackedFlows } from '../../../kernel/conntrack/tool.js';
import type { TrackedFlow } from '../../../kernel/conntrack/flow.js';
import { flowCount, forgetsUdpAfter, remember } from '../../../kernel/conntrack/remember.js';
import { ownNamespace } from '../../../kernel/netns/netns.js';
import { ipBatch, setSysctl } from '../../../kernel/netns/links.js';
import { run } from '../../../kernel/run/runner.js';

const LOOPBACK = '127.0.0.1';
const ASKED_PORT = 5353;

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, LOOPBACK);
  await once(socket, 'listening');
  return socket;
}

/** Entries last longer, also one that is translated, until the next datagram; one that is unknown is put in, or left alone. */
export async function remembers(): Promise<void> {
  const here = ownNamespace();
  await ipBatch(here, ['link set lo up']);
  const [client, server] = [await bound(), await bound()];
  const rules = `table ip t { chain c { type nat hook output priority -100; udp dport ${ASKED_PORT} dnat to ${LOOPBACK}:${server.address().port}; }; }`;
  await run('nft', [rules], {});
  setSysctl(here, 'net/netfilter/nf_conntrack_udp_timeout', '20');
  assert.equal(forgetsUdpAfter(here), 20);
  const ask = async (): Promise<void> => {
    const arrived = once(server, 'message', { signal: AbortSignal.timeout(60_000) });
    client.send('1', ASKED_PORT, LOOPBACK);
    await arrived;
  };
  const from = async (port: number): Promise<TrackedFlow | undefined> => (await trackedFlows(here)).find(({ original }) => original.sourcePort === port);
  const known = async (): Promise<TrackedFlow> => (await from(client.address().port)) ?? assert.fail('it is not tracked');
  await ask();
  const { original, reply, expires } = await known();
  assert.ok(expires <= 20, `${expires}`);
  assert.deepEqual([original.destinationPort, reply.sourcePort], [ASKED_PORT, server.address().port]);

  await remember(here, [{ original, seconds: 300 }]);
  const after = await known();
  assert.ok(after.expires > 250, `${after.expires}`);
  assert.deepEqual(after.reply, reply, 'it is translated as before');
  await ask();
  assert.ok((await known()).expires <= 120, 'a datagram makes it what the settings say');
  await remember(here, [{ reply, seconds: 200 }]);
  assert.ok((await known()).expires > 150);

  const strange = { source: '192.0.2.9', sourcePort: 999, destination: LOOPBACK, destinationPort: 998 };
  await remember(here, [{ reply: strange, seconds: 300 }]);
  assert.equal(await from(999), undefined);
  // More than one write has.
  const many = Array.from({ length: 300 }, (_, index) => ({ original: { ...strange, sourcePort: 1000 + index }, seconds: 300 }));
  await remember(here, [{ original: strange, seconds: 300 }, ...many]);
  const put = (await trackedFlows(here)).filter(({ original: { source } }) => source === strange.source);
  assert.equal(put.length, 301);
  assert.ok(flowCount(here) >= 302);
  assert.ok(put.every(({ expires: left, unreplied }) => left > 250 && !unreplied));
  for (const socket of [client, server]) socket.close();
}
