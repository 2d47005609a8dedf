/**
 * Thousands of connections at once through one published port, without root; and what is said of a port that needs it.
 */
import assert from 'node:assert/strict';
import type { AgentInfo } from '../../../agent/control.js';
import type { MachineUser } from '../../support/machine-users.js';
import { pollUntil } from '../../support/poll-until.js';
import { Machine } from './support/machine.js';

const COUNT = 5000;
const PORT = 8090;

const ECHO = `require('node:net').createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen({ host: '0.0.0.0', port: 7, backlog: 4096 })`;

/** Opens them all, says something through each, and once all have been answered says something else through each. */
const CLIENTS = `
const sockets = [];
let answered = 0;
const fail = (error) => { console.error(String(error)); process.exit(1); };
const open = () => {
  const number = sockets.length;
  const socket = require('node:net').connect(${PORT}, '127.0.0.1').setEncoding('utf8').on('error', fail).on('end', () => fail('ended'));
  sockets.push(socket);
  socket.expected = 'first ' + number;
  socket.got = '';
  socket.on('data', (text) => {
    socket.got += text;
    if (socket.got !== socket.expected) return;
    socket.got = '';
    answered++;
    if (sockets.length < ${COUNT}) open();
    if (answered === ${COUNT}) {
      console.log('all are open');
      sockets.forEach((each, index) => each.write(each.expected = 'second ' + index));
    }
    if (answered === ${2 * COUNT}) console.log('all are answered');
  });
  socket.write(socket.expected);
};
for (let i = 0; i < 256; i++) open();
`;

export async function manyConnections(user: MachineUser): Promise<void> {
  const machine = Machine.setUp(user);
  const agent = await machine.up('--workers', '2');
  if (machine.mode === 'rootless') assert.match(await machine.refused('service', 'create', '--name', 'low', '-p', '80:80', '--', 'true'), /port 80\/tcp is not allowed: below 1024 .*sysctl -w net\.ipv4\.ip_unprivileged_port_start=80/);
  await machine.vipmesh('service', 'create', '--name', 'echo', '-p', `${PORT}:7`, '--', process.execPath, '-e', ECHO);
  const counters = async (): Promise<Readonly<Record<string, number>>> => (await machine.object<AgentInfo>('status')).counters;

  const clients = machine.start(process.execPath, ['-e', CLIENTS]);
  await clients.says(/all are answered/);
  const now = await counters();
  assert.equal(now['relay.relay_tcp_open'], COUNT);
  const [first = 0, second = 0] = [now['relay.relay_tcp_accepted_0'], now['relay.relay_tcp_accepted_1']];
  assert.equal(first + second, COUNT);
  assert.ok(Math.min(first, second) >= COUNT / 3, `the threads have ${first} and ${second} of them`);

  clients.child.kill('SIGKILL');
  await clients.ended;
  await pollUntil('all are closed', async () => (await counters())['relay.relay_tcp_open'] === 0, { interval: 200 });
  await machine.stop(agent);
}
