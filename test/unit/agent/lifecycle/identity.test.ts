import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { IdentityError, loadIdentity, namePrefix, newTag, parseIdentity, readIdentity } from '../../../../agent/lifecycle/identity.js';

function file(t: { teardown(fn: () => void): void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'vipmesh-identity-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return join(directory, 'node.json');
}

test('an identity is made once and kept', (t) => {
  const path = file(t);
  t.is(readIdentity(path), undefined);
  const identity = loadIdentity(path, 'host1', () => []);
  t.regex(identity.id, /^[0-9a-f]{12}$/);
  t.regex(identity.tag, /^[0-9a-f]{4}$/);
  t.is(namePrefix(identity), `vm${identity.tag}-`);
  t.deepEqual(loadIdentity(path, 'host1', () => []), identity);
  t.deepEqual(readdirSync(join(path, '..')), ['node.json'], 'no temporary file stays');
});

test('the name follows the host, id and tag stay', (t) => {
  const path = file(t);
  const before = loadIdentity(path, 'host1', () => []);
  const after = loadIdentity(path, 'renamed', () => [`vm${before.tag}-own`]);
  t.deepEqual(after, { ...before, name: 'renamed' });
  t.deepEqual(JSON.parse(readFileSync(path, 'utf8')), after);
});

test('a tag that is in use on the machine is not chosen', (t) => {
  const random = ['aaaa', 'bbbb', 'cccc'][Symbol.iterator]();
  t.is(newTag(['vmaaaa-vote', 'lo', 'vmbbbb'], () => random.next().value ?? t.fail()), 'cccc');
});

test('a damaged file is refused and left alone', (t) => {
  const path = file(t);
  writeFileSync(path, '{"id":"12');
  t.throws(() => loadIdentity(path, 'host1', () => []), { instanceOf: IdentityError, message: /restore it, or remove it/ });
  t.is(readFileSync(path, 'utf8'), '{"id":"12');
});

test('what is not an identity is not taken for one', (t) => {
  const good = { id: '0123456789ab', name: 'host1', tag: '1a2b' };
  t.deepEqual(parseIdentity(JSON.stringify(good)), good);
  for (const bad of [{ ...good, id: '0123' }, { ...good, tag: '../x' }, { ...good, name: '' }, { ...good, name: 1 }, [], null, 'x']) {
    t.is(parseIdentity(JSON.stringify(bad)), undefined);
  }
});
