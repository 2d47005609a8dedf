import test from 'ava';
import { FormatError, parseFormat } from '../../../../../agent/cli/format/format.js';
import { FUNCTIONS } from '../../../../../agent/cli/format/functions.js';
import { FORMAT_HELP } from '../../../../../agent/cli/format/help.js';
import { followPath, formatPath, parsePath } from '../../../../../agent/cli/format/path.js';

const RAW = { spec: { name: 'vote', labels: { 'a.b': 'x' } }, vips: [{ address: '10.0.1.2' }, { address: '10.0.2.2' }], ports: [] };
const item = (raw: object, columns: object = {}): { raw: unknown; row: unknown } => ({ raw, row: { ...raw, ...columns } });

test('paths', (t) => {
  const follow = (path: string): unknown[] => followPath(parsePath(path), RAW);
  t.deepEqual(follow('$.vips[0].address'), ['10.0.1.2']);
  t.deepEqual(follow('.Spec.Name'), ['vote']);
  t.deepEqual(follow('$'), [RAW]);
  t.deepEqual(follow('.'), [RAW]);
  t.deepEqual(follow('.vips[-1].address'), ['10.0.2.2']);
  t.deepEqual(follow('$.vips[*].address'), ['10.0.1.2', '10.0.2.2']);
  t.deepEqual(follow("$.spec.labels['a.b']"), ['x']);
  t.deepEqual(follow('$.spec.labels["a.b"]'), ['x']);
  t.deepEqual(follow('$.spec.labels.*'), ['x']);
  t.deepEqual(follow('$.vips[7].address'), []);
  t.deepEqual(follow('$.nothing.at.all'), []);
  t.deepEqual(formatPath(parsePath('$.vips'), RAW), ['[{"address":"10.0.1.2"},{"address":"10.0.2.2"}]']);
});

test('a path that makes no sense says where', (t) => {
  t.throws(() => parsePath('$.vips[x]'), { instanceOf: FormatError, message: "the path '$.vips[x]' makes no sense from '[x]' on: write for example $.vips[0].address" });
  t.throws(() => parsePath('$vips'), { instanceOf: FormatError });
  t.throws(() => parsePath('$..name'), { instanceOf: FormatError });
});

test('a template is applied to each item, on a line of its own, and sees the columns', (t) => {
  const format = parseFormat('{{.Name}}\\t{{.Replicas}}\\t{{.Spec.Name}}');
  t.is(format([item(RAW, { name: 'vote', replicas: '2/2' }), item({ spec: { name: 'b' } }, { name: 'b', replicas: '0/1' })]), 'vote\t2/2\tvote\nb\t0/1\tb\n');
  t.is(format([]), '');
});

test('a path sees the raw object', (t) => {
  t.is(parseFormat('$.ports')([item(RAW, { ports: '*:8080->80/tcp' })]), '[]\n');
  t.is(parseFormat('.spec.name')([item(RAW), item(RAW)]), 'vote\nvote\n');
  t.is(parseFormat('[*]')([{ raw: [1, 'a'], row: {} }]), '1\na\n');
});

test('a path that fits no item is an error; one that leads to nothing in its place is none', (t) => {
  const nowhere = (path: string): string => `'${path}' fits nothing: the path is applied to each item; see --json for the fields`;
  for (const path of ['$.nope', '$[0].spec', '$.vips[7].address', '$.nope[*]', '$.spec.name.first', '$.vips[*].nope']) {
    t.throws(() => parseFormat(path)([item(RAW), item(RAW)]), { instanceOf: FormatError, message: nowhere(path) });
    t.is(parseFormat(path)([]), '', 'nothing to apply it to');
  }
  t.is(parseFormat('$.ports[*].published')([item(RAW)]), '');
  t.is(parseFormat('$.exitCode')([item(RAW), item({ exitCode: 1 })]), '1\n');
});

test('the help names all functions there are, and its formats work', (t) => {
  const [, words = ''] = /the functions\n([^]*?)\n\n/.exec(FORMAT_HELP) ?? [];
  t.deepEqual(words.trim().split(/\s+/).sort(), Object.keys(FUNCTIONS).sort());
  const task = item({ id: 'a', spec: { name: 'b' }, vips: [{ address: 'c' }], addresses: [{ address: 'd' }] }, { id: 'a', name: 'b', replicas: '1/1', currentState: 'e', address: 'd' });
  const formats = [...FORMAT_HELP.matchAll(/^ {2}(?:'([^']+)'|(json)$)(?: {2}'([^']+)')?|--format (?:'([^']+)'|(json))/gm)].flatMap((match) => match.slice(1).filter((text) => text !== undefined));
  t.is(formats.length, 10);
  for (const format of formats) {
    const text = parseFormat(format)([task]);
    t.regex(text, /[a-e1]/, format);
    t.false(text.includes('<no value>'), format);
  }
});

test('json is a line for each', (t) => {
  t.is(parseFormat('json')([item({ a: 1 }, { b: 2 }), item({ a: 2 })]), '{"a":1}\n{"a":2}\n');
});

test('table aligns and names its columns', (t) => {
  const items = [item(RAW, { id: 'a', currentState: 'Running 5 minutes ago' }), item(RAW, { id: 'bbbb', currentState: 'Failed' })];
  t.is(parseFormat('table {{.ID}}\\t{{.CurrentState}}')(items), 'ID     CURRENT STATE\na      Running 5 minutes ago\nbbbb   Failed\n');
});

test('anything else is refused', (t) => {
  t.throws(() => parseFormat('name'), { instanceOf: FormatError, message: "'name' is not a format: write a template such as '{{.Name}}', a path such as '$.spec.name', or json" });
});
