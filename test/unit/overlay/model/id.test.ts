import test from 'ava';
import { isId, newId } from '../../../../overlay/model/id.js';

test('ids are 12 hexadecimal digits, never a number, and differ', (t) => {
  const ids = Array.from({ length: 2000 }, newId);
  for (const id of ids) t.regex(id, /^(?=.*[a-f])[0-9a-f]{12}$/);
  t.is(new Set(ids).size, ids.length);
});

test('what is an id', (t) => {
  t.true(isId('0123456789ab'));
  for (const text of ['0123456789a', '0123456789abc', '0123456789AB', '0123456789ag', '']) t.false(isId(text));
});
