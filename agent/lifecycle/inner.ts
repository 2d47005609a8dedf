/**
 * Mode rootless, seen from inside: the process that unshare(1) executed. It is root of its user namespace and runs the
 * daemon as root would, with a gateway whose other end is the outer process.
 *
 * It ends for one of three reasons, all the same to it: the outer process says so, a signal (a Ctrl-C reaches both), or
 * the channel closes because the outer process is gone.
 */
import { withSecrets } from '../cluster/secret.js';
import { connectOuterGateway } from '../gateway/remote.js';
import { onShutdownSignals } from './interruptions.js';
import { asLifecycleMessage, failedMessage, tellParent } from './messages.js';
import { namespaceDirectory } from './paths.js';
import { vipmesh, type Daemon, type Program } from './program.js';
import { agentLogger, daemonIdentity, type AgentSettings } from './running.js';

/** Answers the exit code. `argument` is AgentSettings as JSON. */
export async function runInner(argument: string, program: Program = vipmesh): Promise<number> {
  const settings = withSecrets(JSON.parse(argument) as AgentSettings, process.env);
  const log = agentLogger(settings);
  let daemon: Daemon | undefined;
  let ending = false;
  const end = (): void => {
    ending = true;
    daemon?.shutdown().catch((error: unknown) => log.error('the shutdown was not complete', { err: error }));
  };
  const onMessage = (message: unknown): void => {
    if (asLifecycleMessage(message)?.lifecycle === 'shutdown') end();
  };
  const onDisconnect = (): void => {
    if (!ending) log.warn('the outer process is gone, shutting down');
    end();
  };
  process.on('message', onMessage);
  process.on('disconnect', onDisconnect);
  // For good: a signal that comes while this process ends must not end it sooner.
  onShutdownSignals(end);
  const gateway = connectOuterGateway();
  try {
    daemon = await program.runDaemon({
      mode: 'rootless',
      gateway,
      log,
      ...daemonIdentity(settings),
      namespaceDirectory: namespaceDirectory('rootless', settings.paths),
    });
    await tellParent({ lifecycle: 'ready' });
    // Asked to end while it was starting.
    if (ending) end();
    await daemon.closed;
    // Set when a worker thread has failed: the outer process starts another agent then.
    return Number(process.exitCode ?? 0);
  } catch (error) {
    await tellParent(failedMessage(error));
    return 1;
  } finally {
    // An open channel that is listened to would keep this process alive.
    process.off('message', onMessage);
    process.off('disconnect', onDisconnect);
    await gateway.close();
  }
}
