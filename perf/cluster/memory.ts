/**
 * What an agent holds in memory when the store has many services and tasks. They are another node's, which is there as far as the store says, so
 * that all of them are balanced, named and routed to, and nothing runs. All are on one network, on which the agent has a task of its own.
 */
import { readFileSync } from 'node:fs';
import { Presence, register, type OwnRecord } from '../../agent/cluster/registration.js';
import { silentLogger } from '../../agent/log.js';
import { attachNode } from '../../overlay/network/attached.js';
import { newId } from '../../overlay/model/id.js';
import type { ServiceObject, TaskObject } from '../../overlay/model/object.js';
import { validateServiceSpec } from '../../overlay/model/validate.js';
import { addressKey, nameKey, serviceKey, taskKey } from '../../overlay/store/keys.js';
import { openEtcdStore } from '../../overlay/store/etcd.js';
import type { Store, Write } from '../../overlay/store/store.js';
import { formatIpv4, parseIpv4 } from '../../proxy/net/addr.js';
import { systemClock } from '../../proxy/time/clock.js';
import { Cluster, SOON } from '../../test/support/cluster.js';
import type { ClusterNode } from '../../test/support/cluster-node.js';
import { pollUntil } from '../../test/support/poll-until.js';
import type { Effort } from './inside.js';
import type { Row } from './result.js';

const SUBNET = '10.200.0.0/16';
/** Far from where the agent's own allocations begin. */
const FIRST_ADDRESS = '10.200.16.0';
/** Megabytes of 10⁶ bytes: the issue's, for 1,000 services and 5,000 tasks. */
const LIMIT_MB = 200;
/** In one transaction: etcd takes 128 operations. */
const SERVICES_AT_ONCE = 6;
/** How often, and how far apart in milliseconds, memory is read once all is there. */
const READINGS = 20;
const PACE_MS = 1000;
/** What it may change by in these readings, megabytes; and after how long, in milliseconds, it is taken as it is. */
const STEADY_MB = 4;
const PATIENCE_MS = 90_000;

export async function memory({ services, replicas, say }: Effort): Promise<Row[]> {
  say('memory: 1 node');
  const cluster = await Cluster.start({ nodes: 1 });
  const store = openEtcdStore({ members: cluster.etcd.members.map(({ client }) => client), cluster: 'test' });
  const own: OwnRecord = { id: newId(), hostname: 'elsewhere', mode: 'root', address: '192.0.2.77', vxlanPort: 4789, mtu: 1450, version: '0' };
  const context = { clock: systemClock };
  await register(store, own, context);
  const presence = await Presence.begin({ store, own, context, log: silentLogger });
  try {
    const [node] = cluster.nodes as [ClusterNode];
    await node.api.createNetwork({ name: 'overlay1', subnet: SUBNET });
    await node.cli('service', 'create', '--name', 'own', '--network', 'overlay1', '--constraint', `node.hostname==${node.name}`, '--', 'sleep', 'infinity');
    const { id: network } = await node.api.network('overlay1');
    await attachNode(store, network, own.id);
    const before = await atRest(node);
    say(`memory: ${services} services with ${replicas} tasks each are written`);
    const last = await write(store, network, own.hostname, services, replicas);
    const begin = performance.now();
    await pollUntil('the agent names the last of them', async () => (await node.exec('nsenter', `--net=${await ownNamespace(node)}`, 'dig', '+short', '+tries=1', 'tasks.' + last, '@127.0.0.11')).trim().split('\n').length === replicas, { ...SOON, interval: 200 });
    say(`memory: all known ${((performance.now() - begin) / 1000).toFixed(1)} s after the last was written`);
    const after = await atRest(node);
    const { services: known, tasksDesired } = await node.api.info();
    if (known !== services + 1) throw new Error(`the agent knows ${known} services`);
    const tasks = (await node.api.tasks()).length;
    if (tasks !== services * replicas + 1) throw new Error(`there are ${tasks} tasks (${tasksDesired} wanted)`);
    const topic = `Memory of an agent: ${services.toLocaleString('en')} services, ${(services * replicas).toLocaleString('en')} tasks of another node`;
    return [
      { topic, name: 'resident, before there are any', unit: 'MB', samples: before },
      { topic, name: 'resident, at rest with all of them', unit: 'MB', samples: after, ...(services === 1000 && { atMost: LIMIT_MB }) },
      { topic, name: 'the most it ever was', unit: 'MB', samples: [statusField(node, 'VmHWM')] },
    ];
  } finally {
    await presence.close();
    await store.close();
    await cluster.close();
  }
}

async function ownNamespace(node: ClusterNode): Promise<string> {
  const [task] = await node.settles('own', 1);
  return `/run/netns/${(await node.exec('ls', '/run/netns')).split('\n').find((name) => name.endsWith(`-${task?.name ?? ''}`)) ?? ''}`;
}

/** Answers the name of the last service. */
async function write(store: Store, network: string, node: string, services: number, replicas: number): Promise<string> {
  let address = parseIpv4(FIRST_ADDRESS);
  const next = (): string => formatIpv4(address++);
  let writes: Write[] = [];
  for (let index = 1; index <= services; index++) {
    writes.push(...serviceWrites(`service${index}`, network, node, replicas, next));
    if (index % SERVICES_AT_ONCE !== 0 && index !== services) continue;
    await store.commit([], writes);
    writes = [];
  }
  return `service${services}`;
}

/** A service and its tasks, all at once: who places tasks finds nothing to do. */
function serviceWrites(name: string, network: string, node: string, replicas: number, nextAddress: () => string): Write[] {
  const now = new Date().toISOString();
  const spec = validateServiceSpec({ name, replicas, networks: [{ network }], task: { command: ['/usr/bin/server', '--listen', '80'], env: { LEVEL: 'info', REGION: 'here' } }, labels: { tier: 'web' } });
  const id = newId();
  const vip = nextAddress();
  const service: ServiceObject = { id, spec, version: 1, vips: [{ networkId: network, address: vip }], ports: [], createdAt: now, updatedAt: now };
  const tasks = Array.from({ length: replicas }, (_, index): TaskObject => {
    const task = newId();
    const addresses = [{ networkId: network, address: nextAddress(), interface: 'eth0' }];
    const status = { state: 'running', since: now, health: 'none', pid: 1000 + index, listens: true } as const;
    return { id: task, name: `${name}.${index + 1}.${task}`, serviceId: id, slot: index + 1, spec: spec.task, version: 1, labels: spec.labels, node, addresses, desired: 'running', status, createdAt: now };
  });
  return [
    { put: serviceKey(id), value: service },
    { put: nameKey('service', name), value: { owner: serviceKey(id) } },
    { put: addressKey(network, vip), value: { owner: serviceKey(id) } },
    ...tasks.flatMap((task): Write[] => [
      { put: taskKey(task.id), value: task },
      { put: addressKey(network, task.addresses[0]?.address ?? ''), value: { owner: taskKey(task.id) } },
    ]),
  ];
}

/** Megabytes, read a number of times once they change no more: what a burst of changes has left is collected when the agent has time for it. */
async function atRest(node: ClusterNode): Promise<number[]> {
  const samples: number[] = [];
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, PACE_MS));
    samples.push(statusField(node, 'VmRSS'));
    const last = samples.slice(-READINGS);
    if (last.length === READINGS && (Math.max(...last) - Math.min(...last) < STEADY_MB || performance.now() > deadline)) return last;
  }
}

/** Of /proc/PID/status (proc(5)), in megabytes of 10⁶ bytes. */
function statusField({ agentPid }: ClusterNode, field: string): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${agentPid}/status`, 'utf8'))?.[1];
  return (Number(kilobytes) * 1024) / 1e6;
}
