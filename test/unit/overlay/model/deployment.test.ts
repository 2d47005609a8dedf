/** What a service says of nodes and of updates: the forms that are taken, and what is said of the others. */
import test from 'ava';
import { ValidationError } from '../../../../overlay/model/errors.js';
import { DEFAULT_DEPLOYMENT } from '../../../../overlay/model/updates.js';
import { validateServiceSpec } from '../../../../overlay/model/validate.js';

const service = (more: object): object => ({ name: 'vote', task: { command: ['httpd'] }, ...more });

test('defaults are as in Swarm', (t) => {
  const policy = { parallelism: 1, delay: 0, order: 'stop-first', monitor: 5000, failureAction: 'pause', maxFailureRatio: 0 } as const;
  t.deepEqual(DEFAULT_DEPLOYMENT, { mode: 'replicated', placement: { constraints: [], preferences: [] }, update: policy, rollback: policy });
  t.like(validateServiceSpec(service({})), DEFAULT_DEPLOYMENT);
});

test('each part is completed by itself, and texts get one form', (t) => {
  const spec = validateServiceSpec(service({
    placement: { constraints: [' node.labels.zone ==  a b ', 'node.hostname!=n1'], preferences: ['spread = node.labels.zone'] },
    update: { order: 'start-first', delay: '10s', failureAction: 'rollback' },
    rollback: { parallelism: 0, maxFailureRatio: 0.5 },
  }));
  t.deepEqual(spec.placement, { constraints: ['node.labels.zone==a b', 'node.hostname!=n1'], preferences: ['spread=node.labels.zone'] });
  t.deepEqual(spec.update, { ...DEFAULT_DEPLOYMENT.update, order: 'start-first', delay: 10_000, failureAction: 'rollback' });
  t.deepEqual(spec.rollback, { ...DEFAULT_DEPLOYMENT.rollback, parallelism: 0, maxFailureRatio: 0.5 });
  t.deepEqual(validateServiceSpec(JSON.parse(JSON.stringify(spec))), spec);
});

/** Path, then what the message must hold: the value and the remedy. */
const faults: readonly (readonly [what: string, more: object, path: string, ...parts: string[]])[] = [
  ['no operator', { placement: { constraints: ['zone'] } }, 'placement.constraints[0]', "'zone' is not a constraint", 'node.labels.zone==a', 'node.mode'],
  ['one equals sign', { placement: { constraints: ['node.hostname=n1'] } }, 'placement.constraints[0]', 'ATTRIBUTE==VALUE'],
  ['no value', { placement: { constraints: ['node.hostname=='] } }, 'placement.constraints[0]', "'node.hostname=='"],
  ['what nodes do not have', { placement: { constraints: ['node.id==a', 'node.role==manager'] } }, 'placement.constraints[1]', "'node.role' is not known", 'node.labels.KEY'],
  ['a label without a name', { placement: { constraints: ['node.labels.==x'] } }, 'placement.constraints[0]', "'node.labels.'"],
  ['a mode that is none', { placement: { constraints: ['node.mode==user'] } }, 'placement.constraints[0]', "'user'", 'root or rootless'],
  ['a constraint twice, in two spellings', { placement: { constraints: ['node.id==a', 'node.id == a'] } }, 'placement.constraints', "'node.id==a' is given twice"],
  ['a preference of another kind', { placement: { preferences: ['pack=node.labels.zone'] } }, 'placement.preferences[0]', 'spread=node.labels.zone'],
  ['a preference over nothing', { placement: { preferences: ['spread=zone'] } }, 'placement.preferences[0]', "'zone' is not known"],
  ['a mode of services that is none', { mode: 'everywhere' }, 'mode', 'replicated, global'],
  ['replicas of a global service', { mode: 'global', replicas: 3 }, 'replicas', '3 in mode global', 'leave it out'],
  ['weights by number in a global service', { mode: 'global', balancing: { scheduler: 'wrr', slotWeights: { 2: 5 } } }, 'balancing.slotWeights', 'replica 2', 'no numbers'],
  ['an order that is none', { update: { order: 'first' } }, 'update.order', 'stop-first, start-first'],
  ['a negative parallelism', { update: { parallelism: -1 } }, 'update.parallelism', 'use 0 or more'],
  ['a ratio over 1', { update: { maxFailureRatio: 1.5 } }, 'update.maxFailureRatio', 'use 1 or less'],
  ['a rollback that is rolled back', { rollback: { failureAction: 'rollback' } }, 'rollback.failureAction', 'pause, continue'],
  ['a key that is none', { rollback: { orders: 'stop-first' } }, 'rollback', "'orders'"],
];

for (const [what, more, path, ...parts] of faults) {
  test(`refused: ${what}`, (t) => {
    const error = t.throws(() => validateServiceSpec(service(more)), { instanceOf: ValidationError });
    const issue = error?.issues.find((each) => each.path === path);
    for (const part of parts) t.true(issue?.message.includes(part), `${part} in ${JSON.stringify(error?.issues)}`);
  });
}
