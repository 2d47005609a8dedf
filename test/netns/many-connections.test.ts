import test from 'ava';
import { runOnMachine } from '../support/machine-users.js';
import { isRoot } from '../support/capability.js';

// Without root of the machine a test host is a user namespace, whose root starts the agent in mode root: the relay is the same.
test('5,000 connections at once through a published port, spread over threads; a port below 1024 names the sysctl', (t) =>
  runOnMachine(t, isRoot() ? 'nobody' : 'userns', new URL('./scenarios/many-connections.js', import.meta.url), 'manyConnections'));
