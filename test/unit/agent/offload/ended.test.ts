import test from 'ava';
import { tellEnded } from '../../../../agent/offload/ended.js';
import { silentLogger } from '../../../../agent/log.js';
import type { KernelFlow } from '../../../../kernel/offload/driver.js';
import type { Namespace } from '../../../../kernel/netns/netns.js';
import type { RawPacket } from '../../../../kernel/raw/raw.js';
import { formatIpv4 } from '../../../../proxy/net/addr.js';
import type { EndedFlow } from '../../../../proxy/dataplane/handle.js';
import { decode, VNET } from '../../../support/packets.js';

function flow(port: number, changes: Partial<KernelFlow> = {}): KernelFlow {
  const parties = { client: `10.0.1.9:${port}`, virtual: '10.0.1.2:80', endpoint: '10.0.1.5:80', seenAs: `10.0.1.250:${port + 1}` };
  return { mark: 0x103, protocol: 'tcp', ...parties, state: 'ESTABLISHED', expires: 7000, bytes: 1, ...changes };
}

const HOST = { name: 'host' } as Namespace;

/** What was told, in order. */
async function told(flows: readonly KernelFlow[], { failure, host }: { failure?: Error; host?: Namespace } = {}): Promise<string[]> {
  const order: string[] = [];
  const dataplane = {
    refuse: (network: number, ended: readonly EndedFlow[]): Promise<void> => {
      order.push(...ended.map(({ client, clientPort, vip, vipPort }) => `refuse ${network} ${formatIpv4(client)}:${clientPort} ${formatIpv4(vip)}:${vipPort}`));
      return Promise.resolve();
    },
  };
  const send = (where: Namespace, packets: readonly RawPacket[]): Promise<number> => {
    for (const { bytes, to } of packets) {
      const { from, sourcePort, destinationPort } = decode(Buffer.concat([Buffer.alloc(VNET), bytes]));
      order.push(`${where === HOST ? 'host ' : ''}${formatIpv4(from)}:${sourcePort} > ${to}:${destinationPort}`);
    }
    return failure ? Promise.reject(failure) : Promise.resolve(packets.length);
  };
  await tellEnded(flows, { namespace: undefined as never, index: 3, dataplane, log: silentLogger, send, ...(host && { host }) });
  return order;
}

test('userspace is told to refuse, then both sides are asked', async (t) => {
  t.deepEqual(await told([flow(5000)]), ['refuse 3 10.0.1.9:5000 10.0.1.2:80', '10.0.1.2:80 > 10.0.1.9:5000', '10.0.1.250:5001 > 10.0.1.5:80']);
});

test('of a published port the client is asked by the host, as whom it asked, if that is known', async (t) => {
  const refused = 'refuse 3 10.0.1.5:80 10.0.1.250:5001';
  const published = flow(5000, { client: '192.0.2.9:5000', virtual: '10.0.0.2:8080' });
  t.deepEqual(await told([{ ...published, asked: '192.0.2.1:8080' }], { host: HOST }), [refused, '10.0.1.250:5001 > 10.0.1.5:80', 'host 192.0.2.1:8080 > 192.0.2.9:5000']);
  t.deepEqual(await told([published], { host: HOST }), [refused, '10.0.1.250:5001 > 10.0.1.5:80']);
});

test('nobody is asked about datagrams and connections that are over', async (t) => {
  t.deepEqual(await told([flow(1, { protocol: 'udp', state: '' }), flow(2, { state: 'TIME_WAIT' }), flow(3, { state: 'CLOSE' })]), []);
});

test('of very many only some thousands; what cannot be sent harms nobody', async (t) => {
  t.is((await told(Array.from({ length: 5000 }, (_, port) => flow(port + 1)))).length, 3 * 4096);
  t.is((await told([flow(5000)], { failure: new Error('EPERM') })).length, 3);
});
