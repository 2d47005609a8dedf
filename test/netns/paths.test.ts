import test, { type ExecutionContext } from 'ava';
import { runScenario } from '../support/host.js';
import { MACHINE_USERS, runOnMachine } from '../support/machine-users.js';

const paths = new URL('./scenarios/paths.js', import.meta.url);
const ends = new URL('./scenarios/ends.js', import.meta.url);
const tools = ['curl', 'nc', 'ping', 'traceroute'].map((name) => `command:${name}` as const);

// Its time is nothing but waiting, in which the others run.
test('a half-closed connection brings data after 90 seconds', (t) => runScenario(t, 'root', ends, 'halfClosed', 'command:nc'));

// One at a time: what they measure is how soon something happens.
let turn: Promise<unknown> = Promise.resolve();
function inTurn(title: string, scenario: (t: ExecutionContext) => Promise<void>): void {
  test(title, (t) => {
    const mine = turn.then(() => scenario(t));
    turn = mine.catch(() => undefined);
    return mine;
  });
}

for (const user of MACHINE_USERS) {
  inTurn(`traceroute, IP options, fragments and path MTU through a VIP, as ${user}`, (t) => runOnMachine(t, user, paths, 'paths', 'ipv6', ...tools));
  inTurn(`two workers: hundreds of connections beside large transfers, as ${user}`, (t) => runOnMachine(t, user, paths, 'workers', ...tools));
}
for (const user of ['root', 'nobody'] as const) {
  inTurn(`a task is killed, or a connection silent for too long: a reset at once, as ${user}`, (t) => runScenario(t, user, ends, 'abandoned', 'command:curl', 'command:ss'));
}
