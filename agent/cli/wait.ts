/** Waits until services run as asked, with a progress line when somebody looks on. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentClient } from '../api/client.js';
import { CommandFailure } from './context.js';
import type { Context } from './context.js';
import { convergence } from './converge.js';
import { portLines } from './problems.js';
import { DEFAULT_WAIT } from './values.js';
import type { WaitOptions } from './values.js';
import { formatDuration } from '../../overlay/model/duration.js';

const POLL = 150;

/**
 * Rejects with CommandFailure when the time is up or a service cannot get there. With `detach` it returns at once.
 * @param versions to which services were updated, by ref: going back from there is a failure
 */
export async function waitForServices(context: Context, client: AgentClient, refs: readonly string[], options: WaitOptions, versions: ReadonlyMap<string, number> = new Map()): Promise<void> {
  if (options.detach === true) return;
  const timeout = options.timeout ?? DEFAULT_WAIT;
  const deadline = performance.now() + timeout;
  const progress = new Progress(context);
  try {
    for (const ref of refs) await waitForService(context, client, ref, deadline, timeout, progress, versions.get(ref));
  } finally {
    progress.clear();
  }
}

async function waitForService(context: Context, client: AgentClient, ref: string, deadline: number, timeout: number, progress: Progress, version?: number): Promise<void> {
  for (;;) {
    const [service, tasks] = await Promise.all([client.service(ref), client.serviceTasks(ref)]);
    const state = convergence(service, tasks, context.wall(), version);
    const name = service.spec.name;
    if (state.state === 'converged') {
      progress.clear();
      for (const line of portLines([service])) context.warn(`vipmesh: ${line}\n`);
      return;
    }
    const remedy = `see 'vipmesh service ps ${name}' and 'vipmesh service logs ${name}'`;
    if (state.state === 'failed') throw new CommandFailure(state.message, state.remedy ?? remedy);
    const count = `${state.ready} of ${service.wanted} tasks`;
    progress.show(`${name}: ${count} running ${state.message}`);
    if (performance.now() > deadline) {
      throw new CommandFailure(`service ${name}: ${count} run after ${formatDuration(timeout)}${state.message === '' ? '' : `: ${state.message}`}`, `the agent goes on trying; ${remedy}`);
    }
    await sleep(POLL);
  }
}

/** One line on the terminal, written over itself; nothing at all elsewhere. */
class Progress {
  #shown = '';
  constructor(readonly context: Context) {}

  show(text: string): void {
    const line = text.trimEnd().slice(0, 100);
    if (!this.context.stderrIsTerminal || line === this.#shown) return;
    this.context.warn(`\r\u001b[K${line}`);
    this.#shown = line;
  }

  clear(): void {
    if (this.#shown !== '') this.context.warn('\r\u001b[K');
    this.#shown = '';
  }
}
