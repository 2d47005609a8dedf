import test from 'ava';
import { DEFAULT_BALANCING, SCHEDULERS } from '../../../../overlay/model/balancing.js';
import { DEFAULT_DEPLOYMENT } from '../../../../overlay/model/updates.js';
import { ValidationError } from '../../../../overlay/model/errors.js';
import { MAX_REPLICAS, attachmentsSchema, check, validateNetworkSpec, validateReplicas, validateServiceSpec, validateTaskSpec } from '../../../../overlay/model/validate.js';

type Issues = Record<string, string>;

function issuesOf(validate: (input: unknown) => unknown, input: unknown): Issues {
  try {
    validate(input);
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    if (error.message !== error.issues.map(({ message }) => message).join('\n')) throw new Error('the message is not the issues');
    return Object.fromEntries(error.issues.map(({ path, message }) => [path, message]));
  }
  return {};
}

const service = (more: object): object => ({ name: 'vote', task: { command: ['httpd'] }, ...more });
const task = (more: object): object => ({ command: ['httpd'], ...more });

test('a network is completed with defaults', (t) => {
  t.deepEqual(validateNetworkSpec({ name: 'overlay1' }), { name: 'overlay1', driver: 'overlay', ipv6: false, internal: false, labels: {} });
  const full = { name: 'a.b-c_D', driver: 'overlay', subnet: '192.168.7.0/29', gateway: '192.168.7.6', ipv6: true, subnet6: 'fd00:7::/64', gateway6: 'fd00:7::fe', internal: true, labels: { k: 'v' } } as const;
  t.deepEqual(validateNetworkSpec(full), full);
});

test('a service is completed with defaults', (t) => {
  t.deepEqual(validateServiceSpec({ name: 'vote', task: { command: ['httpd'] } }), {
    name: 'vote', labels: {}, networks: [], replicas: 1, endpointMode: 'vip', ports: [],
    task: { command: ['httpd'], env: {}, stopGracePeriod: 10_000 },
    restart: { condition: 'any', delay: 1000 },
    balancing: DEFAULT_BALANCING, ...DEFAULT_DEPLOYMENT,
  });
});

test('every part of a service is completed by itself', (t) => {
  const spec = validateServiceSpec(service({
    networks: [{ network: 'n1' }, { network: '0123456789ab', aliases: ['x'] }],
    ports: [{ target: 80 }, { target: 53, published: 53, protocol: 'udp', mode: 'host', address: '0.0.0.0' }],
    restart: { maxAttempts: 3 },
    task: task({ healthcheck: { command: ['true'], interval: '1m30s' }, stopGracePeriod: 0, workdir: '/srv', env: { A: '', B: 'x=y' } }),
  }));
  t.deepEqual(spec.networks, [{ network: 'n1', aliases: [] }, { network: '0123456789ab', aliases: ['x'] }]);
  t.deepEqual(spec.ports, [{ target: 80, protocol: 'tcp', mode: 'ingress' }, { target: 53, published: 53, protocol: 'udp', mode: 'host' }]);
  t.deepEqual(spec.restart, { condition: 'any', delay: 1000, maxAttempts: 3 });
  t.deepEqual(spec.task, {
    command: ['httpd'], env: { A: '', B: 'x=y' }, workdir: '/srv', stopGracePeriod: 0,
    healthcheck: { command: ['true'], interval: 90_000, timeout: 30_000, retries: 3, startPeriod: 0 },
  });
});

test('what was validated is valid, and says the same', (t) => {
  const spec = validateServiceSpec(service({ ports: [{ target: 80 }], task: task({ healthcheck: { command: ['true'] } }) }));
  t.deepEqual(validateServiceSpec(JSON.parse(JSON.stringify(spec))), spec);
});

/** path, then what the message must hold: the value and the remedy. */
type Case = readonly [what: string, input: object, path: string, ...parts: string[]];

const networks: readonly Case[] = [
  ['a name with a space', { name: 'a b' }, 'name', "'a b'", 'letters, digits'],
  ['a name that begins with a dot', { name: '.a' }, 'name', "'.a'"],
  ['a name of 64 characters', { name: 'a'.repeat(64) }, 'name', '1 to 63'],
  ['the reserved name', { name: 'ingress' }, 'name', "'ingress'", 'another name'],
  ['a name like an id', { name: '0123456789ab' }, 'name', "'0123456789ab'", 'another name'],
  ['no name', {}, 'name', 'is missing'],
  ['another driver', { name: 'a', driver: 'bridge' }, 'driver', '"bridge"', 'overlay'],
  ['a subnet with host bits', { name: 'a', subnet: '10.1.1.1/24' }, 'subnet', "'10.1.1.1/24'", '10.1.1.0/24'],
  ['a subnet that is none', { name: 'a', subnet: 'x' }, 'subnet', "'x'", '10.0.1.0/24'],
  ['a subnet that is too large', { name: 'a', subnet: '10.0.0.0/7' }, 'subnet', '/8 to /29'],
  ['a subnet that is too small', { name: 'a', subnet: '10.0.0.0/30' }, 'subnet', '/8 to /29'],
  ['a loopback subnet', { name: 'a', subnet: '127.5.0.0/16' }, 'subnet', '127.0.0.0/8', 'private subnet'],
  ['a loopback subnet that is larger than the pool of mode sockets', { name: 'a', subnet: '127.0.0.0/9' }, 'subnet', '127.0.0.0/8'],
  ['a multicast subnet', { name: 'a', subnet: '239.0.0.0/24' }, 'subnet', '224.0.0.0/3'],
  ['a gateway outside', { name: 'a', subnet: '10.5.0.0/24', gateway: '10.5.1.1' }, 'gateway', "'10.5.1.1'", '10.5.0.0/24'],
  ['the network address as gateway', { name: 'a', subnet: '10.5.0.0/24', gateway: '10.5.0.0' }, 'gateway', 'network address'],
  ['the broadcast address as gateway', { name: 'a', subnet: '200.5.0.0/24', gateway: '200.5.0.255' }, 'gateway', 'broadcast address'],
  ['a gateway without a subnet', { name: 'a', gateway: '10.5.0.1' }, 'gateway', 'give the subnet'],
  ['a gateway that is no address', { name: 'a', subnet: '10.5.0.0/24', gateway: 'x' }, 'gateway', "'x'"],
  ['an IPv6 subnet without IPv6', { name: 'a', subnet6: 'fd00:1::/64' }, 'subnet6', "'fd00:1::/64'", '--ipv6', 'enable_ipv6: true'],
  ['an IPv6 gateway without IPv6', { name: 'a', ipv6: false, gateway6: 'fd00:1::1' }, 'gateway6', "'fd00:1::1'", '--ipv6'],
  ['an IPv6 subnet with host bits', { name: 'a', ipv6: true, subnet6: 'fd00:1::1/64' }, 'subnet6', "'fd00:1::1/64'", 'fd00:1::/64'],
  ['an IPv6 subnet that is none', { name: 'a', ipv6: true, subnet6: '10.0.1.0/24' }, 'subnet6', "'10.0.1.0/24'", 'fd00:1::/64'],
  ['an IPv6 subnet that is too large', { name: 'a', ipv6: true, subnet6: 'fc00::/7' }, 'subnet6', '/8 to /120'],
  ['an IPv6 subnet that is too small', { name: 'a', ipv6: true, subnet6: 'fd00::/121' }, 'subnet6', '/8 to /120'],
  ['a link-local subnet', { name: 'a', ipv6: true, subnet6: 'fe80::/64' }, 'subnet6', 'fe80::/10', 'unique local'],
  ['an IPv6 multicast subnet', { name: 'a', ipv6: true, subnet6: 'ff05::/64' }, 'subnet6', 'ff00::/8'],
  ['a subnet of IPv4 in IPv6', { name: 'a', ipv6: true, subnet6: '::ffff:0:0/96' }, 'subnet6', '::/8'],
  ['an IPv6 subnet for IPv4', { name: 'a', ipv6: true, subnet: 'fd00:1::/64' }, 'subnet', "'fd00:1::/64'", 'subnet6'],
  ['an IPv6 gateway outside', { name: 'a', ipv6: true, subnet6: 'fd00:1::/64', gateway6: 'fd00:2::1' }, 'gateway6', "'fd00:2::1'", 'fd00:1::/64'],
  ['the network address as IPv6 gateway', { name: 'a', ipv6: true, subnet6: 'fd00:1::/64', gateway6: 'fd00:1::' }, 'gateway6', 'network address'],
  ['an IPv6 gateway without a subnet', { name: 'a', ipv6: true, gateway6: 'fd00:1::1' }, 'gateway6', 'give the subnet'],
  ['an IPv6 gateway that is no address', { name: 'a', ipv6: true, subnet6: 'fd00:1::/64', gateway6: '10.0.1.1' }, 'gateway6', "'10.0.1.1'"],
  ['ipv6 as text', { name: 'a', ipv6: 'yes' }, 'ipv6', '"yes"', 'true or false'],
  ['an unknown key', { name: 'a', attachable: true }, '', "'attachable'", 'spelling'],
  ['a label that is not text', { name: 'a', labels: { k: 1 } }, 'labels.k', '1 is not text'],
  ['internal as text', { name: 'a', internal: 'yes' }, 'internal', '"yes"', 'true or false'],
];
for (const [what, input, path, ...parts] of networks) {
  test(`network, ${what}`, (t) => {
    const issues = issuesOf(validateNetworkSpec, input);
    t.deepEqual(Object.keys(issues), [path]);
    for (const part of [path === '' ? 'input:' : `${path}:`, ...parts]) t.true(issues[path]?.includes(part), issues[path]);
  });
}

const services: readonly Case[] = [
  ['a dot in the name', service({ name: 'a.b' }), 'name', "'a.b'", "use '-'"],
  ['a name that ends in a hyphen', service({ name: 'a-' }), 'name', "'a-'", 'DNS label'],
  ['a name of 64 characters', service({ name: 'a'.repeat(64) }), 'name', '1 to 63'],
  ['too many replicas', service({ replicas: MAX_REPLICAS + 1 }), 'replicas', '1001', '1000 or less'],
  ['negative replicas', service({ replicas: -1 }), 'replicas', '-1', '0 or more'],
  ['half a replica', service({ replicas: 0.5 }), 'replicas', '0.5', 'whole number'],
  ['an unknown endpoint mode', service({ endpointMode: 'anycast' }), 'endpointMode', '"anycast"', 'vip, dnsrr'],
  ['no command', service({ task: {} }), 'task.command', 'is missing'],
  ['an empty command', service({ task: { command: [] } }), 'task.command', 'give the program'],
  ['an empty program', service({ task: { command: ['', 'x'] } }), 'task.command', 'first element'],
  ['a NUL in an argument', service({ task: { command: ['a', 'b\0'] } }), 'task.command[1]', 'NUL'],
  ['a number as an argument', service({ task: { command: ['a', 1] } }), 'task.command[1]', '1 is not text'],
  ['an equals sign in a variable', service({ task: task({ env: { 'A=B': 'c' } }) }), 'task.env.A=B', "'A=B'"],
  ['a variable without a name', service({ task: task({ env: { '': 'c' } }) }), 'task.env.', 'not be empty'],
  ['a NUL in a variable', service({ task: task({ env: { A: '\0' } }) }), 'task.env.A', 'NUL'],
  ['a relative directory', service({ task: task({ workdir: 'srv' }) }), 'task.workdir', "'srv'", "begin it with '/'"],
  ['a negative duration', service({ task: task({ stopGracePeriod: -5 }) }), 'task.stopGracePeriod', '-5', '10s'],
  ['a duration without a unit', service({ task: task({ stopGracePeriod: '5' }) }), 'task.stopGracePeriod', "'5'", '10s'],
  ['an interval of nothing', service({ task: task({ healthcheck: { command: ['true'], interval: 0 } }) }), 'task.healthcheck.interval', 'at least 1 ms'],
  ['a health check without retries', service({ task: task({ healthcheck: { command: ['true'], retries: 0 } }) }), 'task.healthcheck.retries', '1 or more'],
  ['no restarts at all', service({ restart: { maxAttempts: 0 } }), 'restart.maxAttempts', '1 or more'],
  ['a network named twice', service({ networks: [{ network: 'a' }, { network: 'b' }, { network: 'a' }] }), 'networks[2].network', "'a'", 'once'],
  ['the ingress network', service({ networks: [{ network: 'ingress' }] }), 'networks[0].network', "'ingress'", 'by themselves'],
  ['an alias that is no label', service({ networks: [{ network: 'a', aliases: ['x.y'] }] }), 'networks[0].aliases[0]', "'x.y'"],
  ['a port of 0', service({ ports: [{ target: 0 }] }), 'ports[0].target', '0 is less than 1'],
  ['a port as text', service({ ports: [{ target: '80' }] }), 'ports[0].target', '"80"'],
  ['a host name to publish on', service({ ports: [{ target: 80, address: 'localhost' }] }), 'ports[0].address', "'localhost'", '127.0.0.1'],
  ['a port published twice', service({ ports: [{ target: 80, published: 8080 }, { target: 81, published: 8080 }] }), 'ports[1]', '8080:81', '8080:80', 'once'],
  ['the PROXY protocol over UDP', service({ ports: [{ target: 53, protocol: 'udp', proxyProtocol: 'v2' }] }), 'ports[0].proxyProtocol', 'udp has none', 'leave proxy-protocol out'],
  ['a port published on all and on one', service({ ports: [{ target: 80, published: 8080 }, { target: 81, published: 8080, address: '127.0.0.1' }] }), 'ports[1]', 'once'],
  ['ingress publishing with dnsrr', service({ endpointMode: 'dnsrr', ports: [{ target: 80, mode: 'host' }, { target: 81 }] }), 'ports[1].mode', 'mode=host', 'endpoint mode vip'],
  ['an unknown scheduler', service({ balancing: { scheduler: 'nq' } }), 'balancing.scheduler', '"nq"', 'rr, wrr, lc, wlc, sh, mh'],
  ['a weight beyond 16 bits', service({ balancing: { scheduler: 'wrr', weight: 65_536 } }), 'balancing.weight', '65536', '65535 or less'],
  ['a weight beyond 16 bits, for rr', service({ balancing: { slotWeights: { 1: 70_000 } } }), 'balancing.slotWeights.1', '65535 or less'],
  ['a weight below 0', service({ balancing: { scheduler: 'wrr', slotWeights: { 1: -1 } } }), 'balancing.slotWeights.1', '0 or more'],
  ['a weight of slot 0', service({ balancing: { slotWeights: { 0: 1 } } }), 'balancing.slotWeights.0', "'0'", '1 to 1000'],
  ['a weight of a slot by name', service({ balancing: { slotWeights: { all: 1 } } }), 'balancing.slotWeights.all', "'all'"],
  ['weights for rr', service({ balancing: { slotWeights: { 1: 3 } } }), 'balancing.slotWeights', 'rr does not look at weights', 'wrr', 'takes away those of single ones (--endpoint-weight 1)'],
  ['a time of no length to be ejected for', service({ balancing: { ejectFor: 0 } }), 'balancing.ejectFor', '0s', '--eject-after 0'],
  ['weights for lc', service({ balancing: { scheduler: 'lc', weight: 3 } }), 'balancing.weight', 'lc does not look at weights', 'wlc'],
  ['slow start with sh', service({ balancing: { scheduler: 'sh', slowStart: '10s' } }), 'balancing.slowStart', 'scheduler sh', 'leave one of them out'],
  ['slow start with mh', service({ balancing: { scheduler: 'mh', slowStart: 1 } }), 'balancing.slowStart', 'scheduler mh'],
  ['slow start of two days', service({ balancing: { slowStart: '48h' } }), 'balancing.slowStart', '48h is more than 24h'],
  ['affinity to a cookie', service({ balancing: { affinity: 'cookie' } }), 'balancing.affinity', '"cookie"', 'client-ip'],
  ['affinity for no time', service({ balancing: { affinity: 'client-ip', affinityTimeout: 0 } }), 'balancing.affinityTimeout', '0s', '1s to 24h'],
  ['affinity for half seconds', service({ balancing: { affinity: 'client-ip', affinityTimeout: 1500 } }), 'balancing.affinityTimeout', '1.5s', 'whole number of seconds'],
  ['a UDP time-out that is too short', service({ balancing: { timeouts: { udp: '119s' } } }), 'balancing.timeouts.udp', '1m59s is less than 120s', 'RFC 4787, REQ-5'],
  ['an ICMP time-out that is too short', service({ balancing: { timeouts: { icmp: '59s' } } }), 'balancing.timeouts.icmp', 'RFC 5508'],
  ['established for a moment', service({ balancing: { timeouts: { established: 9000 } } }), 'balancing.timeouts.established', '9s is less than 10s', 'wait for an answer'],
  ['transitory for a moment', service({ balancing: { timeouts: { transitory: 9000 } } }), 'balancing.timeouts.transitory', '9s is less than 10s', 'SYN'],
  ['a time-out beyond the wheel', service({ balancing: { timeouts: { established: '8001s' } } }), 'balancing.timeouts.established', '2h13m21s is more than 8000s'],
  ['a time-out of half seconds', service({ balancing: { timeouts: { closed: 1500 } } }), 'balancing.timeouts.closed', 'whole number of seconds'],
  ['an unknown time-out', service({ balancing: { timeouts: { tcp: 1 } } }), 'balancing.timeouts', "'tcp'"],
  ['unknown balancing', service({ balancing: { algorithm: 'rr' } }), 'balancing', "'algorithm'"],
  ['half a connection', service({ balancing: { maxConns: 0.5 } }), 'balancing.maxConns', 'whole number'],
  ['a negative drain', service({ balancing: { drainTimeout: -1 } }), 'balancing.drainTimeout', '-1'],
  ['balancing where nothing balances', service({ endpointMode: 'dnsrr', balancing: { maxConns: 5 } }), 'balancing.maxConns', 'endpoint mode dnsrr', 'leave it out'],
  ['unknown keys', service({ image: 'x', scale: 1 }), '', "'image', 'scale'", 'spelling'],
];
for (const [what, input, path, ...parts] of services) {
  test(`service, ${what}`, (t) => {
    const issues = issuesOf(validateServiceSpec, input);
    t.deepEqual(Object.keys(issues), [path]);
    for (const part of [path === '' ? 'input:' : `${path}:`, ...parts]) t.true(issues[path]?.includes(part), issues[path]);
  });
}

test('balancing is completed field by field', (t) => {
  const { balancing } = validateServiceSpec(service({ balancing: { scheduler: 'wlc', slotWeights: { 2: 0, 1000: 65_535 }, timeouts: { udp: '2m' }, drainTimeout: '5s', slowStart: '1500ms' } }));
  t.deepEqual(balancing, {
    ...DEFAULT_BALANCING, scheduler: 'wlc', slotWeights: { 2: 0, 1000: 65_535 }, timeouts: { ...DEFAULT_BALANCING.timeouts, udp: 120_000 }, drainTimeout: 5000, slowStart: 1500,
  });
});

test('the bounds themselves are allowed, and weight 0 with every scheduler', (t) => {
  const timeouts = { established: 8_000_000, transitory: 10_000, closed: 1000, udp: 120_000, icmp: 60_000 };
  t.deepEqual(validateServiceSpec(service({ balancing: { timeouts } })).balancing.timeouts, timeouts);
  for (const scheduler of SCHEDULERS) t.deepEqual(issuesOf(validateServiceSpec, service({ balancing: { scheduler, weight: 1, slotWeights: { 1: 0 } } })), {});
});

test('where a port is published, dnsrr has something to balance', (t) => {
  t.deepEqual(issuesOf(validateServiceSpec, service({ endpointMode: 'dnsrr', ports: [{ target: 80, mode: 'host' }], balancing: { maxConns: 5 } })), {});
  const several = issuesOf(validateServiceSpec, service({ endpointMode: 'dnsrr', balancing: { scheduler: 'wrr', drainTimeout: 1, timeouts: { udp: '2m' } } }));
  t.deepEqual(Object.keys(several).sort(), ['balancing.drainTimeout', 'balancing.scheduler', 'balancing.timeouts']);
});

test('ports that do not collide', (t) => {
  const ports = [
    { target: 80, published: 8080, address: '127.0.0.1' }, { target: 80, published: 8080, address: '127.0.0.2' },
    { target: 80, published: 8080, protocol: 'udp' }, { target: 80 }, { target: 80 },
  ];
  t.is(validateServiceSpec(service({ ports })).ports.length, 5);
});

test('all problems are told at once, also rules across fields beside broken ones', (t) => {
  const input = {
    name: 'a.b', replicas: 'x', colour: 1, endpointMode: 'dnsrr',
    task: { command: [], env: { 'A=': 'x', B: 1 } },
    networks: [{ network: 'n' }, { network: 'n', aliases: [1] }],
    ports: [{ target: 80, mode: 'ingress', address: 'x' }],
  };
  t.deepEqual(Object.keys(issuesOf(validateServiceSpec, input)).sort(), [
    '', 'name', 'networks[1].aliases[0]', 'networks[1].network', 'ports[0].address', 'ports[0].mode', 'replicas', 'task.command', 'task.env.A=', 'task.env.B',
  ]);
});

for (const input of [null, undefined, 1, 'x', [], true]) {
  test(`${JSON.stringify(input)} is not a spec`, (t) => {
    for (const validate of [validateNetworkSpec, validateServiceSpec, validateTaskSpec]) t.true('' in issuesOf(validate, input));
  });
}

test('ports that are not published, each once; and subnets of mode sockets', (t) => {
  t.deepEqual(validateServiceSpec(service({ expose: [{ port: 80 }, { port: 80, protocol: 'udp' }] })).expose, [{ port: 80, protocol: 'tcp' }, { port: 80, protocol: 'udp' }]);
  t.false('expose' in validateServiceSpec(service({})));
  t.regex(issuesOf(validateServiceSpec, service({ expose: [{ port: 80 }, { port: 80, protocol: 'tcp' }] }))['expose[1]'] ?? '', /80\/tcp is named twice/);
  t.truthy(issuesOf(validateServiceSpec, service({ expose: [{ port: 0 }] }))['expose[0].port']);
  t.is(validateNetworkSpec({ name: 'a', subnet: '127.64.0.0/16' }).subnet, '127.64.0.0/16');
});

test('replicas by themselves', (t) => {
  t.is(validateReplicas(0), 0);
  t.is(validateReplicas(MAX_REPLICAS), MAX_REPLICAS);
  for (const bad of [-1, 1.5, '3', NaN, Infinity, null, undefined]) t.deepEqual(Object.keys(issuesOf(validateReplicas, bad)), ['replicas']);
});

test('attachments by themselves, for one-off tasks', (t) => {
  t.deepEqual(check(attachmentsSchema, [{ network: 'a' }]), [{ network: 'a', aliases: [] }]);
  t.deepEqual(Object.keys(issuesOf((input) => check(attachmentsSchema, input), [{ network: 'a' }, {}])), ['[1].network']);
});
