import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { get, Agent } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { demoStack } from '../../../../agent/demo/stack.js';
import { demoWelcome } from '../../../../agent/demo/welcome.js';
import type { NetworkObject } from '../../../../overlay/model/object.js';
import { pollUntil } from '../../../support/poll-until.js';

const VOTE = fileURLToPath(new URL('../../../../agent/demo/vote.js', import.meta.url));

test('the demonstration stack', (t) => {
  const { networks, services } = demoStack('root');
  t.deepEqual(networks.map(({ name }) => name), ['overlay1']);
  t.deepEqual(services.map(({ name, replicas }) => [name, replicas]), [['client', 1], ['vote', 2]]);
  const [client, vote] = services;
  t.deepEqual(vote?.task.command, [process.execPath, VOTE]);
  t.true(existsSync(VOTE));
  t.deepEqual(vote?.task.healthcheck?.command, [process.execPath, VOTE, '--check']);
  t.deepEqual(vote?.ports, [{ published: 8080, target: 80, protocol: 'tcp', mode: 'ingress' }]);
  t.deepEqual(vote?.networks, [{ network: 'overlay1', aliases: [] }]);
  t.deepEqual(client?.task.command, ['sleep', 'infinity']);
});

test('the same in mode sockets, where a VIP has the ports that are named, and those below 1024 are root’s', (t) => {
  const [client, vote] = demoStack('sockets').services;
  t.is(client?.endpointMode, 'dnsrr');
  t.is(vote?.endpointMode, 'vip');
  t.deepEqual(vote?.ports, [{ published: 8080, target: 8000, protocol: 'tcp', mode: 'ingress' }]);
  t.deepEqual(vote?.task.env, { PORT: '8000' });
});

async function startVote(t: ExecutionContext): Promise<{ port: number; stop: () => Promise<number | null>; signal: () => void }> {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  free.close();
  await once(free, 'close');
  const child = spawn(process.execPath, [VOTE], { env: { PORT: String(port), HOSTNAME: '0123456789ab' }, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit') as Promise<[number | null]>;
  await once(child.stdout, 'data');
  return {
    port,
    signal: () => void child.kill('SIGTERM'),
    stop: async () => (await ended)[0],
  };
}

function fetchText(port: number, agent: Agent | false): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

test('vote says who it is, passes its own check, and finishes what was begun before it ends', async (t) => {
  const { port, signal, stop } = await startVote(t);
  const check = (): number | null => spawnSync(process.execPath, [VOTE, '--check'], { env: { PORT: String(port) } }).status;
  const idle = new Agent({ keepAlive: true });
  t.is(await fetchText(port, idle), 'Processed by container ID 0123456789ab\n');
  t.is(check(), 0);
  const begun = connect(port, '127.0.0.1');
  let answer = '';
  begun.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
  begun.write('GET / HTTP/1.1\r\n');
  t.is(await fetchText(port, false), 'Processed by container ID 0123456789ab\n'); // so it has accepted the connection before
  signal();
  await pollUntil('it takes no more connections', () => check() === 1);
  begun.write('Host: x\r\n\r\n');
  await once(begun, 'close');
  t.regex(answer, /connection: close[^]*Processed by container ID 0123456789ab\n/i);
  t.is(await stop(), 0);
});

test('the welcome shows what is there, and what to type', (t) => {
  const agent = { name: 'host1', mode: 'rootless', pid: 4711, log: '/x/agent.log', stateOption: '' } as const;
  const nothing = { networks: [], services: [], tasks: [], wall: 0 };
  const text = demoWelcome({ agent, detached: false, ...nothing, socket: '/x.sock' });
  t.regex(text, /^vipmesh agent 'host1' is up: mode rootless, pid 4711\n/);
  t.regex(text, /export VIPMESH_SOCKET=\/x\.sock\n/);
  t.regex(text, /npx vipmesh service ps vote\n/);
  t.regex(text, /Ctrl-C \(here\)\n/);
  t.notRegex(text, /agent\.log/);
  t.regex(demoWelcome({ agent, detached: true, ...nothing }), /log \/x\/agent\.log\n[^]*npx vipmesh down\n/);
  t.regex(demoWelcome({ agent: { ...agent, stateOption: ' --state-dir /x' }, detached: true, ...nothing, socket: '/x.sock' }), /npx vipmesh down --state-dir \/x\n/);
  t.regex(demoWelcome({ agent: { ...agent, mode: 'sockets' }, detached: false, ...nothing }), /curl -s vote:8000; curl -s vote:8000\n[^]*VIPMESH_ADDRESS/);
  const network = (name: string): NetworkObject => ({
    id: name, spec: { name, driver: 'overlay', ipv6: false, internal: false, labels: {} }, ingress: name === 'ingress', subnet: '', gateway: '', balancer: '', vni: 0, createdAt: '',
  });
  t.regex(demoWelcome({ agent, detached: false, ...nothing, networks: [network('overlay1'), network('ingress')] }), /\ningress .*\noverlay1 /, 'as `network ls` has them');
});
