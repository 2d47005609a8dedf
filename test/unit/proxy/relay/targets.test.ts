import test from 'ava';
import { RoundRobin } from '../../../../proxy/sched/rr.js';
import { Targets } from '../../../../proxy/relay/targets.js';
import { endpoint } from './harness.js';

const a = endpoint('10.0.0.1');
const b = endpoint('10.0.0.2');
const c = endpoint('10.0.0.3');

test('the scheduler chooses, and each endpoint has its turn', (t) => {
  const targets = new Targets(new RoundRobin(), [a, b, c]);
  const picked = [1, 2, 3, 4, 5, 6].map((port) => targets.pick(1, port)?.id);
  t.is(new Set(picked.slice(0, 3)).size, 3);
  t.deepEqual(picked.slice(3), picked.slice(0, 3));
});

test('after a failure the others are tried in their order, each once', (t) => {
  const targets = new Targets(new RoundRobin(), [a, b, c]);
  t.is(targets.next(b, new Set([b.id])), c);
  t.is(targets.next(c, new Set([b.id, c.id])), a);
  t.is(targets.next(a, new Set([a.id, b.id, c.id])), undefined);
});

test('a failure does not move the rotation', (t) => {
  const targets = new Targets(new RoundRobin(), [a, b]);
  const first = targets.pick(1, 1) ?? a;
  targets.next(first, new Set([first.id]));
  t.not(targets.pick(1, 2), first);
});

test('an endpoint that failed and is gone by then is no obstacle', (t) => {
  const targets = new Targets(new RoundRobin(), [b, c]);
  t.is(targets.next(a, new Set([a.id])), b);
});

test('a draining endpoint is not picked, and lives', (t) => {
  const draining = { ...a, weight: 0 };
  const targets = new Targets(new RoundRobin(), [draining, b]);
  for (let i = 0; i < 4; i++) t.is(targets.pick(1, i), b);
  t.is(targets.next(b, new Set([b.id])), undefined);
  t.true(targets.lives(a));
});

test('no endpoint, none picked', (t) => {
  const targets = new Targets(new RoundRobin(), []);
  t.is(targets.pick(1, 1), undefined);
  targets.update([{ ...a, weight: 0 }]);
  t.is(targets.pick(1, 1), undefined);
});

test('an endpoint lives as long as its id has its address', (t) => {
  const targets = new Targets(new RoundRobin(), [a, b]);
  targets.update([b, { ...c, id: a.id }]);
  t.false(targets.lives(a));
  t.true(targets.lives({ ...b, weight: 0 }));
});
