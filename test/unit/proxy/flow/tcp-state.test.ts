import test from 'ava';
import { State } from '../../../../proxy/flow/slot.js';
import { isOver, nextTcpState } from '../../../../proxy/flow/tcp-state.js';
import { flagsMakeSense } from '../../../../proxy/wire/tcp.js';

const LETTERS: Readonly<Record<string, number>> = { F: 1, S: 2, R: 4, P: 8, A: 16 };
const NAMES = Object.fromEntries(Object.entries(State).map(([name, value]) => [value, name]));

/** Steps such as `c:S` or `e:FA+` (with payload), from the state after the first SYN; answers the states gone through. */
function states(steps: string): string[] {
  let state: number = State.synSent;
  return steps.split(' ').map((step) => {
    const [side, letters] = step.split(':') as [string, string];
    const flags = [...letters.replace('+', '')].reduce((sum, letter) => sum | LETTERS[letter]!, 0);
    state = nextTcpState(state, side === 'c', flags, letters.endsWith('+') ? 10 : 0);
    return NAMES[state]!;
  });
}

test('the life of a connection that the client closes first', (t) => {
  t.deepEqual(states('e:SA c:A c:AP+ e:A+ c:FA e:A+ e:FA c:A'), [
    'synReceived',
    'established',
    'established',
    'established',
    'halfClosedByClient',
    'halfClosedByClient',
    'closingEndpointLast',
    'closed',
  ]);
});

test('the life of a connection that the endpoint closes first', (t) => {
  t.deepEqual(states('e:SA c:A e:FA c:A c:A+ c:FA e:A'), [
    'synReceived',
    'established',
    'halfClosedByEndpoint',
    'halfClosedByEndpoint',
    'halfClosedByEndpoint',
    'closingClientLast',
    'closed',
  ]);
});

test('retransmissions and late packets change nothing', (t) => {
  t.deepEqual(states('c:S c:S e:SA e:SA c:S'), ['synSent', 'synSent', 'synReceived', 'synReceived', 'synReceived']);
  t.deepEqual(states('e:A'), ['synSent'], 'a challenge ACK does not open');
  t.deepEqual(states('e:SA c:A c:FA c:FA c:A'), ['synReceived', 'established', 'halfClosedByClient', 'halfClosedByClient', 'halfClosedByClient']);
  t.deepEqual(states('e:SA c:A c:FA e:FA c:A+ e:A c:A').slice(-4), ['closingEndpointLast', 'closingEndpointLast', 'closingEndpointLast', 'closed']);
  t.deepEqual(states('e:SA c:A c:S e:SA').slice(-2), ['established', 'established']);
  t.deepEqual(states('e:SA c:FA e:FA').slice(-2), ['halfClosedByClient', 'closingEndpointLast'], 'the FIN may be what acknowledges the SYN');
  t.deepEqual(states('e:SA e:FA c:FA').slice(-2), ['halfClosedByEndpoint', 'closingClientLast']);
  t.deepEqual(states('e:SA c:A c:FA e:FA c:S e:SA c:A').slice(-4), ['closingEndpointLast', 'closingEndpointLast', 'closingEndpointLast', 'closed'], 'a SYN is not the last acknowledgement');
  t.deepEqual(states('e:SA c:A e:FA c:FA c:S e:SA e:A').slice(-4), ['closingClientLast', 'closingClientLast', 'closingClientLast', 'closed'], 'nor is a SYN,ACK');
});

test('a RST closes from every state, and nothing leaves closed', (t) => {
  for (const state of Object.values(State).filter((value) => value !== State.free && value !== State.udp)) {
    for (const side of [true, false]) {
      t.is(nextTcpState(state, side, 4, 0), State.closed);
      for (let flags = 0; flags < 32; flags++) if (flagsMakeSense(flags)) t.is(nextTcpState(State.closed, side, flags, 0), State.closed);
    }
  }
});

test('over is: closed, or both sides have said so', (t) => {
  t.deepEqual(Object.values(State).filter(isOver).map((value) => NAMES[value]), ['closingClientLast', 'closingEndpointLast', 'closed']);
});
