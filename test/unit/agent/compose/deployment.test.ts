import test from 'ava';
import { ComposeError, parseCompose } from '../../../../agent/compose/compose.js';
import type { ServiceSpec } from '../../../../overlay/model/spec.js';
import { DEFAULT_DEPLOYMENT } from '../../../../overlay/model/updates.js';

const parse = (deploy: string): ReturnType<typeof parseCompose> =>
  parseCompose(`services:\n  a:\n    command: x\n    deploy:\n${deploy}`, { stack: 'shop', file: 'compose.yaml', environment: { ZONE: 'z' } });

const spec = (deploy: string): ServiceSpec | undefined => parse(deploy).request.services[0];

function problems(deploy: string): readonly string[] {
  const error = (() => {
    try {
      return parse(deploy);
    } catch (caught) {
      return caught;
    }
  })();
  return error instanceof ComposeError ? error.problems : [];
}

test('placement, updates and rollbacks', (t) => {
  t.like(
    spec(`      placement:
        constraints: ["node.labels.zone == $ZONE", node.hostname != n1]
        preferences: [{ spread: node.labels.rack }]
      update_config: { parallelism: 2, delay: 10s, order: start-first, monitor: 1m, failure_action: rollback, max_failure_ratio: 0.25 }
      rollback_config: { parallelism: 0, failure_action: continue }
`),
    {
      mode: 'replicated',
      placement: { constraints: ['node.labels.zone==z', 'node.hostname!=n1'], preferences: ['spread=node.labels.rack'] },
      update: { parallelism: 2, delay: 10_000, order: 'start-first', monitor: 60_000, failureAction: 'rollback', maxFailureRatio: 0.25 },
      rollback: { ...DEFAULT_DEPLOYMENT.rollback, parallelism: 0, failureAction: 'continue' },
    },
  );
});

test('what is not given is the default; global, and jobs as services of their kind', (t) => {
  t.like(spec('      placement: {}\n      update_config:\n'), DEFAULT_DEPLOYMENT);
  t.like(spec('      mode: global\n'), { mode: 'global', replicas: 1 });
  const job = parse('      mode: global-job\n');
  t.is(job.request.services[0]?.mode, 'global');
  t.deepEqual(job.warnings, ["compose.yaml:5: services.a.deploy.mode 'global-job' is not supported: the service is global"]);
  t.deepEqual(parse('      placement: { max_replicas_per_node: 1 }\n').warnings, ['compose.yaml:5: services.a.deploy.placement.max_replicas_per_node is not supported and ignored']);
});

test('what is wrong is told with its line', (t) => {
  t.deepEqual(problems('      placement:\n        constraints:\n          - node.hostname==n1\n          - node.role==manager\n'), [
    "compose.yaml:8: services.a: placement.constraints[1]: 'node.role' is not known of a node: use node.hostname, node.id, node.mode or node.labels.KEY",
  ]);
  t.deepEqual(problems('      placement:\n        preferences:\n          - spread: zone\n'), [
    "compose.yaml:7: services.a: placement.preferences[0]: 'zone' is not known of a node: use node.hostname, node.id, node.mode or node.labels.KEY",
  ]);
  t.deepEqual(problems('      placement:\n        preferences: x\n'), ['compose.yaml:6: services.a.deploy.placement.preferences must be a list']);
  t.deepEqual(problems('      update_config:\n        order: first\n        max_failure_ratio: 1.1\n      rollback_config: { failure_action: rollback }\n'), [
    "compose.yaml:6: services.a.deploy.update_config.order: 'first' is not one of stop-first, start-first",
    "compose.yaml:7: services.a.deploy.update_config.max_failure_ratio: '1.1' is not a number from 0 to 1",
    "compose.yaml:8: services.a.deploy.rollback_config.failure_action: 'rollback' is not one of pause, continue",
  ]);
  t.deepEqual(problems('      mode: global\n      replicas: 3\n'), [
    'compose.yaml:2: services.a: replicas: 3 in mode global, which has one task on each node: leave it out, or use mode replicated',
  ]);
});
