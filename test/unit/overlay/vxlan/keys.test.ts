import test from 'ava';
import { association, associations, type FabricKeys, nextKeys, ROTATION_MS } from '../../../../overlay/vxlan/keys.js';

const T0 = Date.parse('2024-01-01T00:00:00Z');
let drawn = 0;
const draw = (): string => `secret ${++drawn}`;
const one: FabricKeys = { keys: [{ number: 1, secret: 'a' }], sending: 1, changedAt: new Date(T0).toISOString() };

test('a rotation: received first, then sent, then the old one goes; each when all have come along', (t) => {
  t.deepEqual(nextKeys(undefined, T0, { applied: false, draw }), { ...one, keys: [{ number: 1, secret: 'secret 1' }] });
  t.is(nextKeys(one, T0 + ROTATION_MS - 1, { applied: true, draw }), undefined);
  const both = nextKeys(one, T0 + ROTATION_MS, { applied: false, draw })!;
  t.deepEqual([both.keys.map(({ number }) => number), both.sending], [[1, 2], 1]);
  const at = T0 + ROTATION_MS;
  t.is(nextKeys(both, at + 4999, { applied: true, draw }), undefined, 'not before what is under way has come');
  t.is(nextKeys(both, at + 59_999, { applied: false, draw }), undefined, 'not before all have it');
  const patient = nextKeys(both, at + 60_000, { applied: false, draw })!;
  t.is(patient.sending, 2, 'but not for ever');
  const sent = nextKeys(both, at + 5000, { applied: true, draw })!;
  t.deepEqual([sent.keys.map(({ number }) => number), sent.sending], [[1, 2], 2]);
  t.is(nextKeys(sent, at + 9999, { applied: true, draw }), undefined);
  const done = nextKeys(sent, at + 10_000, { applied: true, draw })!;
  t.deepEqual([done.keys.map(({ number }) => number), done.sending], [[2], 2]);
  t.is(nextKeys(done, at + 10_000 + ROTATION_MS - 1, { applied: true, draw }), undefined);
  t.is(nextKeys(one, T0 + 60_000, { applied: true, draw, rotation: 60_000 })?.keys.length, 2, 'as often as is asked');
});

const [a, b, c] = ['a', 'b', 'c'].map((id, i) => ({ id, address: `192.168.9.${i + 1}`, nonce: `nonce ${id}` })) as [Party, Party, Party];
type Party = Parameters<typeof association>[1];
const key = { number: 1, secret: Buffer.alloc(32, 7).toString('base64') };

test('both ends make the same association, and no other pair, direction, key or session makes it', (t) => {
  const known = association(key, a, b);
  // HKDF by hand, from HMAC (RFC 5869 section 2), in another language.
  t.deepEqual(known, { source: '192.168.9.1', destination: '192.168.9.2', spi: 702455898, key: 'd9ded58c5eafef42d93304ed581196a133abcc781e8f316905fc05c7dc3443ec797e3078' });
  const others = [association(key, b, a), association(key, a, c), association({ ...key, number: 2 }, a, b), association({ ...key, secret: Buffer.alloc(32, 8).toString('base64') }, a, b), association(key, { ...a, nonce: 'other' }, b), association(key, a, { ...b, nonce: 'other' })];
  t.is(new Set([known, ...others].map((one) => one.key)).size, 7);
  t.is(new Set([known, ...others].map((one) => one.spi)).size, 7);
  for (const { spi, key: hex } of [known, ...others]) t.true(spi >= 256 && spi < 2 ** 32 && /^[0-9a-f]{72}$/.test(hex));
});

test('a node receives by every key and sends by one; what one sends by, the other has', (t) => {
  const keys: FabricKeys = { keys: [key, { number: 2, secret: Buffer.alloc(32, 9).toString('base64') }], sending: 2, changedAt: '' };
  const [ofA, ofB] = [associations(keys, a, [b, c]), associations(keys, b, [c, a])];
  t.is(ofA.all.length, 8);
  t.deepEqual(ofA.sending.map(({ destination }) => destination), [b.address, c.address]);
  const between = ({ all }: typeof ofA): string[] => all.filter(({ source, destination }) => ![source, destination].includes(c.address)).map((one) => JSON.stringify(one)).sort();
  t.deepEqual(between(ofA), between(ofB));
  t.true(between(ofB).includes(JSON.stringify(ofA.sending[0])));
});
