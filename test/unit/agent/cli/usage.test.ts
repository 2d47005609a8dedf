import test from 'ava';
import { vipmesh } from './command-line.js';

const SOCKET = '/nonexistent/x.sock';

for (const [args, stderr] of [
  [['servce', 'ls'], "vipmesh: unknown command 'servce' (did you mean 'service'?)\n  see 'vipmesh --help'\n"],
  [['service', 'lss'], "vipmesh: unknown command 'lss' (did you mean 'ls'?)\n  see 'vipmesh service --help'\n"],
  [['service', 'ls', '--fromat', 'x'], "vipmesh: unknown option '--fromat' (did you mean '--format'?)\n  see 'vipmesh service ls --help'\n"],
  [['service', 'ls', 'extra'], /^vipmesh: too many arguments/],
  [['up', '--advertise', '--cluster', 'prod', '-d'], "vipmesh: --advertise has no value: '--cluster', which follows it, was taken for one\n  is a variable of your shell empty? See 'vipmesh up --help'\n"],
  [['service', 'inspect'], "vipmesh: missing required argument 'service'\n  see 'vipmesh service inspect --help'\n"],
  [['network', 'create'], "vipmesh: missing required argument 'name'\n  see 'vipmesh network create --help'\n"],
  [['service', 'scale', 'vote'], "vipmesh: 'vote' does not say how many replicas\n  write SERVICE=REPLICAS, for example vote=5\n"],
  [['service', 'scale', 'vote=1', 'vote=2'], 'vipmesh: a service is named twice\n'],
  [['service', 'create', '--', 'x'], 'vipmesh: a service needs --name\n'],
  [['service', 'create', '--name', 'x'], /^vipmesh: a service needs a command\n {2}write it after '--'/],
  [['service', 'create', '--name', 'x', '--alias', 'y', '--', 'z'], 'vipmesh: --alias needs a --network to be an alias on\n'],
  [['service', 'create', '--name', 'x', '--replicas', 'two', '--', 'z'], "vipmesh: --replicas: 'two' is not a whole number of at least 0\n"],
  [['service', 'create', '--name', 'x', '-p', '80:90:100:110', '--', 'z'], /^vipmesh: --publish: port '80:90:100:110' has too many parts/],
  [['service', 'create', '--name', 'x', '--endpoint-mode', 'ipvs', '--', 'z'], /^vipmesh: option '--endpoint-mode <mode>' argument 'ipvs' is invalid\. Allowed choices are vip, dnsrr\.\n/],
  [['service', 'create', '--name', 'x', '--health-interval', '5', '--', 'z'], /^vipmesh: --health-interval: '5' is not a duration/],
  [['service', 'create', '--name', 'x', '--health-interval', '5s', '--', 'z'], /^vipmesh: the --health options need a check to apply to\n {2}add --health-cmd/],
  [['service', 'create', '--name', 'x', '--no-healthcheck', '--health-cmd', 'y', '--', 'z'], /^vipmesh: --no-healthcheck conflicts/],
  [['service', 'create', '--name', 'x', '-e', '=y', '--', 'z'], "vipmesh: '=y' has no name: write KEY=VALUE\n"],
  [['service', 'create', '--name', 'x', '--constraint', 'zone=a', '--', 'z'], /^vipmesh: --constraint: 'zone=a' is not a constraint: write ATTRIBUTE==VALUE/],
  [['service', 'create', '--name', 'x', '--mode', 'global', '--replicas', '2', '--', 'z'], /^vipmesh: --replicas is for --mode replicated[^]*\n {2}leave it out/],
  [['service', 'create', '--name', 'x', '--update-max-failure-ratio', '2', '--', 'z'], "vipmesh: --update-max-failure-ratio: '2' is not a number from 0 to 1\n"],
  [['service', 'update', 'vote'], /^vipmesh: nothing to change\n/],
  [['service', 'ls', '--json', '-q'], 'vipmesh: --json and --quiet cannot be combined\n'],
  [['service', 'ls', '--format', '{{.x'], "vipmesh: --format: '{{' without '}}' at '{{.x'\n"],
  [['service', 'logs', '--tail', '-1', 'x'], /^vipmesh: --tail: '-1' is not a whole number/],
  [['service', 'inspect', '--json', '--format', 'json', 'x'], 'vipmesh: --json and --format cannot be combined\n'],
  [['flows', '--watch', '--interval', '0'], "vipmesh: --interval: '0' is too short: the agent is asked every 100ms at most\n"],
  [['run', '--network', 'n'], /^vipmesh: there is no command to run\n/],
  [['exec', 'task', '--'], /^vipmesh: there is no command to run\n/],
  [['stack', 'deploy', 'x'], /^vipmesh: a stack needs a compose file\n/],
  [['service', 'create', '--name', 'x', '--eject-for', '0s', '--', 'z'], "vipmesh: --eject-for: '0s' is no time at all: to eject nothing, use --eject-after 0\n"],
  [['up', '--workers', '0'], "vipmesh: --workers: '0' is not a whole number from 1 to 8\n"],
  [['up', '--workers', '9'], "vipmesh: --workers: '9' is not a whole number from 1 to 8\n"],
  [['up', '--max-flows', '16777217'], "vipmesh: --max-flows: '16777217' is not a whole number from 1 to 16777216\n"],
  [['up', '--offload-driver', 'nft', '--mark-base', '0xf0100'], 'vipmesh: --mark-base: 0xf0100 is too large for --offload-driver nft\n  choose at most 0xf0000\n'],
  [['up', '--offload-after', '25h'], "vipmesh: --offload-after: '25h' is longer than 24h: to offload nothing, use --offload never\n"],
  [['up', '--mark-base', '0x101'], "vipmesh: --mark-base: '0x101' is not a multiple of 256 from 0x100 to 0x7fff0000\n"],
  [['up', '--store', 'etcd://a'], 'vipmesh: --store needs --cluster: one etcd may hold several clusters\n  add --cluster NAME, the same on every node\n'],
  [['up', '--advertise', '10.0.0.1'], 'vipmesh: --advertise is for a node of a cluster, which needs a store\n  add --store etcd://HOST:2379 and --cluster NAME\n'],
  [['up', '--store', 'consul://a', '--cluster', 'c'], "vipmesh: --store: 'consul://a' is not a store: write etcd://HOST:2379, several members with commas between them\n"],
  [['up', '--store', 'etcd://a', '--cluster', 'C'], /^vipmesh: --cluster: 'C' is not a cluster's name: use 1 to 63 of a-z, 0-9 and '-'/],
  [['up', '--store', 'etcd://a', '--cluster', 'c', '--store-user', 'secret'], 'vipmesh: --store-user: this is not NAME:PASSWORD of an etcd user, on one line\n'],
  [['up', '--store', 'etcd://a', '--cluster', 'c', '--store-user-file', '/nonexistent/x'], 'vipmesh: --store-user-file: /nonexistent/x cannot be read (ENOENT)\n'],
  [['up', '--store', 'etcd://a', '--cluster', 'c', '--advertise', '127.0.0.1'], /^vipmesh: --advertise: 127\.0\.0\.1 is a loopback address/],
  [['up', '--store', 'etcd://a', '--cluster', 'c', '--vxlan-port', '65535'], "vipmesh: --vxlan-port: '65535' is not a whole number from 1 to 65534\n"],
  [['store', 'migrate', '--cluster', 'c'], 'vipmesh: --to is missing\n  add --to etcd://HOST:2379\n'],
  [['store', 'migrate', '--to', 'etcd://a'], 'vipmesh: --to needs --cluster: one etcd may hold several clusters\n  add --cluster NAME, the same on every node\n'],
  [['up', '--mode', 'rootful'], /^vipmesh: option '--mode <mode>' argument 'rootful' is invalid/],
  [['up', '--dns-port', '0'], /^vipmesh: --dns-port: '0'/],
  [['network'], /^vipmesh: 'vipmesh network' needs a command\n[^]*create/],
  [[], /^vipmesh: there is no command\n[^]*network[^]*service/],
] as const) {
  test(`exit code 2: vipmesh ${args.join(' ')}`, async (t) => {
    const run = await vipmesh(args, { socket: SOCKET });
    if (typeof stderr === 'string') t.is(run.stderr, stderr);
    else t.regex(run.stderr, stderr);
    t.is(run.stdout, '');
    t.is(run.code, 2);
  });
}

for (const [args, stdout] of [
  [['--version'], /^vipmesh \d+\.\d+\.\d+\n$/],
  [['version'], /^vipmesh \d+\.\d+\.\d+\n$/],
  [['--help'], /^Usage: vipmesh [^]*Commands:[^]*Examples:\n[^]*Topics:\n {2}vipmesh help format {2}/],
  [['help', 'service'], /^Usage: vipmesh service /],
  [['service', '--help'], /^Usage: vipmesh service [^]*create[^]*scale/],
  [['service', 'create', '--help'], /--stop-grace-period <duration> [^-]*\(default: 10s\)[^]*Examples:\n {2}vipmesh service create /],
  [['service', 'ls', '-h'], /--format takes a template [^]*'\$\.spec\.name'[^]*'vipmesh help format'/],
  [['help', 'format'], /^--format [^]*\$\.vips\[0\]\.address/],
  [['help', 'service', 'ls'], /^Usage: vipmesh service ls\|list \[options\]\n/],
] as const) {
  test(`help: vipmesh ${args.join(' ')}`, async (t) => {
    const run = await vipmesh(args, { socket: SOCKET });
    t.regex(run.stdout, stdout);
    t.is(run.stderr, '');
    t.is(run.code, 0);
  });
}

test('no line of what is written by hand is too long for a terminal', async (t) => {
  const { program } = await import('../../../../agent/cli/program.js');
  const { commands, topics, notes } = program('0');
  const texts = [notes, ...topics.map(({ text }) => text), ...commands.flatMap((item) => ('commands' in item ? item.commands : [item])).map((item) => item.notes ?? '')];
  t.deepEqual(texts.join('\n').split('\n').filter((line) => line.length > 84), []);
});

test('every command explains itself, with an example', async (t) => {
  const { program } = await import('../../../../agent/cli/program.js');
  const lacking = program('0').commands.flatMap((item) => ('commands' in item ? item.commands : [item])).filter(({ purpose, examples }) => purpose === '' || (examples ?? []).length === 0);
  t.deepEqual(lacking.map(({ name }) => name), []);
});
