import test from 'ava';
import { ComposeError, parseCompose } from '../../../../agent/compose/compose.js';
import type { ComposeResult } from '../../../../agent/compose/compose.js';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import { DEFAULT_DEPLOYMENT } from '../../../../overlay/model/updates.js';

function compose(text: string, environment: Record<string, string> = {}): ComposeResult {
  return parseCompose(text, { stack: 'shop', file: 'compose.yaml', environment });
}

function problems(text: string, environment: Record<string, string> = {}): readonly string[] {
  try {
    compose(text, environment);
  } catch (error) {
    if (error instanceof ComposeError) return error.problems;
    throw error;
  }
  return [];
}

const FULL = `version: "3.9"
name: ignored
services:
  vote:
    command: python3 -m http.server "80 80"
    environment:
      DEBUG: true
      RATE: 1.10
      EMPTY: ""
      HOME:
      UNSET:
    working_dir: /srv
    networks:
      front:
        aliases: [ballot]
      back:
    ports:
      - 8080:80
      - "127.0.0.1:53:53/udp"
      - target: 443
        published: "8443"
        mode: host
        host_ip: 10.0.0.1
        x-proxy-protocol: v2
    healthcheck:
      test: curl -sf localhost
      interval: 5s
      timeout: 1m30s
      retries: 2
      start_period: 500ms
    labels: [tier=web, plain]
    deploy:
      mode: replicated
      replicas: 3
      endpoint_mode: vip
      labels:
        tier: front
      restart_policy:
        condition: on-failure
        delay: 2s
        max_attempts: 4
    stop_grace_period: 1m
  db:
    command: ["/usr/bin/db", "--port", "5432"]
    environment: [A=1, HOME, UNSET]
    networks: [back, old]
    healthcheck: { test: ["CMD", "db-ready"] }
    deploy: { endpoint_mode: dnsrr }
  worker:
    command: [sleep, infinity]
    healthcheck: { disable: true }
networks:
  front:
    internal: true
    driver_opts: { encrypted: '' }
    labels: { a: b }
    ipam: { config: [{ subnet: 10.9.0.0/24, gateway: 10.9.0.1 }] }
  back: { name: backbone, driver: overlay }
  old: { external: true, name: legacy }
x-notes: anything
`;

test('a whole file', (t) => {
  const { request, warnings } = compose(FULL, { HOME: '/root' });
  t.deepEqual(warnings, []);
  t.deepEqual(request.networks, [
    { name: 'shop_front', driver: 'overlay', ipv6: false, internal: true, encrypted: true, labels: { a: 'b', 'vipmesh.stack': 'shop' }, subnet: '10.9.0.0/24', gateway: '10.9.0.1' },
    { name: 'backbone', driver: 'overlay', ipv6: false, internal: false, labels: { 'vipmesh.stack': 'shop' } },
    { name: 'shop_default', driver: 'overlay', ipv6: false, internal: false, labels: { 'vipmesh.stack': 'shop' } },
  ]);
  t.deepEqual(request.services, [
    {
      name: 'shop_vote',
      labels: { tier: 'front', plain: '', 'vipmesh.stack': 'shop', 'vipmesh.stack.service': 'vote' },
      task: {
        command: ['python3', '-m', 'http.server', '80 80'],
        env: { DEBUG: 'true', RATE: '1.10', EMPTY: '', HOME: '/root' },
        workdir: '/srv',
        healthcheck: { command: ['sh', '-c', 'curl -sf localhost'], interval: 5000, timeout: 90_000, retries: 2, startPeriod: 500 },
        stopGracePeriod: 60_000,
      },
      networks: [
        { network: 'shop_front', aliases: ['vote', 'ballot'] },
        { network: 'backbone', aliases: ['vote'] },
      ],
      replicas: 3,
      endpointMode: 'vip',
      ports: [
        { published: 8080, target: 80, protocol: 'tcp', mode: 'ingress' },
        { published: 53, target: 53, protocol: 'udp', mode: 'ingress', address: '127.0.0.1' },
        { published: 8443, target: 443, protocol: 'tcp', mode: 'host', address: '10.0.0.1', proxyProtocol: 'v2' },
      ],
      restart: { condition: 'on-failure', delay: 2000, maxAttempts: 4 },
      balancing: DEFAULT_BALANCING, ...DEFAULT_DEPLOYMENT,
    },
    {
      name: 'shop_db',
      labels: { 'vipmesh.stack': 'shop', 'vipmesh.stack.service': 'db' },
      task: {
        command: ['/usr/bin/db', '--port', '5432'],
        env: { A: '1', HOME: '/root' },
        healthcheck: { command: ['db-ready'], interval: 30_000, timeout: 30_000, retries: 3, startPeriod: 0 },
        stopGracePeriod: 10_000,
      },
      networks: [
        { network: 'backbone', aliases: ['db'] },
        { network: 'legacy', aliases: ['db'] },
      ],
      replicas: 1,
      endpointMode: 'dnsrr',
      ports: [],
      restart: { condition: 'any', delay: 1000 },
      balancing: DEFAULT_BALANCING, ...DEFAULT_DEPLOYMENT,
    },
    {
      name: 'shop_worker',
      labels: { 'vipmesh.stack': 'shop', 'vipmesh.stack.service': 'worker' },
      task: { command: ['sleep', 'infinity'], env: {}, stopGracePeriod: 10_000 },
      networks: [{ network: 'shop_default', aliases: ['worker'] }],
      replicas: 1,
      endpointMode: 'vip',
      ports: [],
      restart: { condition: 'any', delay: 1000 },
      balancing: DEFAULT_BALANCING, ...DEFAULT_DEPLOYMENT,
    },
  ]);
});

test('keys that we do not support are warnings by name, with their line', (t) => {
  const { warnings } = compose(`services:
  vote:
    image: nginx
    build: .
    command: x
    depends_on: [db]
    volumes: ["/a:/b"]
    secrets: [s]
    restart: always
    networks: { n: { ipv4_address: 10.0.0.9 } }
    deploy:
      mode: replicated-job
      resources: {}
      restart_policy: { window: 5s }
    healthcheck: { test: x, start_interval: 1s }
networks:
  n: { driver: bridge, attachable: true, ipam: { driver: default }, driver_opts: { encrypted: "false", mtu: 1400 } }
volumes: {}
configs: {}
`);
  t.deepEqual(warnings, [
    "compose.yaml:3: services.vote.image is not supported and ignored: tasks are processes of this host, started by 'command'",
    'compose.yaml:4: services.vote.build is not supported and ignored: tasks are processes of this host',
    'compose.yaml:6: services.vote.depends_on is not supported and ignored: services start at the same time, and names resolve to healthy tasks only',
    'compose.yaml:7: services.vote.volumes is not supported and ignored: tasks are processes of this host and see its files',
    'compose.yaml:8: services.vote.secrets is not supported and ignored',
    'compose.yaml:9: services.vote.restart is not supported and ignored: use deploy.restart_policy',
    'compose.yaml:10: services.vote.networks.n.ipv4_address is not supported and ignored',
    "compose.yaml:12: services.vote.deploy.mode 'replicated-job' is not supported: the service is replicated",
    'compose.yaml:13: services.vote.deploy.resources is not supported and ignored',
    'compose.yaml:14: services.vote.deploy.restart_policy.window is not supported and ignored: failures in a row are counted instead',
    'compose.yaml:15: services.vote.healthcheck.start_interval is not supported and ignored',
    'compose.yaml:17: networks.n.attachable is not supported and ignored: every network is',
    "compose.yaml:17: networks.n.driver 'bridge' is not supported: the network is an overlay network",
    'compose.yaml:17: networks.n.driver_opts.mtu is not supported and ignored',
    'compose.yaml:17: networks.n.ipam.driver is not supported and ignored',
    'compose.yaml:18: volumes is not supported and ignored: tasks are processes of this host and see its files',
    'compose.yaml:19: configs is not supported and ignored',
  ]);
});

test('unknown keys are errors with their line and what was meant; all are told at once', (t) => {
  t.deepEqual(
    problems(`servces: {}
services:
  vote:
    comand: x
    command: x
    deploy:
      replicas: two
      endpont_mode: vip
    ports: ["8000-8010:80", "80:x", {published: 80}]
    healthcheck: { intervall: 5s, test: x, retries: 0 }
    networks: [frnt]
    stop_grace_period: 5
  db: {}
networks:
  front: { subnet: 10.0.0.0/24, internal: maybe }
`),
    [
      "compose.yaml:1: unknown key 'servces' in the compose file (did you mean 'services'?)",
      "compose.yaml:4: unknown key 'comand' in services.vote (did you mean 'command'?)",
      "compose.yaml:7: services.vote.deploy.replicas: 'two' is not a whole number of at least 0",
      "compose.yaml:8: unknown key 'endpont_mode' in services.vote.deploy (did you mean 'endpoint_mode'?)",
      "compose.yaml:9: services.vote.ports: port '8000-8010:80': ranges such as 8000-8010 are not supported; publish each port by itself",
      "compose.yaml:9: services.vote.ports: port '80:x': target port 'x' is not a number from 1 to 65535; use one of 8080:80, 8080:80/udp, 127.0.0.1:8080:80, or published=8080,target=80,protocol=tcp,mode=ingress",
      'compose.yaml:9: services.vote.ports: a port needs target, the port in the task',
      "compose.yaml:10: unknown key 'intervall' in services.vote.healthcheck (did you mean 'interval'?)",
      "compose.yaml:10: services.vote.healthcheck.retries: '0' is not a whole number of at least 1",
      "compose.yaml:11: services.vote is on network 'frnt', which 'networks:' does not have (did you mean 'front'?)",
      "compose.yaml:12: services.vote.stop_grace_period: '5' is not a duration: use a number and a unit, such as 500ms, 10s or 1m30s",
      'compose.yaml:13: services.db has no command: say what its tasks run, for example command: python3 -m http.server 80',
      "compose.yaml:15: unknown key 'subnet' in networks.front",
      "compose.yaml:15: networks.front.internal: 'maybe' is neither true nor false",
    ],
  );
});

for (const [name, text, problem] of [
  ['text that is not YAML', 'services:\n  a: [1', /^compose\.yaml:\d: /],
  ['a key twice', 'services:\n  a: { command: x }\n  a: { command: y }\n', /^compose\.yaml:3: Map keys must be unique/],
  ['no services', 'version: "3"\n', /^compose\.yaml:1: there are no services/],
  ['an empty file', '', /^compose\.yaml:1: there are no services/],
  ['a list at the top', '- a\n', /^compose\.yaml:1: the compose file must be a map|^compose\.yaml:1: .* must be a map/],
  ['an open quote', 'services:\n  a:\n    command: sh -c "x\n', /^compose\.yaml:\d: /],
  ['an open quote in a command', "services:\n  a:\n    command: sh -c 'x\n", /^compose\.yaml:3: services\.a\.command: a single quote is not closed/],
  ['a health check that is no check', 'services:\n  a:\n    command: x\n    healthcheck:\n      test: ["curl", "x"]\n', /^compose\.yaml:5: services\.a\.healthcheck\.test must be a text, \[CMD/],
  ['a name that DNS cannot carry', 'services:\n  a.b: { command: x }\n', /^compose\.yaml:2: services\.a\.b: .*has a dot/],
  ['dnsrr with an ingress port', 'services:\n  a: { command: x, ports: ["80:80"], deploy: { endpoint_mode: dnsrr } }\n', /^compose\.yaml:2: services\.a: .*dnsrr/],
  ['an anchor that contains itself', 'services: &a\n  x: { command: *a }\n', /^compose\.yaml:\d: /],
  ['an alias of nothing', 'services:\n  x: { command: *nothing }\n', /^compose\.yaml:\d: /],
] as const) {
  test(`refused: ${name}`, (t) => {
    const [first] = problems(text);
    t.regex(first ?? 'no problem was found', problem);
  });
}

test('anchors and merge keys', (t) => {
  const { request } = compose(`x-common: &common
  environment: { A: "1" }
  stop_grace_period: 3s
x-more: &more { stop_grace_period: 9s, working_dir: /srv }
services:
  a: { <<: *common, command: x }
  b:
    <<: [*common, *more]
    command: y
    environment: { B: "2" }
`);
  t.deepEqual(request.services.map(({ task }) => task), [
    { command: ['x'], env: { A: '1' }, stopGracePeriod: 3000 },
    { command: ['y'], env: { B: '2' }, stopGracePeriod: 3000, workdir: '/srv' },
  ]);
});

test('variables are filled in everywhere but in keys', (t) => {
  const { request, warnings } = compose(
    'services:\n  a:\n    command: ["echo", "$WHO", "${WHO:-x}", "${NO:-d$WHO}", "$$HOME", "${GONE}"]\n    ports: ["${PORT}:80"]\n    deploy: { replicas: "${N-2}" }\n',
    { WHO: 'me', PORT: '8081' },
  );
  t.deepEqual(request.services[0]?.task.command, ['echo', 'me', 'me', 'dme', '$HOME', '']);
  t.is(request.services[0]?.ports[0]?.published, 8081);
  t.is(request.services[0]?.replicas, 2);
  t.deepEqual(warnings, ['compose.yaml:3: variable GONE is not set: nothing is put in its place']);
  t.deepEqual(problems('services:\n  a:\n    command: ${CMD:?say what}\n'), ['compose.yaml:3: variable CMD is required: say what']);
});

test('x-vipmesh: prefix false keeps the names as written', (t) => {
  const { request } = compose('x-vipmesh: { prefix: false }\nservices:\n  vote: { command: x, networks: { n: { aliases: [v] } } }\nnetworks: { n: }\n');
  t.is(request.networks[0]?.name, 'n');
  t.is(request.services[0]?.name, 'vote');
  t.deepEqual(request.services[0]?.networks, [{ network: 'n', aliases: ['v'] }]);
  t.deepEqual(problems('x-vipmesh: { prefx: false }\nservices:\n  vote: { command: x }\n'), ["compose.yaml:1: unknown key 'prefx' in x-vipmesh (did you mean 'prefix'?)"]);
});

test('health checks in every form', (t) => {
  const command = (health: string): readonly string[] | undefined => compose(`services:\n  a:\n    command: x\n    healthcheck: ${health}\n`).request.services[0]?.task.healthcheck?.command;
  t.deepEqual(command('{ test: curl -f x }'), ['sh', '-c', 'curl -f x']);
  t.deepEqual(command('{ test: [CMD-SHELL, "curl -f x || exit 1"] }'), ['sh', '-c', 'curl -f x || exit 1']);
  t.deepEqual(command('{ test: [CMD, curl, x] }'), ['curl', 'x']);
  t.is(command('{ test: [NONE] }'), undefined);
  t.is(command('{ disable: true, test: x }'), undefined);
});

test('IPv6: enabled, with a subnet and gateway of each family in either order', (t) => {
  const file = (more: string): string => `services: { a: { command: [x], networks: [n] } }\nnetworks:\n  n:\n${more}`;
  const spec = (more: string): unknown => compose(file(more)).request.networks[0];
  const plain = { name: 'shop_n', driver: 'overlay', internal: false, labels: { 'vipmesh.stack': 'shop' } };
  t.deepEqual(spec('    enable_ipv6: true\n'), { ...plain, ipv6: true });
  t.deepEqual(spec('    enable_ipv6: false\n'), { ...plain, ipv6: false });
  const both = '    enable_ipv6: true\n    ipam: { config: [{ subnet: "fd00:5::/64", gateway: "fd00:5::9" }, { subnet: 10.5.0.0/24 }] }\n';
  t.deepEqual(spec(both), { ...plain, ipv6: true, subnet: '10.5.0.0/24', subnet6: 'fd00:5::/64', gateway6: 'fd00:5::9' });
  const three = compose(file('    enable_ipv6: true\n    ipam:\n      config:\n        - subnet: fd00:5::/64\n        - subnet: 10.5.0.0/24\n        - subnet: fd00:6::/64\n'));
  t.like(three.request.networks[0], { subnet: '10.5.0.0/24', subnet6: 'fd00:5::/64' });
  t.deepEqual(three.warnings, ['compose.yaml:9: networks.n.ipam.config has several subnets for IPv6: only the first is used']);
  const error = t.throws(() => spec('    ipam: { config: [{ subnet: "fd00:5::/64" }] }\n'));
  t.regex(error?.message ?? '', /compose\.yaml:3: networks\.n: subnet6: 'fd00:5::\/64' is given, but IPv6 is not asked for: .*enable_ipv6: true/);
});
