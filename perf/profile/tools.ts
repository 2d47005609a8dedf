/**
 * The profilers: how each is put around the agent, and what it leaves. Pure but for finding clinic's program.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

export const TOOLS = ['cpu', 'doctor', 'flame', 'bubbleprof'] as const;
export type Tool = (typeof TOOLS)[number];

export const ABOUT: Readonly<Record<Tool, string>> = {
  cpu: "Node's own sampling profiler, one profile for each thread: where the time goes, to be opened in the Performance panel of any Chromium's DevTools.",
  doctor: 'clinic doctor, main thread: CPU, memory, event-loop delay and active handles over time, and what they say together.',
  flame: 'clinic flame, main thread: the stacks that were on the CPU, widest first.',
  bubbleprof: 'clinic bubbleprof, main thread: where asynchronous operations wait, and for what.',
};

const MAIN = fileURLToPath(new URL('../../agent/cli/main.js', import.meta.url));
const UNDER_CLINIC = new URL('./under-clinic.js', import.meta.url).href;

/** The name under which clinic files its data. */
const NAME = 'agent';

export interface AgentCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The process that is started is not the agent itself but its parent. */
  readonly wrapped: boolean;
}

/** `vipmesh up ARGS` under a tool that writes into `directory`, which is also where it must be started. */
export function agentCommand(tool: Tool, directory: string, args: readonly string[]): AgentCommand {
  const up = [MAIN, 'up', ...args];
  if (tool === 'cpu') return { file: process.execPath, args: ['--cpu-prof', `--cpu-prof-dir=${directory}`, ...up], env: {}, wrapped: false };
  // Neither asks nor tells anybody outside: no usage statistics, no look for updates, no browser.
  const env = { NO_INSIGHT: '1', NO_UPDATE_NOTIFIER: '1' };
  const clinic = [clinicProgram(), tool, '--open=false', `--dest=${directory}`, `--name=${NAME}`];
  return { file: process.execPath, args: [...clinic, '--', process.execPath, '--import', UNDER_CLINIC, ...up], env, wrapped: true };
}

/** The page that a tool of clinic makes, a name in its directory. */
export function pageName(tool: Exclude<Tool, 'cpu'>): string {
  return `${NAME}.clinic-${tool}.html`;
}

/** Throws when clinic is not installed. */
function clinicProgram(): string {
  return createRequire(import.meta.url).resolve('clinic/bin.js');
}
