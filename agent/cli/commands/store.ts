/** `vipmesh store …`: from a host that is alone to one of a cluster. */
import { command } from '../command.js';
import type { GroupSpec } from '../command.js';
import { CommandFailure } from '../context.js';
import { readStoreOptions, storeOptions, type StoreOptions } from './cluster-options.js';

interface MigrateOptions extends StoreOptions {
  readonly to: string;
  readonly stateDir?: string;
}

const migrate = command<MigrateOptions>({
  name: 'migrate',
  local: true,
  purpose: "Copy this host's networks, services and tasks into etcd, as the beginning of a cluster.",
  options: [
    { flags: '--to <url>', about: 'where to: etcd://HOST:2379[,HOST:2379...]' },
    ...storeOptions,
    { flags: '--state-dir <path>', about: 'the state directory of the agent whose store it is', shown: '$XDG_STATE_HOME/vipmesh, /var/lib/vipmesh for root' },
  ],
  notes: `The agent must not run meanwhile, and the cluster must be empty. What is in the
state directory stays as it is. Then start this host with 'vipmesh up --store ...':
its tasks are its own there, too.`,
  examples: ['vipmesh store migrate --to etcd://10.0.0.1:2379 --cluster prod'],
  async run(context, _, options) {
    const settings = await readStoreOptions(context, '--to', options.to, options);
    const [{ resolvePaths, ensureDirectories }, { acquireAgentLock }, { readIdentity }, { openStore }, { migrate: copy }, { existsSync }] = await Promise.all([
      import('../../lifecycle/paths.js'), import('../../lifecycle/agent-lock.js'), import('../../lifecycle/identity.js'), import('../../cluster/open-store.js'), import('../../cluster/migrate.js'), import('node:fs'),
    ]);
    const paths = resolvePaths({ stateDir: options.stateDir, env: context.env, uid: context.uid });
    const identity = existsSync(paths.store) ? readIdentity(paths.identity) : undefined;
    if (identity === undefined) throw new CommandFailure(`there is nothing to migrate: no agent has kept its state in ${paths.stateDirectory}`, "name its directory with --state-dir; without one, begin with 'vipmesh up --store'");
    ensureDirectories(paths, context.uid);
    const lock = acquireAgentLock(paths, { name: identity.name, pid: process.pid, since: new Date(context.wall()).toISOString() });
    try {
      const [from, to] = [openStore(paths.store, undefined), openStore(paths.store, settings)];
      try {
        const { keys, networks, services, tasks } = await copy(from, to, identity.id, settings.cluster);
        context.write(`copied ${networks} networks, ${services} services and ${tasks} tasks (${keys} keys) to cluster '${settings.cluster}', and read them back\n`);
        context.write(`${paths.store} is kept as it was. Go on with: vipmesh up${paths.stateOption} --store ${options.to} --cluster ${settings.cluster}\n`);
      } finally {
        await Promise.all([from.close(), to.close()]);
      }
    } finally {
      lock.release();
    }
  },
});

export const storeCommands: GroupSpec = { name: 'store', purpose: 'Move state into a cluster', commands: [migrate] };
