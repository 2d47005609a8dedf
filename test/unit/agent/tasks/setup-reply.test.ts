import test from 'ava';
import { parseSetupLine, SetupReader } from '../../../../agent/tasks/setup-reply.js';

test('each kind of line', (t) => {
  t.deepEqual(parseSetupLine('ready'), { kind: 'ready' });
  t.deepEqual(parseSetupLine('warn no /proc of its own: refused'), { kind: 'warn', text: 'no /proc of its own: refused' });
  t.deepEqual(parseSetupLine('fail 127 exec: "a b": not found'), { kind: 'fail', code: 127, text: 'exec: "a b": not found' });
  t.deepEqual(parseSetupLine('fail 32 mount: refused'), { kind: 'fail', code: 125, text: 'mount: refused' });
  for (const line of ['', 'readyish', 'fail', 'fail x y', 'warn']) t.is(parseSetupLine(line), undefined, line);
});

test('lines are joined from pieces', (t) => {
  const reader = new SetupReader();
  t.deepEqual(reader.push('warn on'), []);
  t.deepEqual(reader.push('e\nrea'), [{ kind: 'warn', text: 'one' }]);
  t.deepEqual(reader.push('dy\nready\n'), [{ kind: 'ready' }, { kind: 'ready' }]);
});
