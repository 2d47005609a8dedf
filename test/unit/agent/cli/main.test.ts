import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import { DEFAULT_DEPLOYMENT } from '../../../../overlay/model/updates.js';
import { pollUntil } from '../../../support/poll-until.js';
import { startApi } from '../api/api-under-test.js';
import type { ApiUnderTest } from '../api/api-under-test.js';
import { MAIN, vipmesh } from './command-line.js';
import type { CommandOptions, Finished } from './command-line.js';

type Run = (...args: string[]) => Promise<Finished>;

async function start(t: ExecutionContext, options: CommandOptions = {}): Promise<ApiUnderTest & { run: Run }> {
  const api = await startApi(t);
  return { ...api, run: (...args) => vipmesh(args, { socket: api.socketPath, ...options }) };
}

async function ok(t: ExecutionContext, run: Promise<Finished>): Promise<string> {
  const { stdout, stderr, code } = await run;
  t.is(stderr, '');
  t.is(code, 0);
  return stdout;
}

test('a network with IPv6: one subnet and one gateway of each family', async (t) => {
  const { run, control } = await start(t);
  const given = ['--subnet', 'fd00:9::/64', '--gateway', '10.0.9.9', '--subnet', '10.0.9.0/24', '--gateway', 'fd00:9::9'];
  await ok(t, run('network', 'create', '--ipv6', ...given, 'dual'));
  t.like(control.networkList[0]?.spec, { ipv6: true, subnet: '10.0.9.0/24', gateway: '10.0.9.9', subnet6: 'fd00:9::/64', gateway6: 'fd00:9::9' });
  await ok(t, run('network', 'create', 'plain'));
  t.false(control.networkList[1]?.spec.ipv6);
  const twice = await run('network', 'create', '--ipv6', '--subnet', 'fd00:1::/64', '--subnet', 'fd00:2::/64', 'x');
  t.like(twice, { stderr: 'vipmesh: --subnet is given 2 times for IPv6 (fd00:1::/64, fd00:2::/64): give one of each family\n' });
  const without = await run('network', 'create', '--subnet', 'fd00:1::/64', 'x');
  t.regex(without.stderr, /^vipmesh: --subnet: 'fd00:1::\/64' is given, but IPv6 is not asked for: turn it on \(--ipv6;/);
  t.is(control.networkList.length, 2);
});

test('networks from create to rm', async (t) => {
  const { run, control } = await start(t);
  const id = (await ok(t, run('network', 'create', '--subnet', '10.0.9.0/24', '--label', 'a=b', '--internal', '--opt', 'encrypted', 'overlay1'))).trim();
  t.like(control.networkList[0], { id, spec: { name: 'overlay1', subnet: '10.0.9.0/24', internal: true, encrypted: true, labels: { a: 'b' } } });
  t.is(await ok(t, run('network', 'ls')), `ID             NAME       DRIVER    SUBNET        VNI    INTERNAL\n${id}   overlay1   overlay   10.0.9.0/24   4097   true\n`);
  t.is(await ok(t, run('network', 'ls', '-q')), `${id}\n`);
  t.like(JSON.parse(await ok(t, run('network', 'ls', '--json'))), [{ id }]);
  t.is(await ok(t, run('network', 'inspect', '--format', '$.subnet', 'overlay1')), '10.0.9.0/24\n');
  t.is(await ok(t, run('network', 'rm', 'overlay1')), 'overlay1\n');
  t.deepEqual(control.networkList, []);
});

test('service create: every option arrives; the id is printed', async (t) => {
  const { run, control } = await start(t, { env: { FROM_ENV: 'yes' } });
  await ok(t, run('network', 'create', 'overlay1'));
  const args = [
    '--name', 'vote', '--network', 'overlay1', '--alias', 'ballot', '--replicas', '2', '-p', '8080:80', '-p', 'published=53,target=53,protocol=udp,mode=host',
    '-e', 'A=1', '--env', 'FROM_ENV', '-l', 'tier=web', '-w', '/srv', '--stop-grace-period', '1m30s', '--health-cmd', 'curl -f x | grep y', '--health-interval', '5s',
    '--health-timeout', '2s', '--health-retries', '4', '--health-start-period', '100ms', '--restart-condition', 'on-failure', '--restart-delay', '2s', '--restart-max-attempts', '7',
    '--scheduler', 'wlc', '--endpoint-weight', '4', '--endpoint-weight', '2=0', '--affinity', 'client-ip,timeout=1h', '--prefer', 'local', '--slow-start', '5s', '--max-conns', '9',
    '--eject-after', '2', '--eject-for', '1m', '--flow-timeout', 'udp=2m,icmp=61s', '--flow-timeout', 'established=1h', '--drain-timeout', '0',
    '--constraint', 'node.labels.zone == a', '--constraint', 'node.hostname!=n1', '--placement-pref', 'node.labels.rack', '--update-parallelism', '2', '--update-delay', '10s',
    '--update-order', 'start-first', '--update-monitor', '1m', '--update-failure-action', 'continue', '--update-max-failure-ratio', '0.5', '--rollback-parallelism', '0', '--rollback-failure-action', 'continue',
  ];
  const id = (await ok(t, run('service', 'create', ...args, '--', 'sh', '-c', 'exec x --name y'))).trim();
  t.is(control.serviceList[0]?.id, id);
  t.deepEqual(control.serviceList[0]?.spec, {
    name: 'vote',
    labels: { tier: 'web' },
    task: {
      command: ['sh', '-c', 'exec x --name y'],
      env: { A: '1', FROM_ENV: 'yes' },
      workdir: '/srv',
      healthcheck: { command: ['sh', '-c', 'curl -f x | grep y'], interval: 5000, timeout: 2000, retries: 4, startPeriod: 100 },
      stopGracePeriod: 90_000,
    },
    networks: [{ network: 'overlay1', aliases: ['ballot'] }],
    replicas: 2,
    endpointMode: 'vip',
    ports: [
      { published: 8080, target: 80, protocol: 'tcp', mode: 'ingress' },
      { published: 53, target: 53, protocol: 'udp', mode: 'host' },
    ],
    restart: { condition: 'on-failure', delay: 2000, maxAttempts: 7 },
    balancing: {
      scheduler: 'wlc', weight: 4, slotWeights: { 2: 0 }, affinity: 'client-ip', affinityTimeout: 3_600_000, prefer: 'local', slowStart: 5000, maxConns: 9, ejectAfter: 2, ejectFor: 60_000,
      timeouts: { established: 3_600_000, transitory: 240_000, closed: 10_000, udp: 120_000, icmp: 61_000 }, drainTimeout: 0,
    },
    mode: 'replicated',
    placement: { constraints: ['node.labels.zone==a', 'node.hostname!=n1'], preferences: ['spread=node.labels.rack'] },
    update: { parallelism: 2, delay: 10_000, order: 'start-first', monitor: 60_000, failureAction: 'continue', maxFailureRatio: 0.5 },
    rollback: { ...DEFAULT_DEPLOYMENT.rollback, parallelism: 0, failureAction: 'continue' },
  });
});

test('services: list, tasks, formats, scale, update, logs, remove', async (t) => {
  const { run, control } = await start(t);
  await ok(t, run('network', 'create', 'overlay1'));
  const id = (await ok(t, run('service', 'create', '--name', 'vote', '--network', 'overlay1', '--replicas', '2', '-p', '8080:80', 'sleep', '-x'))).trim();
  t.deepEqual(control.serviceList[0]?.spec.task.command, ['sleep', '-x']);
  t.is(await ok(t, run('service', 'ls')), `ID             NAME   MODE   REPLICAS   VIP        PORTS\n${id}   vote   vip    2/2        10.0.1.2   *:8080->80/tcp\n`);
  t.is(await ok(t, run('service', 'ls', '--format', '{{.Name}}\\t{{.Replicas}}')), 'vote\t2/2\n');
  t.is(await ok(t, run('service', 'inspect', '--format', '{{range .Vips}}{{.Address}}{{end}} {{json .Spec.Name}}', 'vote')), '10.0.1.2 "vote"\n');
  t.is(await ok(t, run('service', 'inspect', 'vote', '--format', '$.vips[0].address')), '10.0.1.2\n');
  t.deepEqual(await run('service', 'ls', '--format', '$[0].name'), { stdout: '', stderr: "vipmesh: --format: '$[0].name' fits nothing: the path is applied to each item; see --json for the fields\n", code: 1 });
  t.like(JSON.parse(await ok(t, run('service', 'inspect', 'vote'))), [{ id, running: 2 }]);
  const lines = (await ok(t, run('service', 'ps', 'vote'))).trimEnd().split('\n');
  t.is(lines.length, 3);
  t.regex(lines[1] ?? '', /^[0-9a-f]{12} {3}vote\.1\.[0-9a-f]{12} {3}host1 {3}Running {3}Running \d+ (months|years) ago {10,}10\.0\.1\.100 {3}1001$/);
  t.is(await ok(t, run('service', 'scale', 'vote=5')), 'vote scaled to 5\n');
  t.is(control.taskList.length, 5);
  t.is(await ok(t, run('service', 'update', '--env-add', 'A=1', '--publish-rm', '80', 'vote', '--', 'sleep', '9')), 'vote\n');
  t.like(control.serviceList[0]?.spec, { task: { command: ['sleep', '9'], env: { A: '1' } }, ports: [] });
  t.is(await ok(t, run('service', 'rollback', 'vote')), 'vote\n');
  t.like(control.serviceList[0]?.spec, { task: { command: ['sleep', '-x'] }, ports: [{ published: 8080 }] });
  await ok(t, run('service', 'update', '--publish-rm', '80', 'vote', '--', 'sleep', '9'));
  control.logLines.push({ task: 'vote.1.aaaaaaaaaaa3', line: 'one' }, { task: 'vote.10.aaaaaaaaaaa4', line: 'two' });
  t.is(await ok(t, run('service', 'logs', 'vote')), 'vote.1.aaaaaaaaaaa3 | one\nvote.10.aaaaaaaaaaa4 | two\n');
  t.is(await ok(t, run('service', 'logs', '--tail', '1', 'vote')), 'vote.10.aaaaaaaaaaa4 | two\n');
  t.is(await ok(t, run('service', 'rm', 'vote')), 'vote\n');
  t.is(await ok(t, run('service', 'ls', '-q')), '');
});

test('a service whose tasks fail, or do not come up in time, is a failure with a remedy; --detach does not wait', async (t) => {
  const { run, control } = await start(t);
  control.newTaskState = 'failed';
  const failed = await run('service', 'create', '--name', 'bad', '--restart-condition', 'none', '--', 'nosuch');
  t.is(failed.code, 1);
  t.regex(failed.stdout, /^[0-9a-f]{12}\n$/);
  t.regex(failed.stderr, /^vipmesh: bad\.1\.[0-9a-f]{12} does not start: nosuch: command not found\n {2}see 'vipmesh service ps bad'/);
  t.is(await ok(t, run('service', 'ps', '--running', '-q', 'bad')), '');
  t.regex(await ok(t, run('service', 'ps', '-q', 'bad')), /^[0-9a-f]{12}\n$/);
  control.newTaskState = 'starting';
  const late = await run('service', 'create', '--name', 'late', '--timeout', '1ms', '--', 'x');
  t.is(late.code, 1);
  t.regex(late.stderr, /^vipmesh: service late: 0 of 1 tasks run after 1ms\n {2}the agent goes on trying; see /);
  t.is((await run('service', 'create', '--name', 'detached', '-d', '--', 'x')).code, 0);
});

test('run and exec: streams, exit codes, environment', async (t) => {
  const { run, socketPath } = await start(t);
  await ok(t, run('network', 'create', 'overlay1'));
  t.deepEqual(await run('run', '--rm', '--network', 'overlay1', '-e', 'WHO=me', '--', 'sh', '-c', 'echo $WHO; echo err >&2; exit 7'), { stdout: 'me\n', stderr: 'err\n', code: 7 });
  t.deepEqual(await vipmesh(['run', '-i', '--', 'tr', 'a-z', 'A-Z'], { socket: socketPath, stdin: 'hello\n' }), { stdout: 'HELLO\n', stderr: '', code: 0 });
  t.deepEqual(await vipmesh(['run', '--', 'cat'], { socket: socketPath, stdin: 'not delivered' }), { stdout: '', stderr: '', code: 0 });
  await ok(t, run('service', 'create', '--name', 'vote', '--', 'x'));
  const task = (await ok(t, run('task', 'ls', '-q'))).trim();
  t.deepEqual(await run('exec', task, '--', 'sh', '-c', 'exit 3'), { stdout: '', stderr: '', code: 3 });
  t.deepEqual(await run('exec', task, 'echo', '--rm', '-it'), { stdout: '--rm -it\n', stderr: '', code: 0 });
  t.deepEqual(await run('run', '-t', '--', 'true'), { stdout: '', stderr: 'vipmesh: -t needs a terminal, and this input or output is none\n  leave -t out\n', code: 1 });
  t.like(await run('run', '--network', 'nothing', '--', 'true'), { stderr: "vipmesh: no network 'nothing'\n  see 'vipmesh network ls', or create it: vipmesh network create nothing\n", code: 1 });
  t.like(await run('run', '--', '/no/such'), { code: 127 });
});

test('a signal to run is passed on, and the exit code says so', async (t) => {
  const { socketPath, control } = await start(t);
  const child = spawn(process.execPath, [MAIN, 'run', '--', 'sh', '-c', 'echo ready; exec sleep 600'], { env: { VIPMESH_SOCKET: socketPath }, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number];
  t.is(code, 143);
  t.deepEqual(control.signals, ['SIGTERM']);
});

test('when run is killed, the process that it ran hangs up', async (t) => {
  const { socketPath, control } = await start(t);
  const child = spawn(process.execPath, [MAIN, 'run', '--', 'sh', '-c', 'echo ready; exec sleep 600'], { env: { VIPMESH_SOCKET: socketPath }, stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  t.true(await pollUntil('the hang-up', () => control.signals.includes('SIGHUP')));
});

test('stack deploy: warnings on stderr, changes on stdout; errors with their line', async (t) => {
  const { run, directory, control } = await start(t);
  const file = join(directory, 'compose.yaml');
  await writeFile(file, 'services:\n  vote:\n    image: nginx\n    command: x\n    deploy: { replicas: 2 }\n');
  const { stdout, stderr, code } = await run('stack', 'deploy', '-c', file, 'shop');
  t.is(stdout, 'network shop_default created\nservice shop_vote created\n');
  t.is(stderr, `vipmesh: ${file}:3: services.vote.image is not supported and ignored: tasks are processes of this host, started by 'command'\n`);
  t.is(code, 0);
  t.is(control.taskList.length, 2);
  t.is(await ok(t, run('stack', 'ls')), 'NAME   SERVICES   NETWORKS\nshop   1          1\n');
  t.is((await ok(t, run('stack', 'ps', 'shop', '-q'))).split('\n').length, 3);
  t.regex(await ok(t, run('stack', 'services', 'shop')), /shop_vote/);
  await writeFile(file, 'services:\n  vote:\n    comand: x\n    command: x\n    replicas: 2\n');
  t.deepEqual(await run('stack', 'deploy', '-c', file, 'shop'), {
    stdout: '',
    stderr: `vipmesh: ${file}:3: unknown key 'comand' in services.vote (did you mean 'command'?)\n  ${file}:5: unknown key 'replicas' in services.vote\n`,
    code: 1,
  });
  t.is(await ok(t, run('stack', 'rm', 'shop')), 'service shop_vote removed\n');
  t.like(await run('stack', 'ps', 'shop'), { stderr: "vipmesh: no stack 'shop'\n  see 'vipmesh stack ls'\n", code: 1 });
});

test('nodes: inspect, update, and rm of one that is down', async (t) => {
  const { run, control } = await start(t);
  const [host1] = control.nodeList;
  if (host1 === undefined) return t.fail();
  control.nodeList.push({ ...host1, id: 'bbbbbbbbbbbb', hostname: 'host2', status: 'down', leader: false });
  t.is(await ok(t, run('node', 'ls', '--format', '{{.Hostname}} {{.Status}} {{.Leader}}')), 'host1 Ready Leader\nhost2 Down \n');
  t.is(await ok(t, run('node', 'inspect', '--format', '$.status', 'host2')), 'down\n');
  t.is(await ok(t, run('node', 'update', '--availability', 'drain', '--label-add', 'zone=a', '--label-add', 'disk=', 'host2')), 'host2\n');
  t.like(control.nodeList[1], { availability: 'drain', labels: { zone: 'a', disk: '' } });
  t.is(await ok(t, run('node', 'update', '--label-rm', 'disk', 'bbbbbbbbbbbb')), 'host2\n');
  t.deepEqual(control.nodeList[1]?.labels, { zone: 'a' });
  t.like(await run('node', 'update', '--label-add', 'zone', 'host2'), { stderr: "vipmesh: --label-add: 'zone' has no value: write KEY=VALUE, or 'zone=' for an empty one\n", code: 2 });
  t.like(await run('node', 'update', 'host2'), { stderr: "vipmesh: nothing to change\n  see 'vipmesh node update --help'\n", code: 2 });
  t.like(await run('node', 'rm', 'host1'), { stderr: "vipmesh: node 'host1' is up: stop its agent first (vipmesh down, on that host)\n", code: 1 });
  t.like(await run('node', 'rm', 'host2'), { stderr: "vipmesh: node 'host2' is in use by task 'vote.1': remove it with --force\n", code: 1 });
  t.is(await ok(t, run('node', 'rm', '--force', 'host2')), 'host2\n');
  t.like(await run('node', 'inspect', 'host2'), { stderr: "vipmesh: no node 'host2'\n  see 'vipmesh node ls'\n", code: 1 });
});

test('what does not work: of a service in ls and ps, of a node in its status and in node ls', async (t) => {
  const { run, control } = await start(t);
  await ok(t, run('service', 'create', '--name', 'web', '--replicas', '1', '-p', '80:80', '--', 'x'));
  control.serviceProblems = { web: { problem: "no suitable node for service 'web': have a node that is up, active and fulfils the constraints", portProblems: [{ node: 'host2', port: 'port 80/tcp', message: 'in use' }] } };
  const port = 'vipmesh: service web: port 80/tcp is not served on node host2: in use\n';
  t.like(await run('service', 'ls'), { stderr: `vipmesh: service web: no suitable node for service 'web': have a node that is up, active and fulfils the constraints\n${port}`, code: 0 });
  const ps = await run('service', 'ps', 'web');
  t.is(ps.stderr, port);
  t.regex(ps.stdout, /\n +web +Running +Pending .+ no suitable node for service 'web': have a node that is up, active and fulfils the constraints\n$/);
  t.like((JSON.parse(await ok(t, run('service', 'ps', '--json', 'web'))) as object[]).at(-1), { id: '', name: 'web', status: { state: 'pending', message: control.serviceProblems['web']?.problem } });
  t.is((await ok(t, run('service', 'ps', '-q', 'web'))).split('\n').length, 2);
  const problem = { about: 'network backend', message: 'no IPv6', since: new Date(Date.now() - 90_000).toISOString() };
  control.problems = { problems: [problem] };
  t.regex(await ok(t, run('status')), /^Problems: {2}1\n {11}network backend, for .+: no IPv6$/m);
  control.nodeList = control.nodeList.map((node) => ({ ...node, problems: [problem, problem] }));
  t.regex(await ok(t, run('node', 'ls')), /network backend: no IPv6 \(and 1 more\)\n$/);
});

test('status, nodes, flows', async (t) => {
  const { run, control } = await start(t);
  control.flowList = [{ network: 'o', service: 'vote', protocol: 'udp', client: '10.0.1.5:1', vip: '10.0.1.2:53', endpoint: '10.0.1.6:53', state: 'udp', bytesIn: 1, bytesOut: 2, age: 3, idle: 4, path: 'relay' }];
  t.regex(await ok(t, run('status')), /^Agent: {5}host1 \(abcdefabcdef\), version 0\.1\.0, mode root, pid 4711\nUp for: [^]*Store: {5}embedded, of this host alone\n[^]*Flows: {5}1, up to 1000\nWorkers: {3}2\nI\/O: {7}poll \(io_uring: it needs Linux 6\.7 or newer\)\nCounters:\n {2}packets in {2}12\n$/);
  t.is(await ok(t, run('status', '--format', '{{.Pid}}')), '4711\n');
  t.is((JSON.parse(await ok(t, run('status', '--json'))) as { pid: number }).pid, 4711);
  t.regex(await ok(t, run('node', 'ls')), /^ID .*\nabcdefabcdef {3}host1 {6}Ready/);
  control.store = { kind: 'etcd', cluster: 'prod', members: ['a:1', 'b:2'], reachable: true, latency: 2.3 };
  t.regex(await ok(t, run('status')), /^Store: {5}etcd at a:1, b:2, cluster prod: answers in 2 ms$/m);
  control.store = { kind: 'etcd', cluster: 'prod', members: ['a:1'], reachable: false, unreachableSince: new Date(Date.now() - 90_000).toISOString(), problem: 'etcd at a:1 does not answer' };
  t.regex(await ok(t, run('status')), /^Store: {5}etcd at a:1, cluster prod: OUT OF REACH for .+; tasks and traffic go on, nothing can be changed\. etcd at a:1 does not answer$/m);
  t.regex(await ok(t, run('flows')), /^PROTO .* PATH\nudp .* relay\n$/);
  t.deepEqual(await run('flows', '--service', 'nosuch'), { stdout: '', stderr: "vipmesh: no service 'nosuch'\n  see 'vipmesh service ls'\n", code: 1 });
});

test('offload ls of one service', async (t) => {
  const { run, control } = await start(t);
  const ids: string[] = [];
  for (const name of ['vote', 'other']) ids.push((await ok(t, run('service', 'create', '--detach', '--name', name, '--', 'x'))).trim());
  control.offloadList = ids.map((serviceId, index) => ({ service: index === 0 ? 'vote' : 'other', serviceId, network: 'overlay1', mode: 'auto', state: 'userspace', opened: 3, kernelFlows: 0 }));
  t.is(await ok(t, run('offload', 'ls', '--service', 'vote', '--format', '{{.Service}}')), 'vote\n');
  t.is(await ok(t, run('offload', 'ls', '--format', '{{.Service}}')), 'vote\nother\n');
  t.deepEqual(await run('offload', 'ls', '--service', 'nosuch'), { stdout: '', stderr: "vipmesh: no service 'nosuch'\n  see 'vipmesh service ls'\n", code: 1 });
});

test('offload show: as commands, as JSON, by a template', async (t) => {
  const { run, control } = await start(t);
  const serviceId = (await ok(t, run('service', 'create', '--detach', '--name', 'vote', '--', 'x'))).trim();
  control.offloadList = [{ service: 'vote', serviceId, network: 'overlay1', mode: 'auto', state: 'offloaded', mark: 0x103, opened: 3, kernelFlows: 0 }];
  t.is(await ok(t, run('offload', 'show', 'vote')), '# in the sandbox of network overlay1: enter n1 sh\nmark 259\n');
  t.deepEqual(JSON.parse(await ok(t, run('offload', 'show', 'vote', '--json'))), [{ network: 'overlay1', enter: 'enter n1', commands: ['mark 259'] }]);
  t.is(await ok(t, run('offload', 'show', 'vote', '--format', '{{.Network}}: {{join .Commands "; "}}')), 'overlay1: mark 259\n');
  t.is((await run('offload', 'show', 'vote', '--json', '--format', 'json')).code, 2);
});

test('offload ls says what those in the kernel miss, and nothing where there are none, or to a program', async (t) => {
  const { run, control } = await start(t);
  const record = { service: 'vote', serviceId: 's1', network: 'overlay1', mode: 'auto', state: 'offloaded', mark: 0x103, opened: 3, kernelFlows: 0 } as const;
  control.offloadList = [record];
  t.is((await run('offload', 'ls')).stderr, '');
  control.problems = { resetsProblem: 'the optional package raw-socket is not installed' };
  t.regex((await run('offload', 'ls')).stderr, /idle clients in the kernel are not told.*: the optional package raw-socket is not installed/s);
  t.is((await run('offload', 'ls', '--json')).stderr, '');
  control.offloadList = [{ ...record, state: 'userspace' }];
  t.is((await run('offload', 'ls')).stderr, '');
});

test('status says why the driver that was asked for does not work', async (t) => {
  const { run, control } = await start(t);
  control.problems = { offloadProblem: 'ipvs: this kernel has no IPVS' };
  t.regex(await ok(t, run('status')), /\nOffload: {3}none: ipvs: this kernel has no IPVS\n/);
});

test('flows --watch goes on until it is interrupted', async (t) => {
  const { socketPath } = await start(t);
  const child = spawn(process.execPath, [MAIN, 'flows', '--watch', '--interval', '100ms'], { env: { VIPMESH_SOCKET: socketPath }, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await pollUntil('it has looked three times', () => text.split('PROTO').length > 3);
  child.kill('SIGINT');
  t.deepEqual(await once(child, 'exit'), [0, null]);
  t.false(text.includes('\u001b'));
});

test('a reader that has seen enough is no failure', async (t) => {
  const { socketPath, control } = await start(t);
  await control.createService({ name: 'vote', labels: {}, task: { command: ['x'], env: {}, stopGracePeriod: 0 }, networks: [], replicas: 1, endpointMode: 'vip', ports: [], restart: { condition: 'any', delay: 0 }, balancing: DEFAULT_BALANCING, ...DEFAULT_DEPLOYMENT });
  for (let i = 0; i < 20_000; i++) control.logLines.push({ task: 'vote.1', line: `line ${i} ${'x'.repeat(80)}` });
  const child = spawn('sh', ['-c', `"$0" "$1" service logs vote | head -n 1; exit 0`, process.execPath, MAIN], { env: { VIPMESH_SOCKET: socketPath, PATH: process.env['PATH'] }, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  await once(child, 'close');
  t.regex(out, /^vote\.1 \| line 0 x+\n$/);
  t.is(err, '');
});

test('no agent: says how to start one, exit code 1', async (t) => {
  t.deepEqual(await vipmesh(['service', 'ls'], { socket: '/nonexistent/x.sock' }), {
    stdout: '',
    stderr: "vipmesh: no vipmesh agent answers on /nonexistent/x.sock: start one with 'vipmesh up'\n",
    code: 1,
  });
  const { stderr, code } = await vipmesh(['status', '--socket', '/nonexistent/y.sock'], { socket: '/nonexistent/x.sock' });
  t.is(code, 1);
  t.regex(stderr, /answers on \/nonexistent\/y\.sock:/);
});

test('what the agent refuses as invalid is a usage error, as what the command refuses itself', async (t) => {
  const { run } = await start(t);
  const { code, stderr } = await run('network', 'create', 'no_such name');
  t.is(code, 2);
  t.regex(stderr, /^vipmesh: name: 'no_such name' is not a network name/);
  t.is((await run('network', 'create', 'taken')).code, 0);
  t.is((await run('network', 'create', 'taken')).code, 1, 'a conflict is none');
});

test('removing several things: each is tried, one failure is exit code 1', async (t) => {
  const { run } = await start(t);
  await ok(t, run('network', 'create', 'a'));
  t.deepEqual(await run('network', 'rm', 'nothing', 'a'), { stdout: 'a\n', stderr: "vipmesh: no network 'nothing'\n  see 'vipmesh network ls'\n", code: 1 });
});
