/** The cluster bench, but for what it measures: its command line, its tables. */
import test from 'ava';
import { HELP, parseCommand } from '../../../perf/cluster/options.js';
import { UsageError } from '../../../perf/usage.js';
import { isReached, tablesOf, type Row } from '../../../perf/cluster/result.js';

test('the command line', (t) => {
  t.deepEqual(parseCommand(['--help']), { kind: 'help' });
  const all = parseCommand([]);
  t.like(all, { options: { topics: ['change', 'memory', 'throughput'], nodes: 10, services: 1000, replicas: 5 }, json: undefined });
  t.like(parseCommand(['throughput', 'change', '--quick', '--nodes', '4', '--json', 'x']), { options: { topics: ['change', 'throughput'], nodes: 4, changes: 7, rounds: 1 }, json: 'x' });
  for (const [args, message] of [[['flows'], /no topic flows/], [['--nodes', '1'], /--nodes 1: a whole number from 2 to 50/], [['--rounds', 'many'], /--rounds many/], [['--flows'], /--flows/]] as const) {
    t.throws(() => parseCommand(args), { instanceOf: UsageError, message });
  }
  for (const word of ['change', 'memory', 'throughput', '--quick', '--json FILE']) t.true(HELP.includes(word), word);
});

const row = (more: Partial<Row>): Row => ({ topic: 'a', name: 'b', unit: 'ms', samples: [3, 1, 2], ...more });

test('the median reaches a limit, or does not', (t) => {
  t.is(isReached(row({})), undefined);
  t.is(isReached(row({ samples: [], atMost: 1 })), undefined);
  t.deepEqual([isReached(row({ atMost: 2 })), isReached(row({ atMost: 1.9 }))], [true, false]);
  t.deepEqual([isReached(row({ atLeast: 2 })), isReached(row({ atLeast: 2.1 }))], [true, false]);
});

test('a table a topic', (t) => {
  const tables = tablesOf({ rows: [row({ atMost: 2 }), row({ topic: 'c', unit: '', samples: [9, 9], atLeast: 10 }), row({ name: 'd', samples: [] }), row({ name: 'e', unit: '×', samples: [0.5], atMost: 0.4 })] });
  t.deepEqual(tables.map(({ title, rows }) => [title, rows]), [
    ['a', [['b', '2.00 ms', '3.00 ms', '1.00 ms … 3.00 ms', '3', '≤ 2 ms reached'], ['d', '–', '–', '–', '0', ''], ['e', '0.500 ×', '0.500 ×', '0.500 × … 0.500 ×', '1', '≤ 0.4 × MISSED']]],
    ['c', [['b', '9', '9', '9 … 9', '2', '≥ 10 MISSED']]],
  ]);
});
