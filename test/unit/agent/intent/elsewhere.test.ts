/** What only the node that runs a task can do. */
import test from 'ava';
import { assertHere } from '../../../../agent/intent/elsewhere.js';

test('a task of another node is refused, with the node that has it', (t) => {
  const task = { name: 'vote.1.x', node: 'node2' };
  t.notThrows(() => assertHere(task, 'node2', 'a command can be run in it'));
  const error = t.throws(() => assertHere(task, 'node1', 'a command can be run in it'));
  t.like(error, { code: 'conflict', message: 'task vote.1.x is on node node2, and a command can be run in it only there', remedy: 'repeat the command on node2' });
});
