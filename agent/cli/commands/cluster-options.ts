/** Options of `vipmesh up` that make a node one of a cluster, and what they come to. */
import { parseDuration } from '../../../overlay/model/duration.js';
import type * as Settings from '../../cluster/settings.js';
import type { ClusterSettings, StoreSettings } from '../../cluster/settings.js';
import { UsageError, type OptionSpec } from '../command.js';
import type { Context } from '../context.js';
import { wholeNumber } from '../values.js';

export interface StoreOptions {
  readonly cluster?: string;
  readonly storeCa?: string;
  readonly storeCert?: string;
  readonly storeKey?: string;
  readonly storeUser?: string;
  readonly storeUserFile?: string;
}

export interface ClusterOptions extends StoreOptions {
  readonly store?: string;
  readonly advertise?: string;
  readonly vxlanPort?: number;
  readonly vxlan?: 'auto' | 'kernel' | 'userspace';
  readonly rotateKeys?: number;
}

/** Of --store: a store of this host's own. It has to be said only to leave a cluster. */
export const LOCAL_STORE = 'local';

/** The port after it carries encrypted networks. */
const LAST_VXLAN_PORT = 65534;

/** A rotation takes three steps, each of which waits for all nodes. */
const LEAST_ROTATION_MS = 60_000;

function parseRotation(text: string): number {
  const duration = parseDuration(text);
  if (duration < LEAST_ROTATION_MS) throw new UsageError(`'${text}' is less than 1m`);
  return duration;
}

/** How to be let in by etcd, and to which cluster. */
export const storeOptions: readonly OptionSpec[] = [
  { flags: '--cluster <name>', about: 'which cluster, of those that the same etcd may hold' },
  { flags: '--store-ca <file>', about: 'PEM certificate of the authority that etcd\'s is from; with it, etcd is spoken to in TLS' },
  { flags: '--store-cert <file>', about: 'PEM certificate that is shown to etcd' },
  { flags: '--store-key <file>', about: 'its PEM key' },
  { flags: '--store-user <name:password>', about: 'user of etcd; everybody on this host can see it in a command line, but not in a file or a variable', shown: '$VIPMESH_STORE_USER' },
  { flags: '--store-user-file <file>', about: 'a file that holds name:password' },
];

export const clusterOptions: readonly OptionSpec[] = [
  { flags: '--store <url>', about: 'be a node of a cluster whose state is in etcd: etcd://HOST:2379[,HOST:2379...]; local: leave it, and be alone', shown: 'a store in the state directory, for this host alone' },
  ...storeOptions,
  { flags: '--advertise <address>', about: 'IPv4 address of this host at which other nodes reach it', shown: 'the one from which it reaches the store' },
  { flags: '--vxlan-port <port>', about: 'UDP port of packets between nodes; encrypted networks use the next one too', parse: wholeNumber(1, LAST_VXLAN_PORT), shown: '4789' },
  { flags: '--vxlan <kind>', about: 'who carries packets between nodes: the kernel, or this agent, which needs no root and cannot encrypt; both speak to each other; auto: the kernel as root', choices: ['auto', 'kernel', 'userspace'], shown: 'auto' },
  { flags: '--rotate-keys <duration>', about: 'how often encrypted networks get another key, at least 1m; that of the node which leads counts', parse: parseRotation, shown: '12h' },
];

const NAMES: Readonly<Record<keyof ClusterOptions, string>> = {
  store: '--store',
  cluster: '--cluster',
  advertise: '--advertise',
  storeCa: '--store-ca',
  storeCert: '--store-cert',
  storeKey: '--store-key',
  storeUser: '--store-user',
  storeUserFile: '--store-user-file',
  vxlanPort: '--vxlan-port',
  vxlan: '--vxlan',
  rotateKeys: '--rotate-keys',
};

/** Undefined: this node is to be alone. Rejects with UsageError that names the option, the cause and the remedy. */
export async function readClusterOptions(context: Pick<Context, 'env'>, options: ClusterOptions): Promise<ClusterSettings | undefined> {
  const { store, advertise, vxlanPort, vxlan, rotateKeys } = options;
  if (store === undefined || store === LOCAL_STORE) {
    const lonely = (Object.keys(NAMES) as (keyof ClusterOptions)[]).find((name) => name !== 'store' && options[name] !== undefined);
    if (lonely !== undefined) throw new UsageError(`${NAMES[lonely]} is for a node of a cluster, which needs a store`, 'add --store etcd://HOST:2379 and --cluster NAME');
    return undefined;
  }
  const which = await readStoreOptions(context, '--store', store, options);
  const [{ advertisedAddress, VXLAN_PORT }, { hostAddresses }] = await Promise.all([import('../../cluster/settings.js'), import('../../cluster/host-addresses.js')]);
  try {
    return { ...which, advertise: await advertisedAddress(advertise, which.members, hostAddresses()), vxlanPort: vxlanPort ?? VXLAN_PORT, ...(vxlan !== undefined && { vxlan }), ...(rotateKeys !== undefined && { keyRotation: rotateKeys }) };
  } catch (error) {
    throw usageError(error);
  }
}

/** @param flag of the option that `url` is of. Rejects as readClusterOptions does. */
export async function readStoreOptions(context: Pick<Context, 'env'>, flag: string, url: string | undefined, options: StoreOptions): Promise<StoreSettings> {
  const { cluster } = options;
  if (url === undefined) throw new UsageError(`${flag} is missing`, `add ${flag} etcd://HOST:2379`);
  if (cluster === undefined) throw new UsageError(`${flag} needs --cluster: one etcd may hold several clusters`, 'add --cluster NAME, the same on every node');
  const settings = await import('../../cluster/settings.js');
  try {
    const members = option(flag, () => settings.parseMembers(url));
    const tls = settings.tlsFiles({ ca: options.storeCa, cert: options.storeCert, key: options.storeKey });
    const auth = readUser(settings, context.env, options);
    return { members, cluster: option('--cluster', () => settings.parseClusterName(cluster)), ...(tls && { tls }), ...(auth && { auth }) };
  } catch (error) {
    throw usageError(error);
  }
}

function usageError(error: unknown): unknown {
  return error instanceof Error && error.name === 'ClusterSettingsError' ? new UsageError(error.message) : error;
}

function readUser(settings: typeof Settings, env: Context['env'], { storeUser, storeUserFile }: StoreOptions): ClusterSettings['auth'] {
  if (storeUser !== undefined && storeUserFile !== undefined) throw new UsageError('--store-user and --store-user-file cannot be combined');
  if (storeUser !== undefined) return option('--store-user', () => settings.parseStoreUser(storeUser));
  if (storeUserFile !== undefined) return option('--store-user-file', () => settings.parseStoreUser(settings.readText('--store-user-file', storeUserFile).trimEnd()));
  const variable = env['VIPMESH_STORE_USER'];
  return variable === undefined || variable === '' ? undefined : option('VIPMESH_STORE_USER', () => settings.parseStoreUser(variable));
}

/** What is wrong with a value, after the name of its option. */
function option<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && error.name === 'ClusterSettingsError' && !error.message.startsWith('--')) throw new UsageError(`${name}: ${error.message}`);
    throw error;
  }
}
