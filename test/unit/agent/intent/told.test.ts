import test from 'ava';
import { ControlError } from '../../../../agent/control.js';
import { portProblemsOf, withChanges } from '../../../../agent/intent/told.js';
import type { NodeObject } from '../../../../overlay/model/object.js';

test('a deployment that fails half-way says what it has made; its error is the same otherwise', (t) => {
  const error = new ControlError('conflict', 'port 80/tcp is already in use', 'choose another');
  const told = withChanges(error, 'shop', ['network shop_a unchanged', 'network shop_b created', 'service shop_web updated']);
  t.is(told, error);
  t.is(error.message, "port 80/tcp is already in use\nbefore that: network shop_b created, service shop_web updated; this stays: deploy again when the cause is mended, or remove it with 'vipmesh stack rm shop'");
  t.is((withChanges(new Error('x'), 'shop', ['network shop_a unchanged']) as Error).message, 'x');
});

test('a service’s ports that are not served, on any node', (t) => {
  const node = (hostname: string, service?: string): NodeObject =>
    ({ hostname, ...(service !== undefined && { problems: [{ about: 'port 80/tcp', message: 'taken', since: '', service }, { about: 'network a', message: 'no', since: '' }] }) }) as unknown as NodeObject;
  t.deepEqual(portProblemsOf('web', [node('one'), node('two', 'web'), node('three', 'other')]), [{ node: 'two', port: 'port 80/tcp', message: 'taken' }]);
});
