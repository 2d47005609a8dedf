/**
 * An agent seen from the process that a user started: in modes root and sockets the daemon in this very process, in mode rootless the
 * inner process behind this one (agent/lifecycle/outer.ts). Also what both are started from.
 */
import type { ClusterSettings } from '../cluster/settings.js';
import { createLogger, type LogFormat, type LogLevel, type Logger } from '../log.js';
import { LocalGateway } from '../gateway/local.js';
import { killSurvivors } from '../tasks/survivors.js';
import type { UplinkChoice } from '../uplink/programs.js';
import { namePrefix, type Identity } from './identity.js';
import { AgentFailedError } from './messages.js';
import type { Mode } from './modes.js';
import { namespaceDirectory, type Paths } from './paths.js';
import type { DataplaneSettings, Program } from './program.js';

/** Decided before any agent process starts; plain data, handed to the inner process as JSON. */
export interface AgentSettings {
  readonly paths: Paths;
  readonly identity: Identity;
  readonly pid: number;
  readonly startedAt: string;
  readonly version: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly dataplane: DataplaneSettings;
  readonly uplink?: UplinkChoice;
  readonly cluster?: ClusterSettings;
  /** It follows one that has died, whose sockets wait for it. */
  readonly again?: true;
}

export interface RunningAgent {
  /** Resolves after an orderly end; rejects with AgentFailedError when it died. */
  readonly closed: Promise<void>;
  /** Asks for an orderly end; idempotent. */
  shutdown(): void;
  /** Ends it at once. What it leaves is cleaned up by the next start, or by `vipmesh down`. */
  kill(): void;
}

export function agentLogger(settings: Pick<AgentSettings, 'logLevel' | 'logFormat'>): Logger {
  return createLogger({ level: settings.logLevel, format: settings.logFormat, colour: process.stderr.isTTY });
}

/** Modes root and sockets: the daemon in this process. Rejects with what the daemon's start rejected with. */
export async function startHere(mode: Exclude<Mode, 'rootless'>, settings: AgentSettings, program: Program): Promise<RunningAgent> {
  const gateway = new LocalGateway();
  try {
    const daemon = await program.runDaemon({
      mode,
      gateway,
      log: agentLogger(settings),
      ...daemonIdentity(settings),
      namespaceDirectory: namespaceDirectory(mode, settings.paths),
    });
    let failed: (error: unknown) => void = () => undefined;
    const failure = new Promise<never>((_, reject) => (failed = reject));
    return {
      closed: Promise.race([daemon.closed, failure]).finally(() => gateway.close()),
      shutdown: () => void daemon.shutdown().catch(failed),
      kill: () => {
        // They need no agent; who wants it gone at once wants them gone, too.
        killSurvivors(settings.paths.taskFiles);
        failed(new AgentFailedError(`ended before it had cleaned up: \`vipmesh down${settings.paths.stateOption}\` removes what is left`));
      },
    };
  } catch (error) {
    await gateway.close();
    throw error;
  }
}

/** The part of DaemonOptions that both modes fill alike. */
export function daemonIdentity(settings: AgentSettings): {
  paths: Paths;
  nodeId: string;
  nodeName: string;
  prefix: string;
  version: string;
  pid: number;
  startedAt: string;
  dataplane: DataplaneSettings;
  uplink?: UplinkChoice;
  cluster?: ClusterSettings;
  again?: true;
} {
  const { paths, identity, version, pid, startedAt, dataplane, uplink, cluster, again } = settings;
  return { paths, nodeId: identity.id, nodeName: identity.name, prefix: namePrefix(identity), version, pid, startedAt, dataplane, ...(uplink && { uplink }), ...(cluster && { cluster }), ...(again && { again }) };
}
