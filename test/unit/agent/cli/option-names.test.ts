import test from 'ava';
import { ClientError } from '../../../../agent/api/client-error.js';
import { failureText } from '../../../../agent/cli/failure.js';
import { withOptionNames } from '../../../../agent/cli/option-names.js';

test('fields that an option gives are named by it, line by line', (t) => {
  t.is(
    withOptionNames('balancing.affinityTimeout: 0s is not from 1s\nbalancing.timeouts.udp: 1s is less\nbalancing.slotWeights.2: 70000 is more\nsubnet6: is given: see balancing.weight: there'),
    '--affinity: 0s is not from 1s\n--flow-timeout udp: 1s is less\n--endpoint-weight 2: 70000 is more\n--subnet: is given: see balancing.weight: there',
  );
});

test('others stay', (t) => {
  for (const message of ['name: is no name', 'task.command[0]: is empty', 'balancing: is no object', 'balancing.weights: 1', 'subnets: 1', "no network 'x'", 'services[0].balancing.maxConns: 1']) {
    t.is(withOptionNames(message), message);
  }
});

test('only what the agent calls invalid is a matter of options', (t) => {
  t.is(failureText(new ClientError('invalid', 'balancing.maxConns: 1 is bad')), 'vipmesh: --max-conns: 1 is bad\n');
  t.is(failureText(new ClientError('conflict', 'subnet: taken')), 'vipmesh: subnet: taken\n');
});
