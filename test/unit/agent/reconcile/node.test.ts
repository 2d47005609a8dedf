/** What a node answers about a task from what its data plane and its relay know, and when it ends one. */
import test from 'ava';
import { Node, type NodeOptions } from '../../../../agent/reconcile/node.js';
import { SandboxPremises, type SandboxPremisesOptions } from '../../../../agent/reconcile/sandbox-premises.js';
import type { NetworkSandbox } from '../../../../agent/sandbox/network-sandbox.js';
import type { TaskOutput } from '../../../../agent/tasks/task.js';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import type { ServiceObject, TaskObject } from '../../../../overlay/model/object.js';
import type { Dataplane } from '../../../../proxy/dataplane/handle.js';
import type { Relay } from '../../../../proxy/relay/relay.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { serviceObject } from '../../overlay/fixtures.js';

const PORT = { published: 8080, target: 80, protocol: 'tcp', mode: 'ingress' } as const;

/** @param onVips for how long the data plane says that an endpoint is ejected from network 0 @param onPorts the same of the relay */
async function ejectedFor(service: ServiceObject, onVips: number, onPorts: number): Promise<number> {
  const dataplane: Pick<Dataplane, 'attach' | 'ejectedFor'> = { attach: () => Promise.resolve(), ejectedFor: (network, id) => (network === 0 && id === 't1' ? onVips : 0) };
  const relay: Pick<Relay, 'ejectedFor'> = { ejectedFor: (id) => Promise.resolve(id === 't1' ? onPorts : 0) };
  const mirror = { services: new Map([[service.id, service]]) };
  const premises = new SandboxPremises({ dataplane, relay, mirror } as unknown as SandboxPremisesOptions);
  const node = new Node({ mirror, premises, clock: new FakeClock() } as unknown as NodeOptions);
  await premises.adopt('n1', { tunFds: [9] } as unknown as NetworkSandbox, { gateway: '10.0.1.1', balancer: '10.0.1.2' });
  return node.ejectedFor({ id: 't1', serviceId: service.id, addresses: [{ networkId: 'n1', address: '10.0.1.5' }] } as unknown as TaskObject);
}

test('a task is ejected for as long as some virtual address or published port says', async (t) => {
  const published = { ...serviceObject('vote'), ports: [PORT] };
  t.is(await ejectedFor(published, 0, 0), 0);
  t.is(await ejectedFor(published, 2000, 0), 2000);
  t.is(await ejectedFor(published, 2000, 9000), 9000);
  t.is(await ejectedFor(serviceObject('vote'), 2000, 9000), 2000, 'it has no port');
  t.is(await ejectedFor({ ...published, spec: { ...published.spec, balancing: { ...DEFAULT_BALANCING, ejectAfter: 0 } } }, 2000, 9000), 0);
});

test('a task that others have ended in the store is ended here at once', async (t) => {
  const grace: number[] = [];
  let exit: (how: { exitCode: number }) => void = () => undefined;
  const exited = new Promise<{ exitCode: number }>((resolve) => (exit = resolve));
  const process = { pid: 0, exited, stop: (graceMs: number) => (grace.push(graceMs), exit({ exitCode: 143 }), exited) };
  const tasks = new Map<string, TaskObject>();
  const mirror = { tasks, networks: new Map(), services: new Map(), nodes: new Map(), alive: new Map(), applied: new Map(), revision: 1, taskRevision: () => 1 };
  const premises = {
    appliedKeys: 0,
    prepare: () => Promise.resolve([]),
    home: () => ({ start: () => Promise.resolve(process), leave: () => [] }),
    apply: () => Promise.resolve(),
    ports: () => new Map(),
    removeUnneeded: () => Promise.resolve(undefined),
  };
  const node = new Node({
    name: 'one', nodeId: 'a', clustered: true, outlives: false, survivors: new Map(), mirror, premises, publisher: { failures: new Map(), sync: () => Promise.resolve(true) }, problems: { set: (_: string, found: readonly unknown[]) => t.deepEqual(found, []) }, clock: new FakeClock(),
    upNodes: () => new Set(), noteApplied: () => undefined, onStatus: () => undefined, isShown: () => false, log: { warn: () => undefined, debug: (text: string) => t.fail(text) },
  } as unknown as NodeOptions);
  const task = { id: 't1', name: 'vote.1.t1', node: 'one', desired: 'running', addresses: [], spec: { stopGracePeriod: 5000 }, status: { state: 'running', health: 'none' } } as unknown as TaskObject;
  tasks.set(task.id, task);
  const runner = await node.runOnce(task, {} as TaskOutput);
  await runner.started;
  await node.settled();
  t.deepEqual(grace, []);
  tasks.set(task.id, { ...task, status: { ...task.status, state: 'shutdown' } });
  node.request();
  await runner.ended;
  t.deepEqual(grace, [0]);
  await node.settled();
  t.is(node.runner('t1'), undefined);
});
