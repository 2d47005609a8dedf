import test from 'ava';
import type { ProcessStat } from '../../../../agent/tasks/process-tree.js';
import { conditionOf, formatRecord, parseFate, parseRecord, type TaskRecord } from '../../../../agent/tasks/task-record.js';

const record: TaskRecord = {
  boot: 'b1 pid:[4026531836]',
  helper: { pid: 100, startTime: 5000 },
  shell: { pid: 101, startTime: 5001 },
  main: { pid: 107, startTime: 5003 },
  env: { PATH: '/bin', 'a.b': 'line\nline' },
  workdir: '/usr',
  stopGracePeriod: 10_000,
};

const stat = (startTime: number, state = 'S'): ProcessStat => ({ state, parent: 1, group: 101, startTime });

test('a record is read as it was written', (t) => {
  t.deepEqual(parseRecord(formatRecord(record)), record);
});

test('what is no record is none', (t) => {
  for (const text of ['', '{', 'null', '[]', '"text"', formatRecord(record).slice(0, -20)]) t.is(parseRecord(text), undefined, text);
  const spoilt: Record<string, unknown>[] = [
    { boot: undefined },
    { shell: undefined },
    { shell: { pid: 101 } },
    { main: { pid: '107', startTime: 5003 } },
    { helper: { pid: 1, startTime: 1 } },
    { shell: { pid: 0, startTime: 1 } },
    { main: { pid: -107, startTime: 1 } },
    { env: { PATH: 1 } },
    { env: null },
    { workdir: 7 },
    { stopGracePeriod: -1 },
    { stopGracePeriod: 0.5 },
  ];
  for (const fault of spoilt) t.is(parseRecord(JSON.stringify({ ...record, ...fault })), undefined, JSON.stringify(fault));
});

test('a fate counts line by line', (t) => {
  t.deepEqual(parseFate(''), { begun: false });
  t.deepEqual(parseFate('beg'), { begun: false });
  t.deepEqual(parseFate('begun'), { begun: false });
  t.deepEqual(parseFate('125\n'), { begun: false }, 'its agent was killed before it could begin');
  t.deepEqual(parseFate('begun\n'), { begun: true });
  t.deepEqual(parseFate('begun\n13'), { begun: true });
  t.deepEqual(parseFate('begun\n137\n'), { begun: true, exitCode: 137 });
  t.deepEqual(parseFate('begun\nno number\n'), { begun: true });
});

test('a task runs, has ended, or is nothing to adopt', (t) => {
  const begun = { begun: true };
  t.is(conditionOf(record, begun, record.boot, stat(5001)), 'running');
  t.is(conditionOf(record, begun, record.boot, undefined), 'ended');
  t.is(conditionOf(record, begun, record.boot, stat(5001, 'Z')), 'ended', 'it only waits to be asked how');
  t.is(conditionOf(record, begun, record.boot, stat(90_000)), 'ended', 'the pid is another process by now');
  t.is(conditionOf(record, { begun: true, exitCode: 0 }, record.boot, stat(5001)), 'running', 'process 1 is not through yet');
  t.is(conditionOf(record, { begun: false }, record.boot, stat(5001)), 'nothing', 'half-started');
  t.is(conditionOf(record, begun, 'b2 pid:[4026531836]', stat(5001)), 'nothing', 'the host was restarted');
  t.is(conditionOf(undefined, begun, record.boot, undefined), 'nothing');
});
