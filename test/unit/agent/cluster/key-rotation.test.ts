/** The leader writes the keys of encrypted networks; when a step may be taken is what all nodes have applied. */
import test from 'ava';
import { rotateKeys } from '../../../../agent/cluster/key-rotation.js';
import { Mirror } from '../../../../agent/reconcile/mirror.js';
import { aliveKey, appliedKey, sessionKey } from '../../../../overlay/store/keys.js';
import type { Store } from '../../../../overlay/store/store.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { pollUntil } from '../../../support/poll-until.js';
import { createNetwork } from '../../../../overlay/network/networks.js';
import { EPOCH, emptyStore, networkSpec, testContext } from '../../overlay/fixtures.js';

const HOUR = 3_600_000;

test('no keys without an encrypted network, none by who does not lead; each step waits for the nodes that are up', async (t) => {
  const [store, context, clock] = [emptyStore(t), testContext(), new FakeClock(EPOCH)];
  const following = new AbortController();
  const mirror: Mirror = new Mirror(store, clock, () => undefined, (error) => t.fail(String(error)));
  await mirror.start(following.signal);
  const leader: { store: Store | undefined } = { store };
  const told: string[] = [];
  const log = { info: (_: string, fields?: object) => void told.push(JSON.stringify(fields)), warn: (message: string) => t.fail(message) };
  const end = rotateKeys({ leader, mirror, clock, log, rotation: HOUR });
  t.teardown(() => {
    end();
    following.abort();
  });
  /** Time passes; whatever comes of it has come to the mirror. */
  const look = async (ms = 1000): Promise<void> => {
    clock.advance(ms);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    await mirror.caughtUp(store.committed);
  };
  const until = (what: string, isSo: () => boolean): Promise<boolean> => pollUntil(what, async () => (await look(), isSo()));
  const shown = (): string => `${mirror.keys?.value.keys.map(({ number }) => number).join('+')} by ${mirror.keys?.value.sending}`;

  await store.commit([], ['a', 'b', 'c'].map((id) => ({ put: aliveKey(id), value: { since: '' } })));
  await store.commit([], ['a', 'b'].map((id) => ({ put: sessionKey(id), value: { nonce: id } })));
  await createNetwork(store, networkSpec('plain'), context);
  await look();
  t.is(mirror.keys, undefined);
  leader.store = undefined;
  await createNetwork(store, networkSpec('secret', { encrypted: true }), context);
  await look();
  t.is(mirror.keys, undefined);
  leader.store = store;
  await until('there is a key', () => mirror.keys !== undefined);
  t.is(shown(), '1 by 1');
  t.is(Buffer.from(mirror.keys!.value.keys[0]!.secret, 'base64').length, 32);

  // Who follows note what they receive by; c takes no part, since it cannot encrypt.
  const note = (...ids: string[]): Promise<unknown> => store.commit([], ids.map((id) => ({ put: appliedKey(id), value: { revision: 0, keys: mirror.keys!.revision } })));
  await note('a', 'b');
  await look(HOUR);
  await until('the next one is received', () => shown() === '1+2 by 1');
  await store.commit([], [{ put: appliedKey('b'), value: { revision: mirror.keys!.revision, keys: mirror.keys!.revision - 1 } }]);
  await note('a');
  for (let i = 0; i < 10; i++) await look();
  t.is(shown(), '1+2 by 1', 'b has not come along, whatever it has seen of tasks');
  await note('b');
  await until('it is sent by', () => shown() === '1+2 by 2');
  await note('a', 'b');
  const before = clock.wall();
  await until('the old one is gone', () => shown() === '2 by 2');
  t.true(clock.wall() - before < 20_000, 'nobody was waited for');

  await look(HOUR);
  await until('the one after is received', () => shown() === '2+3 by 2');
  await look(60_000);
  await until('it is sent by, though nobody has come along', () => shown() === '2+3 by 3');
  const step = (received: string, sent: number): string => JSON.stringify({ received, sent });
  t.deepEqual(told, [step('1', 1), step('1 and 2', 1), step('1 and 2', 2), step('2', 2), step('2 and 3', 2), step('2 and 3', 3)]);
});
