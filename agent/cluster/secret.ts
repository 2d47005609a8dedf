/**
 * What nobody else may read of a request to start an agent, on its way to another process: an argument of a process is everybody's
 * to see (ps), its environment only its own user's.
 */
import { parseStoreUser, type ClusterSettings } from './settings.js';

/** `name:password` */
export const STORE_USER_VARIABLE = 'VIPMESH_STORE_USER';

interface Clustered {
  readonly cluster?: ClusterSettings;
}

/** Without what is secret, and that as variables for the other process's environment. */
export function withoutSecrets<T extends Clustered>(request: T): { readonly request: T; readonly env: Record<string, string> } {
  if (request.cluster?.auth === undefined) return { request, env: {} };
  const { auth, ...cluster } = request.cluster;
  return { request: { ...request, cluster }, env: { [STORE_USER_VARIABLE]: `${auth.user}:${auth.password}` } };
}

/** The whole again. */
export function withSecrets<T extends Clustered>(request: T, env: Readonly<Record<string, string | undefined>>): T {
  const text = env[STORE_USER_VARIABLE];
  return request.cluster === undefined || text === undefined ? request : { ...request, cluster: { ...request.cluster, auth: parseStoreUser(text) } };
}
