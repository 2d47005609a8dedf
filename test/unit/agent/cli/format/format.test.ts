import test from 'ava';
import { FormatError, parseFormat } from '../../../../../agent/cli/format/format.js';
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
