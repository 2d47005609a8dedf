/**
 * `vipmesh up`: an agent in the foreground (agent/lifecycle/foreground.ts, which says what can go wrong) or, with
 * --detach, a copy of this program that does that in the background (agent/lifecycle/detached.ts).
 */
import { writeSync } from 'node:fs';
import { startDetached } from './detached.js';
import { runForeground, type AgentRequest } from './foreground.js';
import type { ReadyAgent } from './messages.js';
import { resolvePaths } from './paths.js';
import { vipmesh, type Program } from './program.js';

export interface UpOptions extends AgentRequest {
  readonly detach: boolean;
  /**
   * Called in the process the user started, with --detach too, as soon as the agent answers: to deploy something, to print
   * what to type next. When it rejects, an agent in the foreground is shut down and `up` rejects with its error.
   */
  readonly ready?: (agent: ReadyAgent) => Promise<void>;
}

/** Resolves with the exit code when the agent has ended or, with detach, when it runs in the background. */
export async function up(options: UpOptions, program: Program = vipmesh): Promise<number> {
  const { detach, ready, ...request } = options;
  const uid = process.getuid?.() ?? 0;
  const paths = resolvePaths({ stateDir: options.stateDir, env: process.env, uid });
  const watcher = { ready, say: writeLine };
  return detach ? startDetached(request, paths, program, watcher) : runForeground(request, paths, program, watcher);
}

/** The terminal may be what has just gone away: that must not disturb an orderly end. */
function writeLine(line: string): void {
  try {
    writeSync(2, line + '\n');
  } catch {
    // Nobody reads it any more.
  }
}
