/**
 * What every Store must do (overlay/store/store.ts). An implementation's own test file calls this with a way to open one;
 * what only it promises (durability, its errors) it tests itself.
 */
import type { ExecutionContext, SerialFn, TestFn } from 'ava';
import type { Store, WatchEvent } from '../../overlay/store/store.js';
import { CompactedError, StoreError } from '../../overlay/store/store.js';
import { skipWithout, type Need } from '../support/capability.js';

export interface StoreUnderTest {
  /** Opens the store that remembers `history` transactions; a second call, after a close, opens the same one again. */
  open(history?: number): Promise<Store>;
  remove(): Promise<void>;
  /** Has the store remember the last `kept` transactions alone, of which `newest` is the last, if `open` did not already see to it. */
  forget?(kept: number, newest: number): Promise<void>;
}

const values = (entries: readonly { key: string; value: unknown }[]): unknown[] => entries.map(({ key, value }) => [key, value]);

/** The first `count` transactions of a watch. */
async function take(watch: AsyncIterable<readonly WatchEvent[]>, count: number): Promise<(readonly WatchEvent[])[]> {
  const taken: (readonly WatchEvent[])[] = [];
  for await (const events of watch) {
    taken.push(events);
    if (taken.length === count) break;
  }
  return taken;
}

export function storeContract(test: TestFn | SerialFn, name: string, make: () => Promise<StoreUnderTest>, ...needs: Need[]): void {
  const contract = (title: string, body: (t: ExecutionContext, store: Store, under: StoreUnderTest) => Promise<void>): void => {
    test(`${name}: ${title}`, async (t) => {
      if (skipWithout(t, ...needs)) return;
      const under = await make();
      try {
        const store = await under.open();
        try {
          await body(t, store, under);
        } finally {
          await store.close();
        }
      } finally {
        await under.remove();
      }
    });
  };

  contract('a key that was never written is absent', async (t, store) => {
    t.is(await store.get('a'), undefined);
    t.deepEqual((await store.list('')).entries, []);
  });

  contract('what is put is got back as JSON, with its revision', async (t, store) => {
    const value = { text: 'ü "quoted" \n', list: [1, null, true, { deep: -1.5 }], left: undefined };
    const revision = await store.commit([], [{ put: 'a/b', value }]);
    t.deepEqual(await store.get('a/b'), { key: 'a/b', value: { text: value.text, list: value.list }, revision: revision ?? -1 });
    value.list.push(2);
    t.is((await store.get<typeof value>('a/b'))?.value.list.length, 4, 'the store has a copy of its own');
  });

  contract('revisions grow by one for every transaction, whatever it writes', async (t, store) => {
    const first = (await store.commit([], [{ put: 'a', value: 1 }])) ?? NaN;
    t.is(await store.commit([], [{ put: 'b', value: 1 }, { put: 'c', value: 1 }]), first + 1);
    t.is(await store.commit([], [{ delete: 'a' }, { put: 'b', value: 2 }]), first + 2);
    t.is((await store.list('')).revision, first + 2);
    t.is((await store.get('c'))?.revision, first + 1, 'a key keeps the revision of its own last write');
  });

  contract('what was committed here last is what changed something, and a store that others write too does not count them', async (t, store) => {
    const before = store.committed;
    await store.commit([], [{ delete: 'absent' }]);
    await store.commit([{ key: 'absent', revision: 7 }], [{ put: 'a', value: 1 }]);
    t.is(store.committed, before);
    const revision = await store.commit([], [{ put: 'a', value: 1 }]);
    t.is(revision, store.committed);
    const deleted = await store.commit([], [{ delete: 'a' }]);
    t.is(deleted, store.committed);
    t.like(store.contact, { reachable: true });
  });

  contract('a list may be of many megabytes', async (t, store) => {
    const value = 'x'.repeat(1_000_000);
    for (let i = 0; i < 6; i++) await store.commit([], [{ put: `large/${i}`, value }]);
    const { entries } = await store.list<string>('large/');
    t.deepEqual(entries.map((entry) => entry.value.length), Array<number>(6).fill(value.length));
  });

  contract('a transaction that changes nothing has no revision of its own', async (t, store) => {
    const revision = await store.commit([], [{ put: 'a', value: 1 }]);
    t.is(await store.commit([], []), revision);
    t.is(await store.commit([], [{ delete: 'never' }]), revision);
    t.is((await store.list('')).revision, revision ?? -1);
  });

  contract('compare: revision 0 is create-if-absent', async (t, store) => {
    t.not(await store.commit([{ key: 'a', revision: 0 }], [{ put: 'a', value: 1 }]), undefined);
    t.is(await store.commit([{ key: 'a', revision: 0 }], [{ put: 'a', value: 2 }]), undefined);
    t.is((await store.get('a'))?.value, 1);
    await store.commit([], [{ delete: 'a' }]);
    t.not(await store.commit([{ key: 'a', revision: 0 }], [{ put: 'a', value: 3 }]), undefined, 'a deleted key is absent');
  });

  contract('compare: a revision holds until the key is written again', async (t, store) => {
    const first = (await store.commit([], [{ put: 'a', value: 1 }])) ?? NaN;
    const second = (await store.commit([{ key: 'a', revision: first }], [{ put: 'a', value: 2 }])) ?? NaN;
    t.is(await store.commit([{ key: 'a', revision: first }], [{ put: 'a', value: 3 }]), undefined);
    t.is(await store.commit([{ key: 'a', revision: second + 1 }], [{ put: 'a', value: 3 }]), undefined);
    await store.commit([], [{ delete: 'a' }]);
    t.is(await store.commit([{ key: 'a', revision: second }], [{ put: 'a', value: 3 }]), undefined, 'a deleted key has no revision');
    t.is(await store.get('a'), undefined);
  });

  contract('a compare that fails leaves everything as it was', async (t, store) => {
    const revision = await store.commit([], [{ put: 'a', value: 1 }, { put: 'b', value: 1 }]);
    const compares = [{ key: 'a', revision: revision ?? -1 }, { key: 'b', revision: 0 }];
    t.is(await store.commit(compares, [{ put: 'a', value: 2 }, { put: 'c', value: 2 }, { delete: 'b' }]), undefined);
    t.deepEqual(values((await store.list('')).entries), [['a', 1], ['b', 1]]);
    t.is((await store.list('')).revision, revision ?? -1);
  });

  contract('of concurrent creations of a key exactly one wins', async (t, store) => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => store.commit([{ key: 'a', revision: 0 }], [{ put: 'a', value: i }, { put: `by/${i}`, value: i }])));
    t.is(answers.filter((answer) => answer !== undefined).length, 1);
    t.is((await store.list('by/')).entries.length, 1);
    t.is((await store.list('by/')).entries[0]?.value, (await store.get('a'))?.value);
  });

  contract('concurrent increments by compare lose nothing', async (t, store) => {
    const increment = async (): Promise<void> => {
      for (;;) {
        const entry = await store.get<number>('n');
        if ((await store.commit([{ key: 'n', revision: entry?.revision ?? 0 }], [{ put: 'n', value: (entry?.value ?? 0) + 1 }])) !== undefined) return;
      }
    };
    await Promise.all(Array.from({ length: 20 }, increment));
    t.is((await store.get('n'))?.value, 20);
  });

  contract('readers never see half a transaction', async (t, store) => {
    let done = false;
    const writing = (async () => {
      for (let i = 0; i < 100; i++) await store.commit([], Array.from({ length: 5 }, (_, k) => ({ put: `pair/${k}`, value: i })));
      done = true;
    })();
    let reads = 0;
    while (!done) {
      const { entries } = await store.list<number>('pair/');
      t.is(new Set(entries.map(({ value }) => value)).size <= 1, true);
      reads += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await writing;
    t.true(reads > 1);
  });

  contract('a list is ordered by bytes and holds its prefix alone', async (t, store) => {
    const keys = ['a', 'a/', 'a/1', 'a/10', 'a/2', 'a/Z', 'a/_', 'a/z', 'a/é', 'a/\u{1f600}', 'a0', 'b'];
    await store.commit([], [...keys].reverse().map((key) => ({ put: key, value: null })));
    const byBytes = [...keys].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
    t.deepEqual((await store.list('')).entries.map(({ key }) => key), byBytes);
    t.deepEqual((await store.list('a/')).entries.map(({ key }) => key), byBytes.filter((key) => key.startsWith('a/')));
    t.deepEqual((await store.list('c')).entries, []);
  });

  contract('a key is written once per transaction, with a value that is JSON', async (t, store) => {
    await t.throwsAsync(store.commit([], [{ put: 'a', value: 1 }, { delete: 'a' }]), { instanceOf: TypeError });
    await t.throwsAsync(store.commit([], [{ put: 'b', value: 1 }, { put: 'a', value: undefined }]), { instanceOf: TypeError });
    await t.throwsAsync(store.commit([], [{ put: 'b', value: 1 }, { put: '', value: 1 }]), { instanceOf: TypeError });
    t.deepEqual((await store.list('')).entries, []);
  });

  contract('a watch gives each transaction as one array, in order, of its prefix', async (t, store) => {
    const { revision } = await store.list('');
    const watching = take(store.watch('a/', revision, new AbortController().signal), 3);
    await store.commit([], [{ put: 'a/1', value: 1 }, { put: 'b', value: 1 }, { put: 'a/2', value: 2 }]);
    await store.commit([], [{ put: 'b', value: 2 }]);
    await store.commit([], [{ put: 'a/1', value: { x: 1 } }]);
    await store.commit([], [{ delete: 'a/2' }, { delete: 'a/never' }]);
    t.deepEqual(await watching, [
      [
        { type: 'put', entry: { key: 'a/1', value: 1, revision: revision + 1 } },
        { type: 'put', entry: { key: 'a/2', value: 2, revision: revision + 1 } },
      ],
      [{ type: 'put', entry: { key: 'a/1', value: { x: 1 }, revision: revision + 3 } }],
      [{ type: 'delete', key: 'a/2', revision: revision + 4 }],
    ]);
  });

  contract('a watch begins after the revision it was given, past or present', async (t, store) => {
    const revisions: number[] = [];
    for (let i = 0; i < 5; i++) revisions.push((await store.commit([], [{ put: 'a', value: i }])) ?? NaN);
    const past = await take(store.watch('', revisions[1] ?? NaN, new AbortController().signal), 3);
    t.deepEqual(past.flat().map((event) => event.type === 'put' && event.entry.value), [2, 3, 4]);
    const present = take(store.watch('', revisions[4] ?? NaN, new AbortController().signal), 1);
    await store.commit([], [{ put: 'a', value: 5 }]);
    t.deepEqual((await present).flat().map((event) => event.type === 'put' && event.entry.value), [5]);
  });

  contract('a watch sees concurrent commits in the order of their revisions', async (t, store) => {
    const { revision } = await store.list('');
    const watching = take(store.watch('', revision, new AbortController().signal), 100);
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.commit([], [{ put: `k${i % 7}`, value: i }])));
    const seen = (await watching).map((events) => (events[0]?.type === 'put' ? events[0].entry.revision : NaN));
    t.deepEqual(seen, Array.from({ length: 100 }, (_, i) => revision + 1 + i));
  });

  contract('a watch from before what is remembered is a CompactedError', async (t, first, under) => {
    await first.close();
    const store = await under.open(10);
    const { revision } = await store.list('');
    for (let i = 0; i < 50; i++) await store.commit([], [{ put: 'a', value: i }]);
    await under.forget?.(10, revision + 50);
    await t.throwsAsync(take(store.watch('', revision, new AbortController().signal), 1), { instanceOf: CompactedError });
    const recent = await take(store.watch('', revision + 40, new AbortController().signal), 10);
    t.is(recent.length, 10, 'the last ten are remembered');
    await store.close();
  });

  contract('an abort ends a watch, waiting or not yet begun', async (t, store) => {
    const abort = new AbortController();
    const { revision } = await store.list('');
    const waiting = take(store.watch('', revision, abort.signal), 1);
    abort.abort();
    t.deepEqual(await waiting, []);
    await store.commit([], [{ put: 'a', value: 1 }]);
    t.deepEqual(await take(store.watch('', revision, abort.signal), 1), []);
  });

  contract('close ends every watch and is idempotent; a closed store says so', async (t, store) => {
    const { revision } = await store.list('');
    const watches = Promise.all([take(store.watch('a', revision, new AbortController().signal), 9), take(store.watch('', revision, new AbortController().signal), 9)]);
    const committing = store.commit([], [{ put: 'a', value: 1 }]);
    await Promise.all([store.close(), store.close()]);
    await store.close();
    t.is(typeof (await committing), 'number', 'a commit under way is finished');
    t.deepEqual((await watches).map((seen) => seen.length), [1, 1], 'events before the close are delivered');
    await t.throwsAsync(store.get('a'), { instanceOf: StoreError });
    await t.throwsAsync(store.list(''), { instanceOf: StoreError });
    await t.throwsAsync(store.commit([], []), { instanceOf: StoreError });
  });

  contract('what was committed is there after opening again, and revisions go on', async (t, store, under) => {
    const revision = (await store.commit([], [{ put: 'a', value: 1 }, { put: 'b', value: 2 }])) ?? NaN;
    await store.close();
    const again = await under.open();
    t.deepEqual(values((await again.list('')).entries), [['a', 1], ['b', 2]]);
    t.is((await again.get('a'))?.revision, revision);
    t.is(await again.commit([{ key: 'a', revision }], [{ delete: 'a' }]), revision + 1);
    await again.close();
  });

  contract('keys of a lease go with it, in one transaction, and others stay', async (t, store) => {
    const [lease, other] = [await store.lease(60), await store.lease(60)];
    t.not(lease.id, other.id);
    await store.commit([], [{ put: 'a', value: 1, lease }, { put: 'b', value: 1, lease }, { put: 'c', value: 1 }, { put: 'd', value: 1, lease: other }]);
    await store.commit([], [{ put: 'b', value: 2 }]);
    await store.commit([], [{ put: 'c', value: 2, lease }]);
    const { revision } = await store.list('');
    const watching = take(store.watch('', revision, new AbortController().signal), 1);
    await Promise.all([lease.release(), lease.release()]);
    await lease.release();
    t.deepEqual((await watching).flat().map((event) => event.type === 'delete' && event.key).sort(), ['a', 'c']);
    t.deepEqual(values((await store.list('')).entries), [['b', 2], ['d', 1]]);
    t.false(lease.lost.aborted, 'it was not lost');
    await other.release();
    t.deepEqual(values((await store.list('')).entries), [['b', 2]]);
  });
}
