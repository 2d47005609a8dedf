/**
 * An agent whose foreground process is this one: decides the mode, takes the lock, removes what a dead predecessor left
 * (unless tasks have outlived it, which the agent may adopt), starts the agent and stays until it has ended. After an orderly
 * end nothing of it is left in the runtime directory.
 *
 * Every reason not to start is an error with a message for the user: PathError, ModeError, AlreadyRunningError,
 * IdentityError, MembershipError, AgentFailedError, or what the daemon's own start throws.
 */
import { hostname } from 'node:os';
import { checkMembership, noteMembership } from '../cluster/membership.js';
import type { ClusterSettings } from '../cluster/settings.js';
import type { LogFormat, LogLevel } from '../log.js';
import { findSurvivors, killSurvivors } from '../tasks/survivors.js';
import type { UplinkChoice } from '../uplink/programs.js';
import { acquireAgentLock } from './agent-lock.js';
import { cleanedUpText, cleanUp } from './clean-up.js';
import { findFacts } from './facts.js';
import { loadIdentity, namePrefix } from './identity.js';
import { Interruptions, onShutdownSignals } from './interruptions.js';
import type { ReadyAgent } from './messages.js';
import { decideMode, refuseInSockets, type ModeRequest } from './modes.js';
import { startRootless } from './outer.js';
import { ensureDirectories, shellWord, type Paths } from './paths.js';
import type { DataplaneSettings, Program } from './program.js';
import { agentLogger, startHere, type AgentSettings, type RunningAgent } from './running.js';

/** Plain data: a detached agent gets it as JSON, but for what is secret. */
export interface AgentRequest {
  readonly mode: ModeRequest;
  readonly stateDir?: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly dataplane: DataplaneSettings;
  readonly uplink?: UplinkChoice;
  readonly cluster?: ClusterSettings;
  /** It is to be alone, whatever it was before. */
  readonly leavesCluster?: boolean;
  readonly version: string;
}

export interface Watcher {
  /** As soon as the agent answers. */
  readonly ready?: ((agent: ReadyAgent) => Promise<void>) | undefined;
  /** A line for the user who looks on, without its end; the log has its own. */
  readonly say?: (line: string) => void;
}

/**
 * Resolves with the exit code when the agent has ended in order. When `ready` rejects, it is shut down and so does this.
 * From here on signals are this function's, until the process ends: one that comes late must not spoil an orderly end.
 */
export async function runForeground(request: AgentRequest, paths: Paths, program: Program, watcher: Watcher = {}): Promise<number> {
  const { ready, say = () => undefined } = watcher;
  const interruptions = new Interruptions();
  let shutdownAsked = false;
  let agent: RunningAgent | undefined;
  let locked = false;
  onShutdownSignals((signal) => {
    const verdict = interruptions.signal(signal, performance.now());
    if (verdict === 'nothing new') return;
    if (!shutdownAsked) say(`stopping all tasks; services are kept for the next start (to forget them: rm -r ${shellWord(paths.stateDirectory)})`);
    shutdownAsked = true;
    // Before there is an agent there is nothing to end in order: the start looks at shutdownAsked when it is done.
    if (verdict === 'shut down') agent?.shutdown();
    else if (agent !== undefined) agent.kill();
    else {
      // What is below our runtime directory is another agent's unless we hold the lock.
      if (locked) killSurvivors(paths.taskFiles);
      process.exit(1);
    }
  });
  const uid = process.getuid?.() ?? 0;
  const { mode, note } = decideMode(request.mode, await findFacts(uid));
  const { mode: offload, driver = 'auto' } = request.dataplane.offload ?? {};
  if (mode === 'sockets') refuseInSockets({ cluster: request.cluster !== undefined, offload: offload === 'always' || driver !== 'auto' }, note);
  ensureDirectories(paths, uid);
  const startedAt = new Date().toISOString();
  const lock = acquireAgentLock(paths, { name: hostname(), pid: process.pid, since: startedAt });
  locked = true;
  try {
    checkMembership(paths.membership, request.cluster, request.leavesCluster === true, paths.stateOption);
    const identity = loadIdentity(paths.identity, hostname());
    const { version, logLevel, logFormat, dataplane, uplink, cluster } = request;
    const settings: AgentSettings = { paths, identity, pid: process.pid, startedAt, version, logLevel, logFormat, dataplane, ...(uplink && { uplink }), ...(cluster && { cluster }) };
    const log = agentLogger(settings);
    const remark = note === undefined ? undefined : `running in mode ${mode}, see 'vipmesh doctor' for what would help: ${note}`;
    if (remark !== undefined) log.warn(remark);
    // What is left beside tasks that outlived it is for the agent to remove: it knows what is wanted.
    const adopts = mode === 'root' && findSurvivors(paths.taskFiles).length > 0;
    const left = adopts ? undefined : cleanedUpText(await cleanUp(paths, namePrefix(identity)));
    if (left !== undefined) log.info(`removed what an earlier agent left: ${left}`);
    agent = mode === 'rootless' ? await startRootless(settings, lock.fds, program) : await startHere(mode, settings, program);
    noteMembership(paths.membership, cluster);
    const { socket, stateDirectory } = paths;
    const readyAgent: ReadyAgent = { name: identity.name, mode, pid: process.pid, socket, stateDirectory, log: paths.log, stateOption: paths.stateOption, ...(remark !== undefined && { remark }) };
    if (shutdownAsked) agent.shutdown();
    const failure = await stay(agent, shutdownAsked || ready === undefined ? undefined : () => ready(readyAgent));
    // What only holds empty directories by now, unless a step of the shutdown failed.
    const unfinished = cleanedUpText(await cleanUp(paths, namePrefix(identity)));
    if (unfinished !== undefined) log.warn(`removed what the shutdown had left: ${unfinished}`);
    say('stopped');
    if (failure !== undefined) throw failure;
    return 0;
  } finally {
    agent = undefined;
    locked = false;
    lock.release();
  }
}

/** Until the agent has ended, which is for want of `ready` if there is a failure. What `ready` was doing when it ended no longer matters. */
async function stay(agent: RunningAgent, ready: (() => Promise<void>) | undefined): Promise<Error | undefined> {
  let ended = false;
  const closed = agent.closed.finally(() => (ended = true));
  let failure: Error | undefined;
  // Not waited for, only watched: an agent may well end before it has been welcomed.
  void ready?.().catch((error: unknown) => {
    if (ended) return;
    failure = error instanceof Error ? error : new Error(String(error));
    agent.shutdown();
  });
  await closed;
  return failure;
}
