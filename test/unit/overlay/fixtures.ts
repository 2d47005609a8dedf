/** Stores, contexts and specs for the tests of networks, services and tasks. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { DEFAULT_BALANCING } from '../../../overlay/model/balancing.js';
import { DEFAULT_DEPLOYMENT } from '../../../overlay/model/updates.js';
import type { Context } from '../../../overlay/model/context.js';
import type { NetworkObject, ServiceObject } from '../../../overlay/model/object.js';
import type { NetworkSpec, ServiceSpec, TaskSpec } from '../../../overlay/model/spec.js';
import { createNetwork, ensureIngress } from '../../../overlay/network/networks.js';
import { openEmbeddedStore } from '../../../overlay/store/embedded.js';
import type { Store } from '../../../overlay/store/store.js';
import { FakeClock } from '../../../proxy/time/clock.js';

export const EPOCH = Date.parse('2024-01-01T00:00:00Z');

export interface TestContext extends Context {
  readonly clock: FakeClock;
}

/** Ids are `a00000000001`, `a00000000002`, …; time stands still at EPOCH. */
export function testContext(): TestContext {
  let count = 0;
  return { clock: new FakeClock(EPOCH), node: 'node1', newId: () => `a${String(++count).padStart(11, '0')}` };
}

/** An empty store, gone after the test. */
export function emptyStore(t: ExecutionContext): Store {
  const directory = mkdtempSync(join(tmpdir(), 'vipmesh-overlay-'));
  const store = openEmbeddedStore(directory);
  t.teardown(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });
  return store;
}

/** A store with the ingress network and `n1` (10.0.1.0/24). */
export async function meshStore(t: ExecutionContext): Promise<{ store: Store; context: TestContext; ingress: NetworkObject; n1: NetworkObject }> {
  const store = emptyStore(t);
  const context = testContext();
  const ingress = await ensureIngress(store, context);
  const n1 = await createNetwork(store, networkSpec('n1'), context);
  return { store, context, ingress, n1 };
}

export function networkSpec(name: string, more: Partial<NetworkSpec> = {}): NetworkSpec {
  return { name, driver: 'overlay', ipv6: false, internal: false, labels: {}, ...more };
}

export const taskSpec: TaskSpec = { command: ['sleep', 'infinity'], env: {}, stopGracePeriod: 10_000 };

export function serviceSpec(name: string, more: Partial<ServiceSpec> = {}): ServiceSpec {
  return { name, labels: {}, task: taskSpec, networks: [{ network: 'n1', aliases: [] }], replicas: 1, endpointMode: 'vip', ports: [], restart: { condition: 'any', delay: 1000 }, balancing: DEFAULT_BALANCING, ...DEFAULT_DEPLOYMENT, ...more };
}

export function serviceObject(name: string, more: Partial<ServiceSpec> = {}, version = 1): ServiceObject {
  const now = new Date(EPOCH).toISOString();
  return { id: name, spec: serviceSpec(name, more), version, vips: [], ports: [], createdAt: now, updatedAt: now };
}

/** Everything in the store as text, one key a line, without revisions: equal before and after means nothing changed. */
export async function dump(store: Store): Promise<string> {
  return (await store.list('')).entries.map(({ key, value }) => `${key} ${JSON.stringify(value)}`).join('\n');
}

/** Keys with a prefix, without it. */
export async function keys(store: Store, prefix: string): Promise<string[]> {
  return (await store.list(prefix)).entries.map(({ key }) => key.slice(prefix.length));
}
