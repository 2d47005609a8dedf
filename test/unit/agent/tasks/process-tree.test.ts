import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { childrenOf, identityOf, isAlive, isSameAlive, parseStat, pidWithin, scanForChildren, signalProcess, statOf } from '../../../../agent/tasks/process-tree.js';

test('a command name may hold anything', (t) => {
  const rest = Array.from({ length: 45 }, (_, index) => `${100 + index}`).join(' ');
  t.deepEqual(parseStat(`42 (a) b ( c) S 7 8 9 ${rest}\n`), { state: 'S', parent: 7, group: 8, startTime: 115 });
  t.is(parseStat(''), undefined);
  t.is(parseStat('42 (x) S 7'), undefined);
});

test('children are found with the help of the kernel and without', async (t) => {
  const child = spawn('sleep', ['60'], { detached: true });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  t.true(childrenOf(process.pid).includes(child.pid!));
  t.true(scanForChildren(process.pid).includes(child.pid!));
  t.like(statOf(child.pid!), { parent: process.pid, group: child.pid });
  signalProcess(child.pid!, 'SIGTERM');
  await once(child, 'exit');
  t.is(statOf(child.pid!), undefined);
  t.deepEqual(childrenOf(child.pid!), []);
  t.notThrows(() => signalProcess(child.pid!, 'SIGTERM'));
});

test('a process is itself for as long as its start is', async (t) => {
  const child = spawn('sleep', ['60']);
  t.teardown(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  const identity = identityOf(child.pid!)!;
  t.true(isAlive(identity));
  t.false(isAlive({ ...identity, startTime: identity.startTime - 1 }));
  t.is(pidWithin(child.pid!), child.pid!, 'in the namespace that we are in');
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.false(isAlive(identity));
  t.is(identityOf(child.pid!), undefined);
  t.is(pidWithin(child.pid!), undefined);
  for (const state of ['Z', 'X']) t.false(isSameAlive(identity, { state, parent: 1, group: 1, startTime: identity.startTime }), state);
});
