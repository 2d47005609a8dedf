/** What is printed once the demonstration runs: what there is, from the agent itself, and what to type next. Pure. */
import type { NetworkObject, TaskObject } from '../../overlay/model/object.js';
import type { ServiceSummary } from '../control.js';
import type { ReadyAgent } from '../lifecycle/messages.js';
import { networkView, serviceView } from '../cli/views/services.js';
import { taskView } from '../cli/views/tasks.js';
import { byName, tableOf } from '../cli/views/view.js';
import type { View } from '../cli/views/view.js';
import { DEMO_PORT } from './stack.js';

export interface Welcome {
  readonly agent: Pick<ReadyAgent, 'name' | 'mode' | 'pid' | 'log' | 'stateOption'>;
  /** The agent runs in the background. */
  readonly detached: boolean;
  readonly networks: readonly NetworkObject[];
  readonly services: readonly ServiceSummary[];
  readonly tasks: readonly TaskObject[];
  /** Milliseconds since the epoch. */
  readonly wall: number;
  /** Set when commands would not find the agent by themselves. */
  readonly socket?: string;
}

export function demoWelcome({ agent, detached, networks, services, tasks, wall, socket }: Welcome): string {
  const live = tasks.filter(({ desired, serviceId }) => desired === 'running' && serviceId !== undefined).sort(byName(({ name }) => name));
  // `down` takes no socket: it is told by the state directory which agent is meant.
  const down = `npx vipmesh down${agent.stateOption}`;
  const vip = services.find(({ spec }) => spec.name === 'vote')?.vips[0]?.address ?? 'vote';
  const inside: [string, string][] = agent.mode === 'sockets' ? [
    [`curl -s ${vip}:8000; curl -s ${vip}:8000`, 'the VIP, both tasks'],
    ["npx vipmesh run --rm --network overlay1 -- sh -c 'echo $VIPMESH_ADDRESS; echo $VIPMESH_DNS'", 'what a task is told: where to listen, and who knows the names (dig)'],
  ] : [
    [`npx vipmesh run --rm --network overlay1 -- sh -c 'getent hosts vote; curl -s vote; curl -s vote'`, 'from inside: the name, the VIP, both tasks'],
    ['npx vipmesh run --rm --network overlay1 -- dig +short tasks.vote', 'every task behind the VIP'],
  ];
  const commands: [string, string][] = [
    [`curl -s localhost:${DEMO_PORT}`, 'the published port; again: the other task'],
    ['npx vipmesh service ps vote', 'its tasks'],
    ...inside,
    ['npx vipmesh service scale vote=5', 'more of them; the VIP stays'],
    ['npx vipmesh flows --watch', 'who talks to whom'],
    [detached ? down : 'Ctrl-C (here)', 'stop everything and leave nothing behind'],
  ];
  const sections = [
    `vipmesh agent '${agent.name}' is up: mode ${agent.mode}, pid ${agent.pid}${detached ? `, log ${agent.log}` : ''}`,
    tableOf(networkView, [...networks].sort(byName(({ spec }) => spec.name))).trimEnd(),
    tableOf(serviceView(networks), [...services].sort(byName(({ spec }) => spec.name))).trimEnd(),
    tableOf(withoutErrors(taskView(wall)), live).trimEnd(),
    `Next, ${detached ? 'type' : 'in another terminal'}:`,
    ...(socket === undefined ? [] : [`  export VIPMESH_SOCKET=${socket}`]),
  ];
  return sections.join('\n\n') + '\n' + commands.map(([text, about]) => `  ${text}\n      ${about}\n`).join('');
}

/** All of these tasks run: a narrower table fits a terminal. */
function withoutErrors(view: View<TaskObject>): View<TaskObject> {
  return { ...view, columns: view.columns.filter(({ heading }) => heading !== 'ERROR' && heading !== 'DESIRED') };
}
