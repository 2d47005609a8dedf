import test from 'ava';
import { PortRows } from '../../../../agent/relay/rows.js';
import { endpoint } from '../../proxy/relay/harness.js';

test('an endpoint keeps its row for as long as the port has it; another port counts for itself', (t) => {
  const cleared: number[] = [];
  const rows = new PortRows(3, (row) => cleared.push(row));
  const [a, b] = [endpoint('10.0.0.1'), endpoint('10.0.0.2')];
  const of = (port: string, ...list: (typeof a)[]): (number | undefined)[] => rows.assign(port, list).map(({ row }) => row);
  t.deepEqual(of('one', { ...a, row: 99 }, b), [0, 1], "the data path's row is not ours");
  t.deepEqual(of('one', b, a), [1, 0]);
  t.deepEqual(of('two', a, b), [2, undefined], 'none is left');
  rows.keepOnly('one', [b]);
  t.deepEqual(cleared, [0]);
  t.deepEqual(of('two', a, b), [2, 0]);
  rows.keepOnly('two', []);
  t.deepEqual(cleared.sort(), [0, 0, 2]);
  t.deepEqual(of('one', b), [1]);
});
