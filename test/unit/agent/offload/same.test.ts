import test from 'ava';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { sameData } from '../../../../agent/offload/same.js';

test('as node:util has it, for plain data', (t) => {
  const data = fc.letrec((tie) => ({
    value: fc.oneof(fc.constantFrom(undefined, null, 0, 1, '', 'a', true, Number.NaN), fc.array(tie('value'), { maxLength: 3 }), fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { noNullPrototype: true, maxKeys: 3 })),
  })).value;
  fc.assert(fc.property(data, data, (a, b) => {
    t.is(sameData(a, b), isDeepStrictEqual(a, b));
    t.true(sameData(a, structuredClone(a)));
  }), { numRuns: 1000 });
  t.false(sameData({ a: undefined }, { b: undefined }));
  t.false(sameData([], {}));
});
