import test from 'ava';
import { ContentionError } from '../../../../overlay/model/errors.js';
import type { Store } from '../../../../overlay/store/store.js';
import { transact } from '../../../../overlay/store/transaction.js';
import { dump, emptyStore } from '../fixtures.js';

/** Another handle on the same store, as another process would have: it does not share the queue of this one. */
function anotherHandle(store: Store): Store {
  return {
    committed: 0,
    contact: { reachable: true, since: 0 },
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    commit: (compares, writes) => store.commit(compares, writes),
    watch: (prefix, revision, signal) => store.watch(prefix, revision, signal),
    lease: (seconds) => store.lease(seconds),
    close: () => store.close(),
  };
}

test('writes are seen by the transaction at once, and by others at the commit', async (t) => {
  const store = emptyStore(t);
  const answer = await transact(store, async (transaction) => {
    transaction.create('a', 1);
    transaction.put('b', 2);
    transaction.put('c', 3);
    transaction.delete('c');
    t.is(await store.get('a'), undefined);
    return [await transaction.get('a'), await transaction.peek('b'), await transaction.get('c'), await transaction.peek('d')];
  });
  t.deepEqual(answer, [1, 2, undefined, undefined]);
  t.is(await dump(store), 'a 1\nb 2');
});

test('an error in the body writes nothing and is passed on', async (t) => {
  const store = emptyStore(t);
  const failure = new Error('no');
  const error = await t.throwsAsync(transact(store, (transaction) => {
    transaction.put('a', 1);
    return Promise.reject(failure);
  }));
  t.is(error, failure);
  t.is(await dump(store), '');
  t.is(await transact(store, async (transaction) => (await transaction.peek('a')) ?? 'free'), 'free', 'the next one is not held up');
});

test('what was read and then changed runs the body again', async (t) => {
  const store = emptyStore(t);
  await store.commit([], [{ put: 'n', value: 1 }]);
  let runs = 0;
  await transact(store, async (transaction) => {
    const n = (await transaction.get<number>('n')) ?? 0;
    if (++runs === 1) await store.commit([], [{ put: 'n', value: 10 }]);
    transaction.put('n', n + 1);
  });
  t.is(runs, 2);
  t.is((await store.get('n'))?.value, 11);
});

test('a key that was absent and then made runs the body again; what was only peeked at does not', async (t) => {
  const store = emptyStore(t);
  let runs = 0;
  await transact(store, async (transaction) => {
    const free = (await transaction.peek('a')) === undefined ? 'a' : 'b';
    if (++runs === 1) await store.commit([], [{ put: 'a', value: 'other' }]);
    transaction.create(free, 'mine');
  });
  t.is(await dump(store), 'a "other"\nb "mine"');
  runs = 0;
  await transact(store, async (transaction) => {
    await transaction.peek('a');
    if (++runs === 1) await store.commit([], [{ put: 'a', value: 'again' }]);
    transaction.put('c', 1);
  });
  t.is(runs, 1);
});

test('a key that changes between two reads of one transaction runs the body again', async (t) => {
  const store = emptyStore(t);
  await store.commit([], [{ put: 'n', value: 1 }]);
  let runs = 0;
  const read = await transact(store, async (transaction) => {
    const first = await transaction.get('n');
    if (++runs === 1) await store.commit([], [{ put: 'n', value: 2 }]);
    return [first, await transaction.get('n')];
  });
  t.deepEqual([runs, read], [2, [2, 2]]);
});

test('a body that never gets through ends with a ContentionError', async (t) => {
  const store = emptyStore(t);
  let other = 0;
  await t.throwsAsync(
    transact(store, async (transaction) => {
      await transaction.get('n');
      await store.commit([], [{ put: 'n', value: ++other }]);
      transaction.put('mine', 1);
    }),
    { instanceOf: ContentionError },
  );
  t.is(await store.get('mine'), undefined);
});

test('a key is created once', async (t) => {
  await t.throwsAsync(
    transact(emptyStore(t), (transaction) => {
      transaction.create('a', 1);
      transaction.create('a', 2);
      return Promise.resolve();
    }),
    { instanceOf: TypeError },
  );
});

test('transactions of several writers lose nothing', async (t) => {
  const store = emptyStore(t);
  const increment = (handle: Store): Promise<void> =>
    transact(handle, async (transaction) => {
      transaction.put('n', ((await transaction.get<number>('n')) ?? 0) + 1);
    });
  const handles = [store, anotherHandle(store), anotherHandle(store), anotherHandle(store)];
  await Promise.all(handles.flatMap((handle) => Array.from({ length: 25 }, () => increment(handle))));
  t.is((await store.get('n'))?.value, 100);
});
