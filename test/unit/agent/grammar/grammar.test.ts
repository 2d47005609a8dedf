import test from 'ava';
import fc from 'fast-check';
import { parseAttachment, parseLabels, parsePairs, withAliases } from '../../../../agent/grammar/attachments.js';
import { closest, didYouMean, editDistance } from '../../../../agent/grammar/closest.js';
import { shellWords } from '../../../../agent/grammar/words.js';
import { ValidationError } from '../../../../overlay/model/errors.js';

test('words are split as a shell splits them', (t) => {
  const cases: [string, string[]][] = [
    ['', []],
    ['  a  b\t c\n', ['a', 'b', 'c']],
    [`sh -c 'echo "$x" \\n'`, ['sh', '-c', 'echo "$x" \\n']],
    [`a"b c"'d e'f`, ['ab cd ef']],
    [`"a\\"b\\\\c\\d\\$"`, ['a"b\\c\\d$']],
    [`a\\ b ''`, ['a b', '']],
    ['a \\\n b', ['a', 'b']],
  ];
  for (const [text, words] of cases) t.deepEqual(shellWords(text), words, text);
  for (const bad of [`'a`, `"a`, `a\\`]) t.throws(() => shellWords(bad), { instanceOf: ValidationError }, bad);
});

test('any words survive single quotes', (t) => {
  fc.assert(
    fc.property(fc.array(fc.string()), (words) => {
      const text = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
      return JSON.stringify(shellWords(text)) === JSON.stringify(words);
    }),
  );
  t.pass();
});

test('the closest word', (t) => {
  t.is(editDistance('comand', 'command'), 1);
  t.is(editDistance('ab', 'ba'), 1);
  t.is(editDistance('', 'abc'), 3);
  t.is(closest('comand', ['environment', 'command']), 'command');
  t.is(closest('prots', ['ports', 'networks']), 'ports');
  t.is(closest('zzz', ['ports']), undefined);
  t.is(didYouMean('x', ['ports']), '');
  t.is(didYouMean('Ports', ['ports']), " (did you mean 'ports'?)");
});

test('pairs and labels', (t) => {
  t.deepEqual(parsePairs(['A=1', 'B=x=y', 'C=', 'HOME', 'UNSET'], { HOME: '/root' }), { A: '1', B: 'x=y', C: '', HOME: '/root' });
  t.throws(() => parsePairs(['=x']), { instanceOf: ValidationError });
  t.deepEqual(parseLabels(['a', 'b=c']), { a: '', b: 'c' });
});

test('attachments', (t) => {
  t.deepEqual(parseAttachment('overlay1'), { network: 'overlay1', aliases: [] });
  t.deepEqual(parseAttachment('name=overlay1,alias=web,alias=www'), { network: 'overlay1', aliases: ['web', 'www'] });
  for (const bad of ['', 'alias=web', 'name=', 'name=x,ip=1']) t.throws(() => parseAttachment(bad), { instanceOf: ValidationError }, bad);
  t.deepEqual(withAliases([{ network: 'n', aliases: ['a'] }], ['a', 'b']), [{ network: 'n', aliases: ['a', 'b'] }]);
});
