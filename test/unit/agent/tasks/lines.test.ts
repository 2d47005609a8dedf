import test from 'ava';
import fc from 'fast-check';
import { LineSplitter } from '../../../../agent/tasks/lines.js';

test('lines come out the same however the bytes are cut', (t) => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => text.replaceAll('\n', '')), { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      const splitter = new LineSplitter();
      const got: string[] = [];
      for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
        const length = cuts[turn % cuts.length] ?? 1;
        got.push(...splitter.push(bytes.subarray(offset, offset + length)));
        offset += length;
      }
      t.deepEqual(got, lines);
      t.deepEqual(splitter.flush(), []);
    }),
  );
});

test('an unfinished line comes with flush, once', (t) => {
  const splitter = new LineSplitter();
  t.deepEqual(splitter.push(Buffer.from('one\ntw')), ['one']);
  t.deepEqual(splitter.push(Buffer.from('o')), []);
  t.deepEqual(splitter.flush(), ['two']);
  t.deepEqual(splitter.flush(), []);
});

test('a long line comes in pieces, which no character is cut by', (t) => {
  const splitter = new LineSplitter(10);
  t.deepEqual(splitter.push(Buffer.from('0123456789\n')), ['0123456789'], 'exactly the limit is one line');
  t.deepEqual(splitter.push(Buffer.from('01234567€89abcdefghij\n')), ['01234567', '€89abcde', 'fghij']);
  t.deepEqual(splitter.push(Buffer.alloc(25, 'x')), ['xxxxxxxxxx', 'xxxxxxxxxx']);
  t.deepEqual(splitter.flush(), ['xxxxx']);
});

test('bytes that are no UTF-8 do not stop it', (t) => {
  const splitter = new LineSplitter(4);
  const pieces = [...splitter.push(Buffer.alloc(10, 0x80)), ...splitter.flush()];
  t.is(pieces.join('').length, 10);
});

test('the caller may use its buffer again', (t) => {
  const splitter = new LineSplitter();
  const buffer = Buffer.from('ab');
  splitter.push(buffer);
  buffer.fill('z');
  t.deepEqual(splitter.push(Buffer.from('c\n')), ['abc']);
});
