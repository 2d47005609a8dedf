import test from 'ava';
import type { ExecutionContext } from 'ava';
import { AddressPoolError, PortTakenError } from '../../../../overlay/model/errors.js';
import type { ResolvedPort } from '../../../../overlay/model/object.js';
import { formatPort, parsePort } from '../../../../overlay/model/port.js';
import type { BusyPorts } from '../../../../overlay/network/ports.js';
import { DYNAMIC_FIRST, DYNAMIC_LAST, changePorts } from '../../../../overlay/network/ports.js';
import type { Store } from '../../../../overlay/store/store.js';
import { transact } from '../../../../overlay/store/transaction.js';
import { emptyStore, serviceObject } from '../fixtures.js';

/** Services by name, and what they hold. */
class Publishers {
  readonly held = new Map<string, readonly ResolvedPort[]>();
  constructor(readonly store: Store) {}

  async change(name: string, wanted: readonly string[], busy?: BusyPorts): Promise<string[]> {
    const key = `services/${name}`;
    await this.store.commit([], [{ put: key, value: serviceObject(name) }]);
    const ports = await transact(this.store, (transaction) => changePorts(transaction, key, this.held.get(name) ?? [], wanted.map(parsePort), busy));
    this.held.set(name, ports);
    return ports.map(formatPort);
  }

  async keys(): Promise<Record<string, unknown>> {
    return Object.fromEntries((await this.store.list('ports/')).entries.map(({ key, value }) => [key, value]));
  }
}

const publishers = (t: ExecutionContext): Publishers => new Publishers(emptyStore(t));

test('a port is held by one service, which is named to the others', async (t) => {
  const p = publishers(t);
  await p.change('vote', ['8080:80']);
  const before = await p.keys();
  for (const port of ['8080:81', '127.0.0.1:8080:80', 'published=8080,target=80,mode=host']) {
    const error = await t.throwsAsync(p.change('other', ['9090:90', port]), { instanceOf: PortTakenError });
    t.is(error?.holder, 'vote');
    t.regex(error?.message ?? '', /8080\/tcp .*'vote'/);
  }
  t.deepEqual(await p.keys(), before, 'the port that was free is not held either');
  await p.change('vote', []);
  t.deepEqual(await p.change('other', ['8080:81']), ['8080:81']);
});

test('protocols, and specific addresses, do not collide', async (t) => {
  const p = publishers(t);
  await p.change('a', ['127.0.0.1:8080:80', '127.0.0.3:8080:80']);
  await p.change('b', ['127.0.0.2:8080:80', '8080:80/udp']);
  await t.throwsAsync(p.change('c', ['8080:80']), { instanceOf: PortTakenError });
  await t.throwsAsync(p.change('c', ['127.0.0.3:8080:80']), { instanceOf: PortTakenError });
  await p.change('a', ['127.0.0.3:8080:80']);
  t.deepEqual(await p.keys(), {
    'ports/tcp/8080': [{ owner: 'services/a', address: '127.0.0.3' }, { owner: 'services/b', address: '127.0.0.2' }],
    'ports/udp/8080': [{ owner: 'services/b' }],
  });
  t.deepEqual(await p.change('c', ['127.0.0.1:8080:80']), ['127.0.0.1:8080:80']);
});

test('a port that is not named is chosen from 30000 on, free and not busy', async (t) => {
  const p = publishers(t);
  t.deepEqual(await p.change('a', ['80', '81', '30000:82']), ['30001:80', '30002:81', '30000:82']);
  t.deepEqual(await p.change('b', ['80', '80/udp'], new Set(['tcp/30003', 'udp/30001'])), ['30004:80', '30000:80/udp']);
  t.deepEqual(await p.change('c', ['127.0.0.1::80']), ['127.0.0.1:30003:80'], 'not one that is taken on another address');
});

test('an update changes exactly what changed, and keeps what was chosen', async (t) => {
  const p = publishers(t);
  await p.change('a', ['80', '8080:81', '9090:82']);
  const revisions = async (): Promise<Record<string, number>> => Object.fromEntries((await p.store.list('ports/')).entries.map(({ key, revision }) => [key, revision]));
  const before = await revisions();
  t.deepEqual(await p.change('a', ['9091:82', 'target=80,mode=host', '8080:83']), ['9091:82', 'published=30000,target=80,protocol=tcp,mode=host', '8080:83']);
  const after = await revisions();
  t.deepEqual(Object.keys(after), ['ports/tcp/30000', 'ports/tcp/8080', 'ports/tcp/9091']);
  t.is(after['ports/tcp/30000'], before['ports/tcp/30000']);
  t.is(after['ports/tcp/8080'], before['ports/tcp/8080']);
});

test('a chosen port that the user now names for another is chosen anew', async (t) => {
  const p = publishers(t);
  await p.change('a', ['80']);
  t.deepEqual(await p.change('a', ['80', '30000:81']), ['30001:80', '30000:81']);
});

test('from all addresses to one and back', async (t) => {
  const p = publishers(t);
  await p.change('a', ['8080:80']);
  await p.change('a', ['127.0.0.1:8080:80']);
  t.deepEqual(await p.keys(), { 'ports/tcp/8080': [{ owner: 'services/a', address: '127.0.0.1' }] });
  await p.change('a', ['8080:80']);
  t.deepEqual(await p.keys(), { 'ports/tcp/8080': [{ owner: 'services/a' }] });
});

test('a pool that is used up is named with its size', async (t) => {
  const p = publishers(t);
  const busy = new Set<string>();
  for (let port = DYNAMIC_FIRST; port <= DYNAMIC_LAST; port++) if (port !== 31000) busy.add(`tcp/${port}`);
  t.deepEqual(await p.change('a', ['80'], busy), ['31000:80']);
  const error = await t.throwsAsync(p.change('b', ['80'], busy), { instanceOf: AddressPoolError });
  t.regex(error?.message ?? '', /30000 to 32767 \(2768 ports\).*8080:80/);
  t.deepEqual(Object.keys(await p.keys()), ['ports/tcp/31000']);
});
