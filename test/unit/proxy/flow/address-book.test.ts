import test from 'ava';
import fc from 'fast-check';
import { AddressBook, AddressReader } from '../../../../proxy/flow/address-book.js';
import { type Ipv6, parseIpv6 } from '../../../../proxy/net/addr6.js';

const HASH_KEY = [11, -22] as const;

function bookOf(capacity: number): { book: AddressBook; reader: AddressReader } {
  const buffer = AddressBook.allocate(capacity);
  return { book: new AddressBook(buffer, { hashKey: HASH_KEY }), reader: new AddressReader(buffer) };
}

/** An address from a small number; some differ in the last word only, some in the first only. */
const addressOf = (n: number): Ipv6 => (n % 2 === 0 ? [0xfd000000 | 0, 0, 0, n] : [n << 16, -1, 1 << 31, 1]);

test('against a Map: any sequence of intern, retain, release and find', (t) => {
  const command = fc.tuple(fc.constantFrom('intern', 'intern', 'retain', 'release', 'release', 'find'), fc.integer({ min: 1, max: 40 }));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 30 }), fc.array(command, { maxLength: 400 }), (capacity, commands) => {
      const { book, reader } = bookOf(capacity);
      const model = new Map<number, { handle: number; references: number }>();
      for (const [verb, n] of commands) {
        const address = addressOf(n);
        const known = model.get(n);
        t.is(book.find(...address), known?.handle ?? 0);
        if (verb === 'intern') {
          const handle = book.intern(...address);
          t.is(handle === 0, known === undefined && model.size === capacity);
          if (known) {
            t.is(handle, known.handle);
            known.references += 1;
          } else if (handle !== 0) {
            model.set(n, { handle, references: 1 });
          }
        } else if (known && verb === 'retain') {
          book.retain(known.handle);
          known.references += 1;
        } else if (known && verb === 'release') {
          book.release(known.handle);
          known.references -= 1;
          if (known.references === 0) model.delete(n);
        }
        t.is(book.size, model.size);
      }
      t.is(new Set([...model.values()].map(({ handle }) => handle)).size, model.size, 'each address has a handle of its own');
      for (const [n, { handle }] of model) {
        t.true(handle >= 1 && handle <= capacity);
        t.deepEqual([0, 1, 2, 3].map((i) => book.word(handle, i)), [...addressOf(n)]);
        t.deepEqual(reader.read(handle), addressOf(n));
        t.is(reader.generation(handle) & 1, 0);
      }
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('what is asked of an address: words, sum, fold, and a key that outlives the handle', (t) => {
  const { book } = bookOf(8);
  const handle = book.intern(...parseIpv6('2001:db8:ffff:ffff:8000:1:2:fffe'));
  // 2001 + 0db8 + ffff + ffff + 8000 + 0001 + 0002 + fffe = 3 adb8, folded adbb
  t.is(book.sum(handle), 0xadbb);
  t.is(book.fold(handle), 0x20010db8 ^ 0xffffffff ^ 0x80000001 ^ 0x0002fffe);
  t.deepEqual([0, 1, 2, 3].map((i) => book.word(handle, i)), [0x20010db8, -1, 0x80000001 | 0, 0x0002fffe]);
  const key = book.key(handle);
  book.release(handle);
  t.is(book.intern(...parseIpv6('::1')), handle, 'the handle stands for another address now');
  t.not(book.key(handle), key);
  t.is(book.key(book.intern(...parseIpv6('2001:db8:ffff:ffff:8000:1:2:fffe'))), key);
});

test('the unspecified address is an address like any other', (t) => {
  const { book } = bookOf(2);
  t.is(book.find(0, 0, 0, 0), 0);
  const handle = book.intern(0, 0, 0, 0);
  t.is(book.find(0, 0, 0, 0), handle);
  t.is(book.sum(handle), 0);
});

test('a handle that nobody holds cannot be retained nor released', (t) => {
  const { book } = bookOf(2);
  const handle = book.intern(1, 2, 3, 4);
  book.release(handle);
  t.throws(() => book.release(handle), { message: /handle 1 is released/ });
  t.throws(() => book.retain(handle), { message: /handle 1 is retained/ });
  t.is(book.size, 0);
});

test('sizes that cannot be are refused by name', (t) => {
  for (const size of [0, -1, 1.5, 2 ** 24 + 1]) t.throws(() => AddressBook.allocate(size), { instanceOf: RangeError, message: /address book of/ });
  t.is(bookOf(1).book.capacity, 1);
});

test('the generation is odd where there is no address, and another one for each', (t) => {
  const { book, reader } = bookOf(2);
  const handle = book.intern(1, 2, 3, 4);
  const first = reader.generation(handle);
  book.release(handle);
  t.is(reader.generation(handle) & 1, 1);
  t.is(book.intern(5, 6, 7, 8), handle);
  t.is(reader.generation(handle) & 1, 0);
  t.not(reader.generation(handle), first);
  for (const wrong of [0, -1, 3, 1 << 30]) t.is(reader.generation(wrong) & 1, 1);
});

test('full, and changed a million times: every address is found, and none is harder to find than in a new book', (t) => {
  const CAPACITY = 4096;
  const { book } = bookOf(CAPACITY);
  const held: Ipv6[] = [];
  let next = 1;
  const add = (): void => {
    const address: Ipv6 = [0xfd000000 | 0, 0, 0, next++];
    if (book.intern(...address) === 0) t.fail('full too early');
    held.push(address);
  };
  while (held.length < CAPACITY) add();
  t.is(book.intern(1, 1, 1, 1), 0);
  for (let change = 0; change < 1_000_000; change++) {
    const at = (change * 2_654_435) % CAPACITY;
    const gone = held[at]!;
    book.release(book.find(...gone));
    held[at] = held[CAPACITY - 1]!;
    held.pop();
    add();
    if (change % 50_000 === 0) t.is(book.find(...gone), 0);
  }
  t.is(book.size, CAPACITY);

  const fresh = bookOf(CAPACITY).book;
  for (const address of held) fresh.intern(...address);
  for (const address of held) t.true(book.find(...address) !== 0);
  t.is(book.passed, fresh.passed);
});
