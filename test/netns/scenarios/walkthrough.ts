/**
 * The walk-through of README.md, typed as it stands there: from `npm start` to a Ctrl-C that leaves nothing behind. And the
 * other ways to start and to end.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import type { AgentInfo } from '../../../agent/control.js';
import type { ModeRequest } from '../../../agent/lifecycle/modes.js';
import type { NetworkObject, ServiceObject, TaskObject } from '../../../overlay/model/object.js';
import type { MachineUser } from '../../support/machine-users.js';
import { pollUntil } from '../../support/poll-until.js';
import { assertSameState, machineState } from './support/machine-state.js';
import { Machine } from './support/machine.js';

const ANSWER = /^Processed by container ID ([0-9a-f]{12})$/gm;

const answers = (text: string): string[] => [...text.matchAll(ANSWER)].map(([, id = '']) => id);

/** The last line of the welcome. */
const WELCOMED = /stop everything and leave nothing behind/;

/** What was written to a terminal, without colours; a line that was written over is a line. */
function plain(raw: string): string {
  return raw.replaceAll('\r\n', '\n').replaceAll(/\r|\u001b\[\d*[GK]/g, '\n').replaceAll(/\u001b\[[\d;]*[A-Za-z]/g, '');
}

async function demoIds(machine: Machine): Promise<string[]> {
  const tasks = await machine.objects<TaskObject>('service', 'ps', 'vote');
  return tasks.map(({ id }) => id).sort();
}

/** Four requests to the published port are answered by both tasks in turn. */
async function assertPublished(machine: Machine, ids: readonly string[], url = 'http://localhost:8080'): Promise<void> {
  const published = answers(await machine.run('sh', ['-c', `for i in 1 2 3 4; do curl -sS --max-time 20 ${url}; done`]));
  assert.deepEqual([...published].sort(), [...ids, ...ids].sort());
  assert.equal(published[0], published[2], `in turn: ${published.join(', ')}`);
}

/** `npm start` on a terminal, everything that the welcome and the README say to type, Ctrl-C. */
export async function walkthrough(user: MachineUser): Promise<void> {
  const machine = Machine.setUp(user);
  const before = machineState();
  // Root of a user namespace gets mode root from auto; so that the other one is seen without root of the machine, it is asked for.
  const mode = user === 'userns' ? 'rootless' : machine.mode;
  const terminal = machine.startOnTerminal(user === 'userns' ? 'npm start -- --mode rootless' : 'npm start');
  let raw = '';
  let ended = false;
  terminal.onData((chunk) => (raw += chunk.toString('utf8')));
  void terminal.exited.then(() => (ended = true));
  await pollUntil('the welcome', () => WELCOMED.test(raw) || ended, { timeout: 90_000 }).catch(() => undefined);
  const shown = plain(raw);
  assert.match(shown, WELCOMED);
  assert.match(shown, new RegExp(`^vipmesh agent '.+' is up: mode ${mode}, pid \\d+$`, 'm'));
  assert.match(shown, /^Next, in another terminal:$/m);
  assert.match(shown, /^\w{12}\s+vote\s+vip\s+2\/2\s+10\.0\.1\.\d+\s+\*:8080->80\/tcp$/m);

  // npx takes seconds to find out what it is to run, so it is used once for each kind of command.
  const npx = (...args: string[]): Promise<string> => machine.run('npx', ['vipmesh', ...args]);
  const ps = (await npx('service', 'ps', 'vote')).trimEnd().split('\n');
  assert.match(ps[0] ?? '', /^ID\s+NAME\s+NODE\s+DESIRED\s+CURRENT STATE\s+HEALTH\s+ADDRESS\s+PID\s+ERROR$/);
  assert.equal(ps.length, 3);
  const ids = ps.slice(1).map((line) => /^([0-9a-f]{12})\s+vote\.\d\.\1\s+\S+\s+Running\s+Running \S.* ago\s+healthy\s+10\.0\.1\./.exec(line)?.[1] ?? assert.fail(line)).sort();
  for (const id of ids) assert.ok(shown.includes(id), 'the welcome lists it');

  await assertPublished(machine, ids);
  await assertPublished(machine, ids, 'http://127.0.0.1:8080');
  await assertPublished(machine, ids, 'http://[::1]:8080');

  const inside = await npx('run', '--rm', '--network', 'overlay1', '--', 'sh', '-c', 'getent hosts vote; curl -s vote; curl -s vote');
  const vip = /^(10\.0\.1\.\d+)\s+vote$/m.exec(inside)?.[1] ?? assert.fail(inside);
  assert.deepEqual(answers(inside).sort(), ids);

  const [service, network] = await Promise.all([machine.object<ServiceObject>('service', 'inspect', 'vote'), machine.object<NetworkObject>('network', 'inspect', 'overlay1')]);
  const vipOf = ({ vips }: ServiceObject): string | undefined => vips.find(({ networkId }) => networkId === network.id)?.address;
  assert.equal(vipOf(service), vip);
  const formats: Record<string, string> = {
    '$.spec.replicas': '2',
    '{{.Spec.Name}} {{.Spec.Replicas}}': 'vote 2',
    '{{range .Ports}}{{.Published}}->{{.Target}}/{{.Protocol}}{{end}}': '8080->80/tcp',
    '{{range .Vips}}[{{.Address}}]{{end}}': service.vips.map(({ address }) => `[${address}]`).join(''),
  };
  for (const [format, expected] of Object.entries(formats)) assert.equal(await machine.vipmesh('service', 'inspect', '--format', format, 'vote'), `${expected}\n`, format);

  const views = await machine.eachInTask('overlay1', { ping: 'ping -c 2 -i 0.2 -W 5 vote', tasks: 'dig +short tasks.vote', host: 'cat /etc/resolv.conf; hostname', hop: 'ip route show default' });
  assert.match(views.ping, new RegExp(`PING vote \\(${vip.replaceAll('.', '\\.')}\\)[^]* 0% packet loss`));
  assert.equal(views.tasks.trim().split('\n').length, 2);
  assert.match(views.host, /^nameserver 127\.0\.0\.11$/m);
  assert.match(views.host, /^[0-9a-f]{12}$/m);

  // One that has ended is listed for some seconds only.
  const flow = new RegExp(`^tcp\\s+10\\.0\\.1\\.\\d+:\\d+\\s+${vip}:80\\s+10\\.0\\.1\\.\\d+:80\\s+vote\\s`, 'm');
  let flows = '';
  await pollUntil('a flow is listed', async () => {
    await machine.inTask('overlay1', 'curl -sS --max-time 20 vote');
    return flow.test((flows = await machine.vipmesh('flows')));
  }, { timeout: 90_000 }).catch((error: unknown) => assert.fail(`${String(error)}: ${flows}`));
  assert.match(await machine.vipmesh('service', 'scale', 'vote=3'), /^vote scaled to 3$/m);
  assert.equal((await demoIds(machine)).length, 3);
  assert.equal(vipOf(await machine.object<ServiceObject>('service', 'inspect', 'vote')), vip);

  const { pid, name, stateDirectory } = await machine.object<AgentInfo>('status');
  assert.ok(shown.includes(`'${name}' is up: mode ${mode}, pid ${pid}\n`));
  assert.match(await machine.refused('up'), new RegExp(`vipmesh agent '${name}' \\(pid ${pid}\\) already runs on ${stateDirectory}`));

  terminal.write('\u0003');
  const { code, signal } = await terminal.exited;
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, plain(raw));
  assert.doesNotMatch(plain(raw), / (warn|error) |npm error/);
  assertSameState(before, machineState());
  assert.match(await machine.refused('service', 'ls'), /no vipmesh agent answers/);
}

/** In the background: `up --detach`, `status`, `down`. What was deployed is there again the next time. */
export async function background(user: MachineUser): Promise<void> {
  const machine = Machine.setUp(user);
  const before = machineState();
  const welcome = await machine.vipmesh('up', '--detach', '--demo');
  assert.match(welcome, /^ {2}npx vipmesh down$/m);
  const { pid, name, mode } = await machine.object<AgentInfo>('status');
  assert.equal(mode, machine.mode);
  assert.ok(welcome.startsWith(`vipmesh agent '${name}' is up: mode ${mode}, pid ${pid}`), welcome);
  const ids = await demoIds(machine);
  await assertPublished(machine, ids);

  for (const again of [['up'], ['up', '--detach', '--demo'], ['up', '--mode', 'rootless']]) {
    assert.ok((await machine.refused(...again)).includes(`vipmesh agent '${name}' (pid ${pid}) already runs on `), again.join(' '));
  }
  await assertPublished(machine, ids);

  const down = await machine.attempt('npx', ['vipmesh', 'down']);
  assert.equal(down.code, 0, down.stderr);
  assert.ok(down.stderr.includes(`agent '${name}' (pid ${pid}) has ended`), down.stderr);
  assertSameState(before, machineState());

  // The same tasks with the same addresses, balanced by two workers now.
  await machine.vipmesh('up', '--detach', '--workers', '2', '--max-flows', '5000');
  assert.match(await machine.vipmesh('status'), /^Flows: +\d+, up to 5000\nWorkers: +2\nI\/O: +(io_uring|poll)/m);
  await pollUntil('vote runs again', async () => (await machine.vipmesh('service', 'ls', '--format', '{{.Name}} {{.Replicas}}')).includes('vote 2/2'), { timeout: 90_000 });
  assert.deepEqual(await demoIds(machine), ids);
  await assertPublished(machine, ids);
  await machine.vipmesh('down');
  assertSameState(before, machineState());
}

interface Way {
  readonly to: 'npm' | 'agent' | 'group';
  readonly signal: NodeJS.Signals;
  readonly mode?: ModeRequest;
}

const WAYS_TO_END: Readonly<Record<MachineUser, readonly Way[]>> = {
  root: [{ to: 'npm', signal: 'SIGTERM' }, { to: 'agent', signal: 'SIGHUP', mode: 'rootless' }],
  nobody: [{ to: 'npm', signal: 'SIGTERM' }, { to: 'agent', signal: 'SIGTERM' }, { to: 'group', signal: 'SIGHUP' }],
  userns: [{ to: 'npm', signal: 'SIGINT' }],
};

/** Whoever gets the signal, and whichever it is: an orderly end, with nothing left. */
export async function signals(user: MachineUser): Promise<void> {
  const machine = Machine.setUp(user);
  const before = machineState();
  for (const { to, signal, mode } of WAYS_TO_END[user]) {
    const npm = machine.start('npm', ['start', ...(mode === undefined ? [] : ['--', '--mode', mode])], { group: true });
    await npm.says(WELCOMED);
    const agent = Number(new RegExp(` is up: mode ${mode ?? machine.mode}, pid (\\d+)$`, 'm').exec(npm.stdout)?.[1] ?? assert.fail(npm.stdout));
    process.kill({ npm: npm.pid, agent, group: -npm.pid }[to], signal);
    const { code, stdout, stderr } = await npm.ended;
    // npm itself is ended by a SIGHUP, and may be gone before its child is.
    if (to !== 'group') assert.equal(code, 0, `${signal} to ${to}: ${stdout}${stderr}`);
    await pollUntil('the agent is gone', () => !existsSync(`/proc/${agent}`), { timeout: 90_000 });
    assertSameState(before, machineState());
  }
}
