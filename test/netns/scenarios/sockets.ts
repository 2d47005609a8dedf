/**
 * Mode sockets on a machine that allows uid 65534 neither user namespaces (seccomp, as in a container) nor /dev/net/tun: the
 * walk-through by VIP, by names and by published port; what it cannot do; draining; an agent that is killed; an end that leaves nothing.
 */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { AgentClient } from '../../../agent/api/client.js';
import type { ServiceSummary } from '../../../agent/control.js';
import type { TaskObject } from '../../../overlay/model/object.js';
import { isEnded } from '../../../overlay/model/task-state.js';
import { NOBODY } from '../../support/capability.js';
import { forbidUserNamespaces } from '../../support/forbidden.js';
import type { MachineUser } from '../../support/machine-users.js';
import { pollUntil } from '../../support/poll-until.js';
import { assertSameState, machineState } from './support/machine-state.js';
import { Machine } from './support/machine.js';
import { SteadyClient } from './support/steady.js';

const LATER = { timeout: 60_000 } as const;
const DNS = ['@127.0.0.1', '-p', '10054', '+short'] as const;

/** Answers with its task's id, on the task's own address. `healthy` is there as long as its checks succeed. */
const SERVER = `require('http').createServer((_, response) => response.end(process.env.HOSTNAME)).listen(8000, process.env.VIPMESH_ADDRESS)`;
const SERVE = ['--', process.execPath, '-e', SERVER] as const;
const CHECK = `exec ${process.execPath} -e 'require("http").get({ host: process.env.VIPMESH_ADDRESS, port: 8000 }, (r) => process.exit(r.statusCode === 200 ? 0 : 1)).on("error", () => process.exit(1))'`;

const STACK = `
services:
  web:
    command: ["${process.execPath}", "-e", ${JSON.stringify(SERVER)}]
    expose: ["8000"]
    networks: [back]
    deploy: { replicas: 2 }
networks:
  back: {}
`;

class Sockets {
  readonly api = new AgentClient(`/run/user/${NOBODY}/vipmesh/vipmesh.sock`);

  constructor(readonly machine: Machine) {}

  async running(service: string): Promise<TaskObject[]> {
    return (await this.api.serviceTasks(service)).filter(({ status }) => status.state === 'running');
  }

  /** Who answers, of as many connections as there are tasks: each once. */
  async answers(url: string, count: number): Promise<string[]> {
    const script = `for i in $(seq ${count}); do curl -sS --max-time 20 ${url}; echo; done`;
    return (await this.machine.run('sh', ['-c', script])).trim().split('\n').sort();
  }

  async lookup(...question: string[]): Promise<string[]> {
    return (await this.machine.run('dig', [...DNS, ...question])).trim().split('\n').sort();
  }
}

function homeOf({ addresses }: TaskObject): string {
  return addresses[0]?.address ?? assert.fail('it has no address');
}

function vipOf({ vips }: Pick<ServiceSummary, 'vips'>): string {
  return vips[0]?.address ?? assert.fail('it has no VIP');
}

export async function sockets(user: MachineUser): Promise<void> {
  const machine = Machine.setUp(user);
  const before = machineState();
  chmodSync('/run/tun', 0o600);
  forbidUserNamespaces();
  const mesh = new Sockets(machine);

  // Nothing else can run, so auto takes it, and says why.
  assert.match(await machine.refused('up', '--mode', 'rootless'), /a user namespace cannot be made .*Operation not permitted/);
  const agent = await machine.up('--dns-port', '10054');
  assert.match(agent.stdout, /is up \(mode sockets, /);
  assert.match(agent.stdout + agent.stderr, /running in mode sockets, see 'vipmesh doctor'.*\/dev\/net\/tun is not readable by uid 65534; a user namespace cannot be made/);
  assert.match(await machine.vipmesh('status'), /^DNS: +127\.0\.0\.1:10054 /m);

  await refusals(machine);
  const ids = await balanced(mesh);
  await named(mesh, ids);
  await drained(mesh);
  await stacked(mesh);

  // Its tasks end with it; the next agent starts the same ones.
  agent.child.kill('SIGKILL');
  await agent.ended;
  // In the background, too, it says why.
  assert.match(await machine.remarks('up', '--detach', '--dns-port', '10054'), /running in mode sockets, .*a user namespace cannot be made/);
  await machine.vipmesh('down');
  const again = await machine.up('--mode', 'sockets', '--dns-port', '10054');
  await pollUntil('the tasks run again', async () => (await mesh.running('vote')).length === 2, LATER);
  assert.deepEqual(await mesh.answers('localhost:8080', 2), (await mesh.running('vote')).map(({ id }) => id).sort());
  // A task may start what leaves its process group: that ends with it, too.
  await machine.vipmesh('run', '--rm', '--network', 'overlay1', '--', 'sh', '-c', 'setsid sleep 4711 & true');
  again.child.kill('SIGINT');
  assert.equal((await again.ended).code, 0);
  chmodSync('/run/tun', 0o666);
  assertSameState(before, machineState());
}

async function refusals(machine: Machine): Promise<void> {
  await machine.vipmesh('network', 'create', 'overlay1');
  assert.match(await machine.refused('network', 'create', '--opt', 'encrypted', 'x'), /cannot be encrypted: in mode sockets/);
  assert.match(await machine.refused('service', 'create', '--name', 'x', '--network', 'overlay1', ...SERVE), /a virtual IP, which in mode sockets has only the ports that are named\n {2}name each with --port/);
  assert.match(await machine.refused('service', 'create', '--name', 'x', '--network', 'overlay1', '--port', '80', ...SERVE), /cannot have port 80: [^]*sysctl -w net\.ipv4\.ip_unprivileged_port_start=80/);
  assert.match(await machine.refused('up', '--mode', 'sockets', '--state-dir', '/run/tmp/x', '--offload', 'always'), /leave these options out/);
}

/** By VIP and by published port, with a health check. Answers the ids of the tasks. */
async function balanced(mesh: Sockets): Promise<string[]> {
  const { machine, api } = mesh;
  await machine.vipmesh('service', 'create', '--name', 'vote', '--network', 'overlay1', '--port', '8000', '-p', '8080:8000', '--replicas', '2', '--health-cmd', CHECK, '--health-interval', '1s', ...SERVE);
  const tasks = await mesh.running('vote');
  const ids = tasks.map(({ id }) => id).sort();
  assert.equal(ids.length, 2);
  assert.ok(tasks.every((task) => task.status.health === 'healthy' && homeOf(task).startsWith('127.64.1.')));
  const vip = vipOf(await api.service('vote'));
  assert.match(vip, /^127\.64\.1\./);
  assert.deepEqual(await mesh.answers(`${vip}:8000`, 2), ids);
  assert.deepEqual(await mesh.answers('localhost:8080', 2), ids);
  return ids;
}

/** By names: of a service with a VIP, of one without, of tasks, and of addresses. What a task is told. */
async function named(mesh: Sockets, ids: readonly string[]): Promise<void> {
  const { machine, api } = mesh;
  await machine.vipmesh('service', 'create', '--name', 'each', '--network', 'overlay1', '--endpoint-mode', 'dnsrr', '--replicas', '2', ...SERVE);
  const [vip, tasks, each] = [vipOf(await api.service('vote')), await mesh.running('vote'), await mesh.running('each')];
  assert.deepEqual(await mesh.lookup('vote'), [vip]);
  assert.deepEqual(await mesh.lookup('+tcp', 'tasks.vote.overlay1'), tasks.map(homeOf).sort());
  const addresses = await mesh.lookup('each');
  assert.deepEqual(addresses, each.map(homeOf).sort());
  assert.deepEqual((await Promise.all(addresses.map((address) => mesh.answers(`${address}:8000`, 1)))).flat().sort(), each.map(({ id }) => id).sort());
  assert.deepEqual(await mesh.lookup('-x', vip), ['vote.overlay1.']);
  const [task] = tasks;
  assert.ok(task && ids.includes(task.id));
  const told = await machine.vipmesh('exec', task.id, '--', 'sh', '-c', 'echo $VIPMESH_ADDRESS $VIPMESH_TASK $VIPMESH_SERVICE $VIPMESH_SLOT $VIPMESH_NETWORKS $VIPMESH_DNS');
  assert.equal(told, `${homeOf(task)} ${task.name} vote ${task.slot} overlay1 127.0.0.1:10054\n`);
}

/** Scaled up and down under a client that connects all the time; no connection fails. */
async function drained(mesh: Sockets): Promise<void> {
  const { machine, api } = mesh;
  const client = await SteadyClient.under([], vipOf(await api.service('vote')), 8000);
  await machine.vipmesh('service', 'scale', 'vote=3');
  const newest = (await mesh.running('vote')).find(({ slot }) => slot === 3) ?? assert.fail('the third does not run');
  await pollUntil('the third answers', () => client.command.stdout.includes(`answered by ${newest.id}`), LATER);
  await machine.vipmesh('service', 'scale', 'vote=2');
  await pollUntil('the third has ended', async () => (await api.serviceTasks('vote')).every((task) => task.id !== newest.id || isEnded(task)), LATER);
  const { failures, attempts } = await client.stop();
  assert.deepEqual(failures, [], `of ${attempts}`);
}

async function stacked(mesh: Sockets): Promise<void> {
  const { machine } = mesh;
  writeFileSync('/run/tmp/stack.yaml', STACK);
  await machine.vipmesh('stack', 'deploy', '-c', '/run/tmp/stack.yaml', 'shop');
  assert.equal((await mesh.answers(`${(await mesh.lookup('shop_web'))[0]}:8000`, 2)).length, 2);
  await machine.vipmesh('stack', 'rm', 'shop');
}
