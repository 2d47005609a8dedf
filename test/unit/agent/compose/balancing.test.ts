import test from 'ava';
import { ComposeError, parseCompose } from '../../../../agent/compose/compose.js';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import type { BalancingSpec } from '../../../../overlay/model/spec.js';

const parse = (text: string): ReturnType<typeof parseCompose> => parseCompose(text, { stack: 'shop', file: 'compose.yaml', environment: { MOST: '7' } });

/** Of a service of three replicas with this below its `x-vipmesh`. */
function balancing(yaml: string): BalancingSpec | undefined {
  return parse(`services:\n  a:\n    command: x\n    deploy: { replicas: 3 }\n    x-vipmesh: ${yaml}\n`).request.services[0]?.balancing;
}

function problems(text: string): readonly string[] {
  const error = captured(() => parse(text));
  return error instanceof ComposeError ? error.problems : [];
}

function captured(fn: () => unknown): unknown {
  try {
    return fn();
  } catch (error) {
    return error;
  }
}

const ALL = `
      scheduler: wlc
      weights: { default: 2, 1: 0 }
      affinity: client-ip,timeout=1h
      prefer: local
      SLOW: 10s
      MAX: "\${MOST}"
      eject: { after: 3, for: 1m }
      timeouts: { udp: 120s, established: 1h }
      DRAIN: 5s
      offload: never`;
const SNAKE = ALL.replace('SLOW', 'slow_start').replace('MAX', 'max_conns').replace('DRAIN', 'drain_timeout');
const CAMEL = ALL.replace('SLOW', 'slowStart').replace('MAX', 'maxConns').replace('DRAIN', 'drainTimeout');

test('every key, in snake and in camel case', (t) => {
  const expected: BalancingSpec = {
    scheduler: 'wlc', weight: 2, slotWeights: { 1: 0 }, affinity: 'client-ip', affinityTimeout: 3_600_000, prefer: 'local', slowStart: 10_000, maxConns: 7,
    ejectAfter: 3, ejectFor: 60_000, timeouts: { ...DEFAULT_BALANCING.timeouts, udp: 120_000, established: 3_600_000 }, drainTimeout: 5000, offload: 'never',
  };
  t.deepEqual(balancing(SNAKE), expected);
  t.deepEqual(balancing(CAMEL), expected);
});

test('short forms; what is not given is the default', (t) => {
  t.deepEqual(balancing('{ scheduler: mh, weights: 5 }'), { ...DEFAULT_BALANCING, scheduler: 'mh', weight: 5 });
  t.deepEqual(balancing('{ scheduler: wrr, weights: [3, 2=5] }'), { ...DEFAULT_BALANCING, scheduler: 'wrr', weight: 3, slotWeights: { 2: 5 } });
  t.deepEqual(balancing('{ timeouts: "udp=3m,icmp=90s" }'), { ...DEFAULT_BALANCING, timeouts: { ...DEFAULT_BALANCING.timeouts, udp: 180_000, icmp: 90_000 } });
  t.deepEqual(balancing('{ affinity: none }'), DEFAULT_BALANCING);
  t.deepEqual(balancing(''), DEFAULT_BALANCING);
});

test('below deploy, too, but not in both places', (t) => {
  const inDeploy = 'services:\n  a:\n    command: x\n    deploy:\n      x-vipmesh: { scheduler: lc }\n';
  t.is(parse(inDeploy).request.services[0]?.balancing.scheduler, 'lc');
  t.deepEqual(problems(`${inDeploy}    x-vipmesh: { scheduler: lc }\n`), ['compose.yaml:5: services.a has x-vipmesh, and so has its deploy: write it in one place']);
});

test('faults are told with their line', (t) => {
  t.deepEqual(
    problems(`services:
  a:
    command: x
    x-vipmesh:
      schedular: rr
      scheduler: random
      weights: { 1: x, 2: 1 }
      affinity: cookie
      timeouts: { tcp: 5s }
      eject: { afterwards: 1 }
      slow_start: 1s
      slowStart: 2s
      max_conns: -1
`),
    [
      "compose.yaml:5: unknown key 'schedular' in services.a.x-vipmesh (did you mean 'scheduler'?)",
      "compose.yaml:6: services.a.x-vipmesh.scheduler: 'random' is not one of rr, wrr, lc, wlc, sh, mh",
      "compose.yaml:7: services.a.x-vipmesh.weights: '1=x' is not a weight: write WEIGHT for every replica, or SLOT=WEIGHT for one, such as 2=5",
      'compose.yaml:7: services.a.x-vipmesh.weights: replica 2 is given a weight, and there is 1 replica: name a replica from 1 to 1',
      "compose.yaml:8: services.a.x-vipmesh.affinity: 'cookie' is not one of none, client-ip",
      "compose.yaml:9: unknown key 'tcp' in services.a.x-vipmesh.timeouts",
      "compose.yaml:10: unknown key 'afterwards' in services.a.x-vipmesh.eject",
      'compose.yaml:12: services.a.x-vipmesh.slow_start is given twice',
      "compose.yaml:13: services.a.x-vipmesh.max_conns: '-1' is not a whole number of at least 0",
    ],
  );
});

test('what the model refuses is refused with the line of the option', (t) => {
  const refused = problems(`services:
  a:
    command: x
    deploy: { replicas: 2 }
    x-vipmesh:
      scheduler: wrr
      weights:
        default: 70000
        2: 80000
      affinity: client-ip,timeout=48h
      slowStart: 25h
      max_conns: 99999999
      eject:
        after: 99999999
        for: 25h
      timeouts:
        established: 1h
        udp: 1s
`);
  const lines = refused.map((problem) => /^compose\.yaml:(\d+): services\.a: balancing\.([\w.]+)/.exec(problem)?.slice(1).join(' '));
  t.deepEqual(lines, ['8 weight', '9 slotWeights.2', '10 affinityTimeout', '11 slowStart', '12 maxConns', '14 ejectAfter', '15 ejectFor', '18 timeouts.udp'], refused.join('\n'));
  t.deepEqual(problems('services:\n  a:\n    command: x\n    x-vipmesh:\n      scheduler: sh\n      slow_start: 5s\n'), [
    "compose.yaml:6: services.a: balancing.slowStart: slow start cannot be combined with scheduler sh, which finds a client's endpoint by its address alone: leave one of them out",
  ]);
  t.regex(problems('services:\n  a:\n    command: x\n    x-vipmesh:\n      timeouts: "icmp=60s,udp=1s"\n').join('|'), /^compose\.yaml:5: services\.a: balancing\.timeouts\.udp: [^|]*$/);
  const unused = problems('services:\n  a:\n    command: x\n    deploy:\n      endpoint_mode: dnsrr\n      x-vipmesh:\n        weights: 5\n        prefer: local\n        drain_timeout: 5s\n');
  t.deepEqual(unused.map((problem) => problem.split(':').slice(1, 4).join('')), ['7 services.a balancing.weight', '8 services.a balancing.prefer', '9 services.a balancing.drainTimeout']);
});

test('each weight has its own line, in a list too', (t) => {
  t.deepEqual(problems('services:\n  a:\n    command: x\n    x-vipmesh:\n      scheduler: wrr\n      weights:\n        - 3\n        - x\n        - 2=1\n'), [
    "compose.yaml:8: services.a.x-vipmesh.weights: 'x' is not a weight: write WEIGHT for every replica, or SLOT=WEIGHT for one, such as 2=5",
    'compose.yaml:9: services.a.x-vipmesh.weights: replica 2 is given a weight, and there is 1 replica: name a replica from 1 to 1',
  ]);
});

test('what the model refuses of the rest has the line of the service', (t) => {
  t.regex(problems('services:\n  a:\n    command: x\n    deploy: { replicas: 99999 }\n    x-vipmesh: { scheduler: lc }\n')[0] ?? '', /^compose\.yaml:2: services\.a: replicas/);
});
