import test from 'ava';
import fc from 'fast-check';
import { interpolate, InterpolationError } from '../../../../agent/compose/interpolate.js';

const VARIABLES = { A: 'a', EMPTY: '', N_1: 'n' };
const fill = (text: string): string => interpolate(text, VARIABLES, () => undefined);

test('every form', (t) => {
  const cases: [string, string][] = [
    ['$A-${A}', 'a-a'], ['$N_1x', ''], ['${N_1}x', 'nx'], ['$$A $$$$', '$A $$'], ['plain', 'plain'],
    ['${A:-d}', 'a'], ['${A-d}', 'a'], ['${EMPTY:-d}', 'd'], ['${EMPTY-d}', ''], ['${NO:-d}', 'd'], ['${NO-}', ''],
    ['${A:+x}', 'x'], ['${EMPTY:+x}', ''], ['${EMPTY+x}', 'x'], ['${NO+x}', ''],
    ['${A:?e}', 'a'], ['${EMPTY?e}', ''], ['${NO:-${EMPTY:-${A}}}', 'a'], ['${NO:-a}b}', 'ab}'],
  ];
  for (const [text, value] of cases) t.is(fill(text), value, text);
});

test('what is required, and what makes no sense', (t) => {
  const cases: [string, string][] = [
    ['${NO?}', 'variable NO is required: set it in the environment'],
    ['${EMPTY:?set it to $A}', 'variable EMPTY is required: set it to a'],
    ['${A', "'${' without '}' in '${A'"],
    ['${}', "'${}' is not a variable: write ${NAME} or ${NAME:-default}, and $$ for a dollar sign"],
    ['${A!x}', "'${A!x}' is not a variable: write ${NAME} or ${NAME:-default}, and $$ for a dollar sign"],
    ['a $5', "'$5' is not a variable: write $$ for a dollar sign"],
    ['$', "'$' is not a variable: write $$ for a dollar sign"],
  ];
  for (const [text, message] of cases) t.throws(() => fill(text), { instanceOf: InterpolationError, message }, text);
});

test('variables that are not set are told', (t) => {
  const unset: string[] = [];
  interpolate('$A $NO ${NO2} ${NO3:-x} ${NO4+x}', VARIABLES, (name) => unset.push(name));
  t.deepEqual(unset, ['NO', 'NO2']);
});

test('text without a dollar sign is left alone, and doubling it is the way to write one', (t) => {
  fc.assert(fc.property(fc.string(), (text) => fill(text.replaceAll('$', '$$$$')) === text));
  t.pass();
});
