/** Who waits for the mirror is let go: by the revision, and when nothing is followed any more. */
import test from 'ava';
import { Mirror } from '../../../../agent/reconcile/mirror.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { emptyStore } from '../../overlay/fixtures.js';

test('an agent that stops lets go who waits for a revision that will not be seen', async (t) => {
  const store = emptyStore(t);
  const following = new AbortController();
  const mirror = new Mirror(store, new FakeClock(), () => undefined, (error) => t.fail(String(error)));
  await mirror.start(following.signal);
  const { revision } = await store.list('');
  await mirror.caughtUp(revision);

  let letGo = false;
  const waiting = mirror.caughtUp(revision + 1).then(() => (letGo = true));
  await Promise.resolve();
  t.false(letGo);
  following.abort();
  await waiting;
  await mirror.caughtUp(revision + 2);
  t.true(letGo);
});
