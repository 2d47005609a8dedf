import test from 'ava';
import { runScenario, type HostUser } from '../support/host.js';

const running = new URL('./scenarios/tasks.js', import.meta.url);
const sessions = new URL('./scenarios/tasks-sessions.js', import.meta.url);
const runner = new URL('./scenarios/runner.js', import.meta.url);

const runningScenarios = {
  surroundings: 'a task has a network, host name, name server, hosts and processes of its own',
  environment: 'a task has the environment it was given and nothing of the agent',
  exitCodes: 'exit codes and signals are passed on',
  startErrors: 'a command that cannot be executed is refused, and leaves nothing',
  hostFiles: "the host's resolv.conf may be a link, and a missing hosts file is named",
  withBash: 'a task behind bash instead of dash',
  procRefused: 'a task without a /proc of its own',
  processOne: 'process 1 reaps orphans, and its end takes everything along',
  stopping: 'stop is SIGTERM, grace, SIGKILL for the whole tree',
  helperKilled: 'a task dies with its helper',
  agentKilled: 'nothing outlives an agent that is killed',
  agentKilledEarly: 'nothing outlives an agent that is killed while it starts a task',
  outlivesEarly: 'of a task that is to outlive its agent, all is left or nothing',
};

const sessionScenarios = {
  execs: 'a further process in a task',
  execTerminal: 'a further process on a terminal',
  taskTerminal: 'a task on a terminal',
  logs: 'a task writes its own log, which can be followed',
  health: 'a health command gates, condemns and is killed when it hangs',
  readiness: 'a task is ready when something in it listens',
};

const runnerScenarios = {
  appliedFirst: 'a task is said to run, or to stop, when that has been applied',
  appliedHealth: 'a task is said to be healthy when that has been applied',
};

for (const as of ['root', 'userns'] as HostUser[]) {
  for (const [name, title] of Object.entries(runningScenarios)) test(`${title}, as ${as}`, (t) => runScenario(t, as, running, name));
  for (const [name, title] of Object.entries(sessionScenarios)) test(`${title}, as ${as}`, (t) => runScenario(t, as, sessions, name));
  for (const [name, title] of Object.entries(runnerScenarios)) test(`${title}, as ${as}`, (t) => runScenario(t, as, runner, name));
}
